import { EndpointSlices, Endpoints, Services } from '../api/generated/resources.js';
import type {
  DiscoveryEndpointPort,
  Endpoint,
  EndpointAddress,
  EndpointSlice,
  Endpoints as EndpointsObject,
  Service,
} from '../api/generated/types.js';
import { withoutUndefined } from '../api/objects.js';
import { controllerReference } from '../api/owners.js';
import { keyOf, objectKey, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { formatApiVersion, jsonEqual } from '../machinery/object.js';
import { parseAddress } from '../machinery/names.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import {
  SliceTracker,
  endpointKey,
  portsKey,
  sameState,
  serviceNameLabel,
  sliceManagedByLabel,
  slicePrefix,
} from './endpoint-slices.js';
import type { AddressType, SliceChanges } from './endpoint-slices.js';
import { repackSubsets } from './endpoint-subsets.js';
import { slicesByService } from './endpointslice-controller.js';
import { isNamespaceTerminating } from './pod-control.js';
import { Reconciler } from './reconciler.js';
import { leaderAnnotation, triggerTimeAnnotation } from './service-pods.js';

const managedBy = 'endpointslicemirroring-controller.k8s.io';
const skipMirrorLabel = 'endpointslice.kubernetes.io/skip-mirror';
const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';
const maximumPerSubset = 1000;
const staleMs = 20;

interface Group {
  readonly type: AddressType;
  readonly ports: DiscoveryEndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

/** Copies Endpoints that users wrote for Services without a selector into EndpointSlices. Source: pkg/controller/endpointslicemirroring. */
class EndpointSliceMirroringController extends Reconciler {
  readonly #services: Informer<Service>;
  readonly #endpoints: Informer<EndpointsObject>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #tracker = new SliceTracker();

  constructor(context: ControllerContext) {
    super(context, {
      name: 'endpointslice-mirroring-controller',
      maximumRetries: 15,
      backoff: { initialMs: 1000, maximumMs: 100_000 },
    });
    this.#services = context.informers.informer(Services);
    this.#endpoints = context.informers.informer(Endpoints);
    this.#slices = context.informers.informer(EndpointSlices);
  }

  protected override register(): void {
    this.#slices.addIndex(slicesByService.name, slicesByService.keys);
    const unselected = (entry: ObjectEntry<Service>): void => {
      if (entry.object.spec.selector === undefined) this.queue.add(keyOf(entry));
    };
    this.watch(this.#services, {
      added: unselected,
      deleted: unselected,
      updated: (previous, entry) => {
        if ((previous.object.spec.selector === undefined) !== (entry.object.spec.selector === undefined))
          this.queue.add(keyOf(entry));
      },
    });
    const enqueue = (entry: ObjectEntry<EndpointsObject>): void => {
      if (isMirrored(entry.object)) this.queue.add(keyOf(entry));
    };
    this.watch(this.#endpoints, {
      added: enqueue,
      deleted: enqueue,
      updated: (previous, entry) => {
        if (isMirrored(previous.object) || isMirrored(entry.object)) this.queue.add(keyOf(entry));
      },
    });
    const sliceSeen = (entry: ObjectEntry<EndpointSlice>): void => {
      const key = serviceKey(entry);
      if (key && isOurs(entry) && this.#tracker.isForeign(key, entry.object)) this.queue.add(key);
    };
    this.watch(this.#slices, {
      added: sliceSeen,
      updated: (previous, entry) => {
        const keys = [serviceKey(previous), serviceKey(entry)];
        if (keys[0] === keys[1] && isOurs(previous) === isOurs(entry)) return sliceSeen(entry);
        for (const key of keys) if (key) this.queue.add(key);
      },
      deleted: entry => {
        const key = serviceKey(entry);
        if (key && isOurs(entry) && this.#tracker.isForeignDeletion(key, entry.uid)) this.queue.add(key);
      },
    });
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const endpoints = this.#endpoints.get(namespace, name);
    const service = this.#services.get(namespace, name);
    const existing = this.#slices
      .byIndex(slicesByService.name, key)
      .filter(slice => slice.metadata.labels?.[sliceManagedByLabel] === managedBy);
    if (!endpoints || !isMirrored(endpoints) || !service || service.spec.selector !== undefined) {
      this.#tracker.forget(key);
      for (const slice of existing) await this.#remove(slice);
      return;
    }
    if (this.#tracker.isStale(key, existing)) {
      this.queue.addAfter(key, staleMs);
      return;
    }
    await this.#write(key, endpoints, planMirror(endpoints, this.#wanted(endpoints), existing));
  }

  #wanted(endpoints: EndpointsObject): Map<string, Group> {
    const groups = new Map<string, Group>();
    let invalid = 0;
    let skipped = 0;
    for (const subset of repackSubsets(endpoints.subsets ?? [])) {
      const ports = (subset.ports ?? []).map(({ name = '', ...port }) =>
        withoutUndefined<DiscoveryEndpointPort>({ name, ...port }),
      );
      let added = 0;
      const add = (address: EndpointAddress, ready: boolean): void => {
        if (added >= maximumPerSubset) {
          skipped++;
          return;
        }
        const parsed = parseAddress(address.ip);
        if (!parsed) {
          invalid++;
          return;
        }
        const type = parsed.family === 6 ? 'IPv6' : 'IPv4';
        const key = `${type} ${portsKey(ports)}`;
        let group = groups.get(key);
        if (!group) groups.set(key, (group = { type, ports, endpoints: new Map() }));
        const { hostname, nodeName, targetRef } = address;
        const endpoint = withoutUndefined({
          addresses: [parsed.canonical],
          conditions: { ready },
          hostname: hostname || undefined,
          targetRef,
          nodeName,
        });
        group.endpoints.set(endpointKey(endpoint), endpoint);
        added++;
      };
      for (const address of subset.addresses ?? []) add(address, true);
      for (const address of subset.notReadyAddresses ?? []) add(address, false);
    }
    const { recorder } = this.context;
    if (invalid > 0) {
      const text = `Skipped ${invalid} invalid IP addresses when mirroring to EndpointSlices`;
      recorder.event(endpoints, 'Warning', 'InvalidIPAddress', text);
    }
    if (skipped > 0) {
      const text = `A max of ${maximumPerSubset} addresses can be mirrored to EndpointSlices per Endpoints subset. ${skipped} addresses were skipped`;
      recorder.event(endpoints, 'Warning', 'TooManyAddressesToMirror', text);
    }
    return groups;
  }

  async #write(key: string, endpoints: EndpointsObject, changes: SliceChanges): Promise<void> {
    const slices = this.context.client.resource(EndpointSlices, endpoints.metadata.namespace);
    if (!endpoints.metadata.deletionTimestamp) {
      for (const slice of changes.create) {
        try {
          this.#tracker.written(key, await slices.create(slice));
        } catch (error) {
          if (isNamespaceTerminating(error)) return;
          throw error;
        }
      }
    }
    for (const slice of changes.update) this.#tracker.written(key, await slices.update(slice.metadata.name, slice));
    for (const slice of changes.remove) {
      this.#tracker.removing(key, slice);
      await this.#remove(slice);
    }
  }

  async #remove({ metadata }: EndpointSlice): Promise<void> {
    try {
      await this.context.client.resource(EndpointSlices, metadata.namespace).delete(metadata.name);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
}

/** One slice for each set of ports and family. */
function planMirror(
  endpoints: EndpointsObject,
  wanted: ReadonlyMap<string, Group>,
  existing: readonly EndpointSlice[],
): SliceChanges {
  const changes: SliceChanges = { create: [], update: [], remove: [] };
  const left = new Map<string, EndpointSlice>();
  for (const slice of existing) {
    const key = `${slice.addressType} ${portsKey(slice.ports)}`;
    if (left.has(key) || !wanted.has(key)) changes.remove.push(slice);
    else left.set(key, slice);
  }
  for (const [key, group] of wanted) {
    const slice = mirrorSlice(endpoints, group);
    const known = left.get(key);
    if (known) {
      if (!isUpToDate(known, slice)) changes.update.push(inPlaceOf(known, slice));
      continue;
    }
    const reusable = changes.remove.findIndex(old => old.addressType === group.type);
    if (reusable < 0) changes.create.push(slice);
    else changes.update.push(inPlaceOf(changes.remove.splice(reusable, 1)[0]!, slice));
  }
  return changes;
}

function mirrorSlice(endpoints: EndpointsObject, group: Group): EndpointSlice {
  const { name, namespace, labels } = endpoints.metadata;
  const {
    [triggerTimeAnnotation]: _time,
    [lastAppliedAnnotation]: _applied,
    ...annotations
  } = endpoints.metadata.annotations ?? {};
  return {
    apiVersion: formatApiVersion(EndpointSlices) as EndpointSlice['apiVersion'],
    kind: 'EndpointSlice',
    metadata: {
      generateName: slicePrefix(name),
      namespace,
      labels: { ...labels, [serviceNameLabel]: name, [sliceManagedByLabel]: managedBy },
      annotations,
      ownerReferences: [controllerReference(endpoints, Endpoints)],
    } as unknown as EndpointSlice['metadata'],
    addressType: group.type,
    ports: group.ports,
    endpoints: [...group.endpoints.values()],
  };
}

function isUpToDate(known: EndpointSlice, wanted: EndpointSlice): boolean {
  const states = new Map((known.endpoints ?? []).map(endpoint => [endpointKey(endpoint), endpoint]));
  const endpoints = wanted.endpoints ?? [];
  return (
    states.size === endpoints.length &&
    endpoints.every(endpoint => {
      const state = states.get(endpointKey(endpoint));
      return state !== undefined && sameState(state, endpoint);
    }) &&
    jsonEqual(known.metadata.labels, wanted.metadata.labels) &&
    jsonEqual(known.metadata.annotations ?? {}, wanted.metadata.annotations ?? {}) &&
    jsonEqual(
      known.metadata.ownerReferences?.map(owner => owner.uid),
      wanted.metadata.ownerReferences?.map(owner => owner.uid),
    )
  );
}

function inPlaceOf({ metadata: { name } }: EndpointSlice, slice: EndpointSlice): EndpointSlice {
  const { generateName: _, ...metadata } = slice.metadata;
  return { ...slice, metadata: { ...metadata, name } };
}

function isMirrored({ metadata }: EndpointsObject): boolean {
  return metadata.labels?.[skipMirrorLabel] !== 'true' && metadata.annotations?.[leaderAnnotation] === undefined;
}

function isOurs(entry: ObjectEntry<EndpointSlice>): boolean {
  return entry.labels[sliceManagedByLabel] === managedBy;
}

function serviceKey(entry: ObjectEntry<EndpointSlice>): string | undefined {
  const name = entry.labels[serviceNameLabel];
  return name ? objectKey(entry.namespace, name) : undefined;
}

export const endpointsliceMirroringController: ControllerDescriptor = {
  name: 'endpointslice-mirroring-controller',
  serviceAccount: 'endpointslicemirroring-controller',
  component: 'endpoint-slice-mirroring-controller',
  create: context => new EndpointSliceMirroringController(context),
};
