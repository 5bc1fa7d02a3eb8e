import type { CSIDriver, CSIDriverSpec, StorageTokenRequest } from '../../../api/generated/types.js';
import { CSIDrivers } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { immutable, supported } from '../core/checks.js';

const groupPolicies = ['File', 'None', 'ReadWriteOnceWithFSType'];
const lifecycleModes = ['Persistent', 'Ephemeral'];
const shortestTokenSeconds = 600;
const longestTokenSeconds = 2 ** 32;
const shortestUpdateSeconds = 10;
const tokenWarning =
  'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes';

export const csiDriver = defineResource<CSIDriver>({
  reference: CSIDrivers,
  returnsDeleted: true,
  // None on creation; the first change of the spec makes it 1.
  generation: false,
  allowUnconditionalUpdate: false,
  defaults(object) {
    object.spec ??= {};
    const { spec } = object;
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
    if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
  },
  // Behind VolumeLimitScaling, which is off.
  prepareForCreate(object) {
    delete object.spec.preventPodSchedulingIfMissing;
  },
  prepareForUpdate(object, old) {
    if (old.spec.preventPodSchedulingIfMissing === undefined) delete object.spec.preventPodSchedulingIfMissing;
    if (!semanticEqual(object.spec, old.spec)) object.metadata.generation = (old.metadata.generation ?? 0) + 1;
  },
  validate: (object, errors) => validateSpec(object.spec, fieldPath('spec'), errors),
  validateUpdate(object, old, errors) {
    const path = fieldPath('spec');
    validateSpec(object.spec, path, errors);
    if (object.spec.attachRequired !== old.spec.attachRequired)
      immutable(errors, path.child('attachedRequired'), object.spec.attachRequired);
    if (!semanticEqual(object.spec.volumeLifecycleModes, old.spec.volumeLifecycleModes))
      immutable(errors, path.child('volumeLifecycleModes'), object.spec.volumeLifecycleModes);
  },
  warnings({ spec }, old) {
    const changed = !old || !semanticEqual(spec.tokenRequests, old.spec.tokenRequests);
    return changed && spec.tokenRequests?.length && spec.serviceAccountTokenInSecrets === undefined ? [tokenWarning] : [];
  },
  row: (object, context) => [
    object.metadata.name,
    object.spec.attachRequired ?? true,
    object.spec.podInfoOnMount ?? false,
    object.spec.storageCapacity ?? false,
    object.spec.tokenRequests?.map(({ audience }) => audience).join(',') ?? '<unset>',
    object.spec.requiresRepublish ?? false,
    object.spec.volumeLifecycleModes?.join(',') || '<none>',
    age(object, context),
  ],
});

function validateSpec(spec: CSIDriverSpec, path: FieldPath, errors: FieldErrors): void {
  if (spec.fsGroupPolicy !== undefined) supported(errors, path.child('fsGroupPolicy'), spec.fsGroupPolicy, groupPolicies);
  validateTokens(spec.tokenRequests ?? [], path.child('tokenRequests'), errors);
  for (const mode of spec.volumeLifecycleModes ?? [])
    if (!lifecycleModes.includes(mode)) errors.notSupported(path.child('volumeLifecycleModes'), mode, lifecycleModes);
  const period = spec.nodeAllocatableUpdatePeriodSeconds;
  if (period !== undefined && period < shortestUpdateSeconds) {
    errors.invalid(
      path.child('nodeAllocatableUpdatePeriodSeconds'),
      period,
      `must be greater than or equal to ${shortestUpdateSeconds} seconds`,
    );
  }
  const inSecrets = spec.serviceAccountTokenInSecrets;
  if (inSecrets !== undefined && !spec.tokenRequests?.length) {
    const text = 'serviceAccountTokenInSecrets is set but no tokenRequests are specified';
    errors.invalid(path.child('serviceAccountTokenInSecrets'), inSecrets, text);
  }
}

function validateTokens(requests: readonly StorageTokenRequest[], path: FieldPath, errors: FieldErrors): void {
  const audiences = new Set<string>();
  for (const [index, { audience, expirationSeconds }] of requests.entries()) {
    const at = path.index(index);
    if (audiences.has(audience)) {
      errors.duplicate(at.child('audience'), audience);
      continue;
    }
    audiences.add(audience);
    if (expirationSeconds === undefined) continue;
    const field = at.child('expirationSeconds');
    if (expirationSeconds < shortestTokenSeconds)
      errors.invalid(field, expirationSeconds, 'may not specify a duration less than 10 minutes');
    if (expirationSeconds > longestTokenSeconds)
      errors.invalid(field, expirationSeconds, 'may not specify a duration larger than 2^32 seconds');
  }
}
