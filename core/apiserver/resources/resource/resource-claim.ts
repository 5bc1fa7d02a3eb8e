import type { ResourceClaim } from '../../../api/generated/types.js';
import { ResourceClaims } from '../../../api/generated/resources.js';
import { internalValue } from '../../../api/internal-value.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import type { Authorizer } from '../../auth/authorizer.js';
import { age } from '../../handlers/table.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { keepAllButStatus } from '../../registry/status-reset.js';
import { immutable } from '../core/checks.js';
import { authorizeAdminRequests, authorizeAdminResults, authorizeBinding, authorizeDeviceStatus } from './claim-authorization.js';
import { defaultClaimSpec, defaultTolerations } from './claim-defaults.js';
import { selectorsOf, validateClaimSpec } from './claim-spec-validation.js';
import { sharedDeviceKey, validateClaimStatus } from './claim-status-validation.js';
import { SelectorChecks } from './device-selectors.js';

/** Source: kubernetes pkg/registry/resource/resourceclaim. */
export function resourceClaim(authorizer: Authorizer): ResourceDefinition {
  return defineResource<ResourceClaim>({
    reference: ResourceClaims,
    returnsDeleted: true,
    generation: false,
    resetFields: { '': ['status'], status: ['metadata', 'spec'] },
    defaults({ spec, status }) {
      defaultClaimSpec(spec);
      for (const { tolerations } of status?.allocation?.devices?.results ?? []) defaultTolerations(tolerations);
    },
    async validate(object, errors, context) {
      const refusals = new FieldErrors();
      await authorizeAdminRequests(object.spec.devices?.requests ?? [], context, refusals);
      // They are listed before what is wrong with the metadata.
      errors.list.unshift(...refusals.list);
      validateClaimSpec(object.spec, fieldPath('spec'), errors, await SelectorChecks.of(selectorsOf(object.spec)));
    },
    checks: { update: ['object', 'change', 'validateUpdate'] },
    validateUpdate(object, old, errors) {
      if (!semanticEqual(object.spec, old.spec))
        immutable(errors, fieldPath('spec'), internalValue('resource.ResourceClaimSpec', object.spec));
    },
    row: (object, context) => [object.metadata.name, state(object), age(object, context)],
    subresources: {
      status: {
        type: 'update',
        prepareForUpdate(object, old) {
          keepAllButStatus(object, old);
          dropDeallocatedDevices(object, old);
        },
        async validateUpdate(object, old, errors, context) {
          const refusals = new FieldErrors();
          await authorizeAdminResults(object, old, context, refusals);
          const change = { authorizer, context, errors: refusals };
          authorizeBinding(object, old, change);
          if (object.status.allocation) authorizeDeviceStatus(object, old, change);
          errors.list.unshift(...refusals.list);
          validateClaimStatus(object, old, errors);
        },
      },
    },
  });
}

/** What is said of devices that are no longer allocated goes, so that who deallocates need not know of it. */
function dropDeallocatedDevices({ status }: ResourceClaim, old: Readonly<ResourceClaim>): void {
  if (!status?.devices) return;
  const kept = new Set((status.allocation?.devices?.results ?? []).map(sharedDeviceKey));
  const before = (old.status?.allocation?.devices?.results ?? []).map(sharedDeviceKey);
  const gone = new Set(before.filter(key => !kept.has(key)));
  status.devices = status.devices.filter(device => !gone.has(sharedDeviceKey(device)));
  if (status.devices.length === 0) delete status.devices;
}

function state({ metadata, status }: Readonly<ResourceClaim>): string {
  const states: string[] = [];
  if (metadata.deletionTimestamp) states.push('deleted');
  if (status?.allocation) states.push('allocated', ...(status.reservedFor?.length ? ['reserved'] : []));
  else if (!metadata.deletionTimestamp) states.push('pending');
  return states.join(',');
}
