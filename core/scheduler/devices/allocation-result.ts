import type {
  AllocationResult,
  DeviceAllocationConfiguration,
  DeviceRequestAllocationResult,
  Node,
  NodeSelector,
  NodeSelectorRequirement,
  ResourceClaim,
} from '../../api/generated/types.js';
import { AllocationError } from './allocation-error.js';
import type { PlannedRequest, RequestChoice, TakenDevice } from './device-allocator.js';

/** What a claim is told about the devices that were found for it. */
export function allocationResult(
  claim: ResourceClaim,
  planned: readonly PlannedRequest[],
  taken: readonly TakenDevice[],
  node: Node,
): AllocationResult {
  const config = [...configurationsOfClasses(planned), ...configurationsOfClaim(claim, planned)];
  const nodeSelector = nodeSelectorOf(claim, taken, node.metadata.name);
  const results = taken.map(resultOf);
  return {
    devices: { ...(results.length > 0 ? { results } : {}), ...(config.length > 0 ? { config } : {}) },
    ...(nodeSelector ? { nodeSelector } : {}),
  };
}

const nameOf = ({ name, parent }: RequestChoice): string => (parent === undefined ? name : `${parent}/${name}`);

function resultOf({ choice, pool, device, shareId, consumed }: TakenDevice): DeviceRequestAllocationResult {
  const { bindingConditions, bindingFailureConditions } = device;
  const amounts = consumed && [...consumed].map(([name, amount]) => [name, amount.toString()] as const);
  return {
    request: nameOf(choice),
    driver: pool.driver,
    pool: pool.name,
    device: device.name,
    ...(choice.adminAccess ? { adminAccess: true } : {}),
    ...(choice.tolerations?.length ? { tolerations: [...choice.tolerations] } : {}),
    ...(bindingConditions?.length ? { bindingConditions: [...bindingConditions] } : {}),
    ...(bindingFailureConditions?.length ? { bindingFailureConditions: [...bindingFailureConditions] } : {}),
    ...(shareId === undefined ? {} : { shareID: shareId }),
    ...(amounts?.length ? { consumedCapacity: Object.fromEntries(amounts) } : {}),
  };
}

/** Each class once, with the names of all its requests. */
function configurationsOfClasses(planned: readonly PlannedRequest[]): DeviceAllocationConfiguration[] {
  const requests = new Map<string, { readonly choice: RequestChoice; readonly names: string[] }>();
  for (const { choices, taken } of planned) {
    const choice = choices[taken]!;
    const { name } = choice.class.metadata;
    const known = requests.get(name);
    if (known) known.names.push(nameOf(choice));
    else requests.set(name, { choice, names: [nameOf(choice)] });
  }
  return [...requests.values()].flatMap(({ choice, names }) =>
    (choice.class.spec.config ?? []).map(configuration => ({ source: 'FromClass', requests: [...names], ...configuration })),
  );
}

/** Those of the claim that concern a request, or an alternative that was taken; once for each of them. */
function configurationsOfClaim({ spec }: ResourceClaim, planned: readonly PlannedRequest[]): DeviceAllocationConfiguration[] {
  return (spec.devices.config ?? []).flatMap(configuration => {
    const { requests = [] } = configuration;
    const concerns = ({ choices, taken, isList }: PlannedRequest): boolean => {
      const choice = choices[taken]!;
      return requests.includes(isList ? choice.parent! : choice.name) || (isList && requests.includes(nameOf(choice)));
    };
    const allocated = { source: 'FromClaim', ...configuration };
    return requests.length === 0 ? [allocated] : planned.filter(concerns).map(() => allocated);
  });
}

/** Undefined: the devices can be reached from everywhere. */
function nodeSelectorOf(claim: ResourceClaim, taken: readonly TakenDevice[], nodeName: string): NodeSelector | undefined {
  const matchFields: NodeSelectorRequirement[] = [];
  const matchExpressions: NodeSelectorRequirement[] = [];
  for (const { slice, device } of taken) {
    const chosen = slice.spec.perDeviceNodeSelection ? device : slice.spec;
    if (chosen.nodeName !== undefined || device.bindsToNode) return onlyNode(nodeName);
    const [term, ...others] = chosen.nodeSelector?.nodeSelectorTerms ?? [];
    if (others.length > 0) {
      const text = `unsupported ResourceSlice.NodeSelector with ${others.length + 1} terms`;
      throw new AllocationError(`create NodeSelector for claim ${claim.metadata.name}: ${text}`);
    }
    addNew(matchFields, term?.matchFields);
    addNew(matchExpressions, term?.matchExpressions);
  }
  if (matchFields.length === 0 && matchExpressions.length === 0) return undefined;
  const term = {
    ...(matchExpressions.length > 0 ? { matchExpressions } : {}),
    ...(matchFields.length > 0 ? { matchFields } : {}),
  };
  return { nodeSelectorTerms: [term] };
}

function onlyNode(name: string): NodeSelector {
  return { nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [name] }] }] };
}

function addNew(to: NodeSelectorRequirement[], from: readonly NodeSelectorRequirement[] = []): void {
  const text = ({ key, operator, values = [] }: NodeSelectorRequirement): string =>
    JSON.stringify([key, operator, [...new Set(values)].sort()]);
  for (const requirement of from) if (!to.some(known => text(known) === text(requirement))) to.push(requirement);
}
