import type {
  AllocatedDeviceStatus,
  AllocationResult,
  DeviceRequest,
  DeviceRequestAllocationResult,
  Namespace,
  ResourceClaim,
} from '../../../api/generated/types.js';
import { Namespaces, ResourceClaims } from '../../../api/generated/resources.js';
import { errorText } from '../../../base/errors.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { nameIsDnsSubdomain } from '../../../machinery/names.js';
import type { Attributes, Authorizer } from '../../auth/authorizer.js';
import { resourceAttributes } from '../../auth/authorizer.js';
import { forbiddenError } from '../../auth/forbidden.js';
import { extraKeys, splitServiceAccountUsername, userOf } from '../../auth/user-info.js';
import type { RequestContext } from '../../registry/resource-definition.js';
import { sharedDeviceKey } from './claim-status-validation.js';

/** Who may do what with claims beside what the authorizer is asked of every request. Source: kubernetes pkg/registry/resource/utils.go. */

const adminLabel = 'resource.kubernetes.io/admin-access';

/** Access for administrators is asked for in namespaces only that have the label for it. */
export async function authorizeAdminRequests(
  requests: readonly DeviceRequest[],
  context: RequestContext,
  errors: FieldErrors,
): Promise<void> {
  const index = requests.findIndex(({ exactly }) => exactly?.adminAccess);
  if (index >= 0) await requireAdminNamespace(fieldPath('spec', 'devices', 'requests').index(index), context, errors);
}

export async function authorizeAdminResults(
  claim: ResourceClaim,
  old: Readonly<ResourceClaim>,
  context: RequestContext,
  errors: FieldErrors,
): Promise<void> {
  // An allocation never changes, so what had it before has it still.
  if (adminResult(old.status?.allocation?.devices?.results) >= 0) return;
  const index = adminResult(claim.status.allocation?.devices?.results);
  const path = fieldPath('status', 'allocation', 'devices', 'results');
  if (index >= 0) await requireAdminNamespace(path.index(index), context, errors);
}

const adminResult = (results: readonly DeviceRequestAllocationResult[] = []): number =>
  results.findIndex(({ adminAccess }) => adminAccess);

async function requireAdminNamespace(parent: FieldPath, context: RequestContext, errors: FieldErrors): Promise<void> {
  const path = parent.child('adminAccess');
  try {
    const namespace = await context.stores.get<Namespace>(Namespaces)!.get('', context.namespace);
    if (namespace.object.metadata.labels?.[adminLabel] === 'true') return;
    errors.forbidden(path, `admin access to devices requires the \`${adminLabel}: true\` label on the containing namespace`);
  } catch (error) {
    errors.internal(path, `could not retrieve namespace to verify admin access: ${errorText(error)}`);
  }
}

/** Allocation and reservations are the scheduler's. */
export function authorizeBinding(
  claim: ResourceClaim,
  old: Readonly<ResourceClaim>,
  { authorizer, context, errors }: StatusChange,
): void {
  const { allocation, reservedFor } = claim.status;
  if (semanticEqual(allocation, old.status?.allocation) && semanticEqual(reservedFor, old.status?.reservedFor)) return;
  const verb = verbOf(context);
  const refusal = ask(authorizer, attributesOf(context, { verb, subresource: 'binding', namespace: '', name: '' }));
  if (refusal === undefined) return;
  const permission = `resource="resourceclaims/binding", verb="${verb}" permission`;
  errors.forbidden(
    fieldPath('status', 'allocation'),
    `changing status.allocation or status.reservedFor requires ${permission}: ${refusal}`,
  );
}

export interface StatusChange {
  readonly authorizer: Authorizer;
  readonly context: RequestContext;
  readonly errors: FieldErrors;
}

/** What a driver says of its devices is that driver's; one that runs on the node of the claim needs less. */
export function authorizeDeviceStatus(
  claim: ResourceClaim,
  old: Readonly<ResourceClaim>,
  { authorizer, context, errors }: StatusChange,
): void {
  const drivers = changedDrivers(claim.status.devices ?? [], old.status?.devices ?? []);
  if (drivers.length === 0) return;
  const verb = verbOf(context);
  const isLocal = runsOn(context, nodeOf(claim.status.allocation));
  const verbs = [...(isLocal ? [`associated-node:${verb}`] : []), `arbitrary-node:${verb}`];
  for (const name of drivers) {
    const refusals: string[] = [];
    for (const prefixed of verbs) {
      const attributes = attributesOf(context, { verb: prefixed, subresource: 'driver', namespace: context.namespace, name });
      const refusal = ask(authorizer, attributes);
      if (refusal === undefined) break;
      refusals.push(refusal);
    }
    if (refusals.length < verbs.length) continue;
    const permission = `resource="resourceclaims/driver", verb="[${verbs.join(' ')}]" permission`;
    errors.forbidden(fieldPath('status', 'devices'), `changing status.devices requires ${permission}: ${refusals[0]}`);
  }
}

/** Whose entries came, went or changed, sorted. */
function changedDrivers(devices: readonly AllocatedDeviceStatus[], old: readonly AllocatedDeviceStatus[]): string[] {
  const before = new Map(old.map(device => [sharedDeviceKey(device), device]));
  const drivers = new Set<string>();
  for (const device of devices) {
    const key = sharedDeviceKey(device);
    if (!semanticEqual(before.get(key), device)) drivers.add(device.driver);
    before.delete(key);
  }
  for (const { driver } of before.values()) drivers.add(driver);
  return [...drivers].sort();
}

/** The node that an allocation is bound to, if it is one alone. */
function nodeOf(allocation: AllocationResult | undefined): string | undefined {
  const [term, ...others] = allocation?.nodeSelector?.nodeSelectorTerms ?? [];
  if (!term || others.length > 0 || term.matchExpressions?.length) return undefined;
  const [field, ...more] = term.matchFields ?? [];
  if (more.length > 0 || field?.key !== 'metadata.name' || field.operator !== 'In' || field.values?.length !== 1)
    return undefined;
  return field.values[0];
}

function runsOn({ caller }: RequestContext, nodeName: string | undefined): boolean {
  if (!nodeName || !splitServiceAccountUsername(caller.name)) return false;
  const names = caller.extra?.[extraKeys.nodeName];
  return names?.length === 1 && nameIsDnsSubdomain(names[0]!, false).length === 0 && names[0] === nodeName;
}

const verbOf = ({ isPatch }: RequestContext): string => (isPatch ? 'patch' : 'update');

function attributesOf(
  { caller }: RequestContext,
  given: Pick<Attributes, 'verb' | 'subresource' | 'namespace' | 'name'>,
): Attributes {
  const { group, version, resource } = ResourceClaims;
  return resourceAttributes({ user: userOf(caller), group, version, resource, ...given });
}

/** Why not; undefined when it is allowed. */
function ask(authorizer: Authorizer, attributes: Attributes): string | undefined {
  const { decision, reason } = authorizer.authorize(attributes);
  return decision === 'allow' ? undefined : forbiddenError(attributes, reason).message;
}
