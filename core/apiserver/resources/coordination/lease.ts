import type { Lease } from '../../../api/generated/types.js';
import { Leases } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateQualifiedName } from '../../../machinery/names.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';

export const lease = defineResource<Lease>({
  reference: Leases,
  generation: false,
  freeFinalizers: true,
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  // Coordinated leader election is behind a gate that is off by default.
  prepareForCreate(object) {
    delete object.spec.strategy;
    delete object.spec.preferredHolder;
  },
  prepareForUpdate(object, old) {
    if (old.spec.strategy === undefined) delete object.spec.strategy;
    if (old.spec.preferredHolder === undefined) delete object.spec.preferredHolder;
  },
  validate: validateLease,
  row: (object, context) => [object.metadata.name, object.spec.holderIdentity ?? '', age(object, context)],
});

function validateLease({ spec }: Lease, errors: FieldErrors): void {
  const path = fieldPath('spec');
  const { leaseDurationSeconds: duration, leaseTransitions: transitions } = spec;
  if (duration !== undefined && duration <= 0) {
    errors.invalid(path.child('leaseDurationSeconds'), duration, 'must be greater than 0');
  }
  if (transitions !== undefined && transitions < 0) {
    errors.invalid(path.child('leaseTransitions'), transitions, 'must be greater than or equal to 0');
  }
  if (spec.strategy !== undefined) validateStrategy(spec.strategy, path.child('strategy', 'strategy'), errors);
  if (spec.preferredHolder && !spec.strategy) {
    errors.forbidden(path.child('preferredHolder'), 'may only be specified if `strategy` is defined');
  }
}

function validateStrategy(strategy: string, path: FieldPath, errors: FieldErrors): void {
  if (strategy.includes('/')) for (const text of validateQualifiedName(strategy)) errors.invalid(path, strategy, text);
  else if (strategy !== 'OldestEmulationVersion') errors.notSupported(path, strategy, ['OldestEmulationVersion']);
}
