import { EndpointSlices, Services } from '../api/generated/resources.js';
import type {
  DiscoveryEndpointPort,
  Endpoint,
  EndpointHints,
  EndpointSlice,
  Node,
  Pod,
  Service,
} from '../api/generated/types.js';
import { withoutUndefined } from '../api/objects.js';
import { controllerReference } from '../api/owners.js';
import { isPodReady } from '../api/pods.js';
import { formatApiVersion, jsonEqual } from '../machinery/object.js';
import { parseAddress } from '../machinery/names.js';
import { endpointKey, portsKey, sameState, serviceNameLabel, sliceManagedByLabel, slicePrefix } from './endpoint-slices.js';
import type { AddressType, SliceChanges } from './endpoint-slices.js';
import { belongsInEndpoints, endpointHostname, findPort, headlessLabel, isHeadless } from './service-pods.js';

export const sliceController = 'endpointslice-controller.k8s.io';
const maximumPerSlice = 100;
const zoneLabel = 'topology.kubernetes.io/zone';
const reservedLabels = new Set([serviceNameLabel, sliceManagedByLabel, headlessLabel]);

export interface SlicePlanInput {
  readonly service: Service;
  readonly pods: readonly Pod[];
  readonly existing: readonly EndpointSlice[];
  node(name: string): Node | undefined;
}

export interface SlicePlan extends SliceChanges {
  /** Pods left out because their node is unknown. */
  readonly errors: string[];
}

/** The changes that make a Service's slices show its pods. Source: k8s.io/endpointslice reconciler. */
export function planSlices(input: SlicePlanInput): SlicePlan {
  const plan: SlicePlan = { create: [], update: [], remove: [], errors: [] };
  const types = addressTypes(input.service);
  for (const slice of input.existing) if (!types.has(slice.addressType as AddressType)) plan.remove.push(slice);
  for (const type of types) planAddressType(input, type, plan);
  return plan;
}

function addressTypes({ spec }: Service): Set<AddressType> {
  const families = (spec.ipFamilies ?? []).filter((family): family is AddressType => family === 'IPv4' || family === 'IPv6');
  if (families.length > 0) return new Set(families);
  if (spec.clusterIP && spec.clusterIP !== 'None') return new Set([spec.clusterIP.includes(':') ? 'IPv6' : 'IPv4']);
  return new Set(['IPv4', 'IPv6']);
}

interface Group {
  readonly ports: DiscoveryEndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

function planAddressType(input: SlicePlanInput, type: AddressType, plan: SlicePlan): void {
  const { service } = input;
  const existing = input.existing.filter(slice => slice.addressType === type);
  const changes: SliceChanges = { create: [], update: [], remove: [] };
  const byPorts = new Map<string, EndpointSlice[]>();
  for (const slice of existing) {
    if (!isOwnedBy(slice, service)) {
      changes.remove.push(slice);
      continue;
    }
    const key = portsKey(slice.ports);
    const group = byPorts.get(key);
    if (group) group.push(slice);
    else byPorts.set(key, [slice]);
  }
  const wanted = wantedGroups(input, type, plan.errors);
  for (const [key, group] of wanted) planGroup(service, type, group, byPorts.get(key) ?? [], changes);
  for (const [key, slices] of byPorts) if (!wanted.has(key)) changes.remove.push(...slices);

  if (existing.length === changes.remove.length && changes.create.length === 0) {
    const placeholder = newSlice(service, type, []);
    const [only] = changes.remove;
    if (changes.remove.length === 1 && isPlaceholder(only!, placeholder)) changes.remove.pop();
    else changes.create.push(placeholder);
  }
  const changed = new Set([...changes.update, ...changes.remove].map(slice => slice.metadata.name));
  applyHints(
    service,
    changes,
    existing.filter(slice => !changed.has(slice.metadata.name)),
  );
  recycle(service, changes);
  plan.create.push(...changes.create);
  plan.update.push(...changes.update);
  plan.remove.push(...changes.remove);
}

function wantedGroups({ service, pods, node }: SlicePlanInput, type: AddressType, errors: string[]): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const pod of pods) {
    if (!belongsInEndpoints(pod, true)) continue;
    const ports = portsOf(service, pod);
    const key = portsKey(ports);
    let group = groups.get(key);
    if (!group) groups.set(key, (group = { ports, endpoints: new Map() }));
    const { nodeName = '' } = pod.spec;
    const found = node(nodeName);
    if (!found && !service.spec.publishNotReadyAddresses) {
      const { namespace, name } = service.metadata;
      errors.push(`skipping Pod ${pod.metadata.name} for Service ${namespace}/${name}: Node ${nodeName} Not Found`);
      continue;
    }
    const endpoint = endpointOf(service, pod, found, type);
    if (endpoint.addresses.length > 0) group.endpoints.set(endpointKey(endpoint), endpoint);
  }
  return groups;
}

function portsOf({ spec }: Service, pod: Pod): DiscoveryEndpointPort[] {
  const ports: DiscoveryEndpointPort[] = [];
  for (const servicePort of spec.ports ?? []) {
    const port = findPort(pod, servicePort);
    if (port === undefined) continue;
    const { name = '', protocol, appProtocol } = servicePort;
    ports.push(withoutUndefined({ name, port, protocol, appProtocol }));
  }
  return ports;
}

function endpointOf(service: Service, pod: Pod, node: Node | undefined, type: AddressType): Endpoint {
  const serving = isPodReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const { namespace, name, uid } = pod.metadata;
  const addresses = (pod.status?.podIPs ?? []).flatMap(({ ip }) => {
    const address = parseAddress(ip);
    return address && (address.family === 6) === (type === 'IPv6') ? [address.canonical] : [];
  });
  return withoutUndefined<Endpoint>({
    addresses,
    conditions: { ready, serving, terminating },
    hostname: endpointHostname(pod, service),
    targetRef: { kind: 'Pod', namespace, name, uid },
    nodeName: pod.spec.nodeName || undefined,
    zone: node?.metadata.labels?.[zoneLabel] || undefined,
  });
}

/** Keeps endpoints where they are, fills slices that are written anyway, then one other, then new ones. */
function planGroup(
  service: Service,
  type: AddressType,
  { ports, endpoints: wanted }: Group,
  existing: readonly EndpointSlice[],
  changes: SliceChanges,
): void {
  const missing = new Map(wanted);
  const labels = sliceLabels(service);
  const updates: EndpointSlice[] = [];
  const untouched: EndpointSlice[] = [];
  for (const slice of existing) {
    const kept: Endpoint[] = [];
    let changed = false;
    for (const endpoint of slice.endpoints ?? []) {
      const key = endpointKey(endpoint);
      const found = missing.get(key);
      if (!found) continue;
      kept.push(found);
      changed ||= !sameState(found, endpoint);
      missing.delete(key);
    }
    const count = slice.endpoints?.length ?? 0;
    if (kept.length === 0 && count > 0) changes.remove.push(slice);
    else if (changed || kept.length !== count) updates.push(withEndpoints(slice, kept, labels));
    else if (!sameLabels(slice.metadata.labels, labels)) updates.push(withEndpoints(slice, slice.endpoints ?? [], labels));
    else untouched.push(slice);
  }
  const left = [...missing.values()];
  updates.sort((a, b) => (b.endpoints?.length ?? 0) - (a.endpoints?.length ?? 0));
  for (const slice of updates) fill(slice, left);
  while (left.length > 0) {
    const fitting = left.length < maximumPerSlice ? bestFit(untouched, left.length) : undefined;
    const slice = fitting ? withEndpoints(fitting, fitting.endpoints ?? [], labels) : newSlice(service, type, ports);
    fill(slice, left);
    if (fitting) {
      untouched.splice(untouched.indexOf(fitting), 1);
      updates.push(slice);
    } else changes.create.push(slice);
  }
  changes.update.push(...updates);
}

function fill(slice: EndpointSlice, left: Endpoint[]): void {
  slice.endpoints!.push(...left.splice(0, maximumPerSlice - slice.endpoints!.length));
}

/** The slice that is fullest after it took `count` more. */
function bestFit(slices: readonly EndpointSlice[], count: number): EndpointSlice | undefined {
  let best: EndpointSlice | undefined;
  let bestRoom = maximumPerSlice;
  for (const slice of slices) {
    const room = maximumPerSlice - count - (slice.endpoints?.length ?? 0);
    if (room >= 0 && room < bestRoom) [best, bestRoom] = [slice, room];
  }
  return best;
}

/** Makes updates of creates, where a slice would be deleted at the same time. */
function recycle(service: Service, changes: SliceChanges): void {
  for (let at = 0; at < changes.remove.length && changes.create.length > 0;) {
    const old = changes.remove[at]!;
    const created = changes.create.at(-1)!;
    if (old.addressType !== created.addressType || !isOwnedBy(old, service)) {
      at++;
      continue;
    }
    changes.create.pop();
    changes.remove.splice(at, 1);
    const { generateName: _, ...metadata } = created.metadata;
    const { name, uid, resourceVersion } = old.metadata;
    changes.update.push({ ...created, metadata: { ...metadata, name, uid, resourceVersion } });
  }
}

const nearby = new Set(['PreferClose', 'PreferSameZone', 'PreferSameNode']);

/** Zone and node hints of `spec.trafficDistribution`; the annotation for topology-aware hints, where set, takes precedence over it. */
function applyHints(service: Service, changes: SliceChanges, unchanged: readonly EndpointSlice[]): void {
  const { trafficDistribution } = service.spec;
  const { annotations = {} } = service.metadata;
  const mode =
    annotations['service.kubernetes.io/topology-aware-hints'] ?? annotations['service.kubernetes.io/topology-mode'] ?? '';
  const active = trafficDistribution !== undefined && nearby.has(trafficDistribution) && !['Auto', 'auto'].includes(mode);
  const withNodes = trafficDistribution === 'PreferSameNode';
  const hinted = (endpoint: Endpoint): Endpoint => {
    if (active && !endpoint.conditions.ready) return endpoint;
    const { hints: _, ...rest } = endpoint;
    const hints: EndpointHints = {};
    if (active && endpoint.zone) hints.forZones = [{ name: endpoint.zone }];
    if (active && withNodes && endpoint.nodeName) hints.forNodes = [{ name: endpoint.nodeName }];
    return Object.keys(hints).length > 0 ? { ...rest, hints } : rest;
  };
  for (const slice of [...changes.create, ...changes.update]) slice.endpoints = (slice.endpoints ?? []).map(hinted);
  for (const slice of unchanged) {
    const endpoints = (slice.endpoints ?? []).map(hinted);
    if (!jsonEqual(endpoints, slice.endpoints ?? [])) changes.update.push(withEndpoints(slice, endpoints, sliceLabels(service)));
  }
}

function newSlice(service: Service, addressType: AddressType, ports: DiscoveryEndpointPort[]): EndpointSlice {
  return {
    apiVersion: formatApiVersion(EndpointSlices) as EndpointSlice['apiVersion'],
    kind: 'EndpointSlice',
    metadata: {
      generateName: slicePrefix(service.metadata.name),
      namespace: service.metadata.namespace,
      labels: sliceLabels(service),
      ownerReferences: [controllerReference(service, Services)],
    } as unknown as EndpointSlice['metadata'],
    addressType,
    ports,
    endpoints: [],
  };
}

function withEndpoints(slice: EndpointSlice, endpoints: readonly Endpoint[], labels: Record<string, string>): EndpointSlice {
  return { ...slice, metadata: { ...slice.metadata, labels }, endpoints: [...endpoints] };
}

function sliceLabels(service: Service): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const [key, value] of Object.entries(service.metadata.labels ?? {})) if (!reservedLabels.has(key)) labels[key] = value;
  if (isHeadless(service)) labels[headlessLabel] = '';
  labels[serviceNameLabel] = service.metadata.name;
  labels[sliceManagedByLabel] = sliceController;
  return labels;
}

/** Changes of the reserved labels alone are no reason to write. */
function sameLabels(known: Record<string, string> | undefined, wanted: Record<string, string>): boolean {
  const open = (labels: Record<string, string>): [string, string][] =>
    Object.entries(labels)
      .filter(([key]) => !reservedLabels.has(key))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  return jsonEqual(open(known ?? {}), open(wanted));
}

function isPlaceholder(slice: EndpointSlice, placeholder: EndpointSlice): boolean {
  const empty = !slice.ports?.length && !slice.endpoints?.length;
  return empty && jsonEqual(slice.metadata.labels, placeholder.metadata.labels);
}

function isOwnedBy({ metadata }: EndpointSlice, service: Service): boolean {
  return (metadata.ownerReferences ?? []).some(owner => owner.uid === service.metadata.uid && owner.kind === 'Service');
}
