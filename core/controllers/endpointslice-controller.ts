import { CodedError, errorText } from '../base/errors.js';
import { EndpointSlices, Nodes, Pods, Services } from '../api/generated/resources.js';
import type { EndpointSlice, Node, Pod, Service } from '../api/generated/types.js';
import { withoutUndefined } from '../api/objects.js';
import { keyOf, objectKey, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { SliceTracker, serviceNameLabel, sliceManagedByLabel } from './endpoint-slices.js';
import type { SliceChanges } from './endpoint-slices.js';
import { planSlices, sliceController } from './endpointslice-plan.js';
import { isNamespaceTerminating } from './pod-control.js';
import { Reconciler } from './reconciler.js';
import { TriggerTimes, hasSelectedEndpoints, podsOfService, servicesTouched, triggerTimeAnnotation } from './service-pods.js';

/** Others' changes of slices are gathered for so long. */
const foreignChangeMs = 1000;
/** The informer has not yet shown what was written last. */
const staleMs = 20;
export const slicesByService = {
  name: 'service',
  keys: ({ metadata }: EndpointSlice): readonly string[] =>
    metadata.labels?.[serviceNameLabel] ? [objectKey(metadata.namespace, metadata.labels[serviceNameLabel])] : [],
};

/** Keeps the EndpointSlices of Services with a selector. Source: pkg/controller/endpointslice. */
class EndpointSliceController extends Reconciler {
  readonly #services: Informer<Service>;
  readonly #pods: Informer<Pod>;
  readonly #nodes: Informer<Node>;
  readonly #slices: Informer<EndpointSlice>;
  readonly #triggers = new TriggerTimes();
  readonly #tracker = new SliceTracker();

  constructor(context: ControllerContext) {
    super(context, {
      name: 'endpointslice-controller',
      maximumRetries: 15,
      backoff: { initialMs: 1000, maximumMs: 1_000_000 },
    });
    this.#services = context.informers.informer(Services);
    this.#pods = context.informers.informer(Pods);
    this.#nodes = context.informers.informer(Nodes);
    this.#slices = context.informers.informer(EndpointSlices);
  }

  protected override register(): void {
    this.#slices.addIndex(slicesByService.name, slicesByService.keys);
    const podChanged = (previous: ObjectEntry<Pod> | undefined, next: ObjectEntry<Pod> | undefined): void => {
      for (const key of servicesTouched(this.#services, previous, next)) this.queue.add(key);
    };
    this.watch(this.#services, {
      added: entry => this.queue.add(keyOf(entry)),
      updated: (_previous, entry) => this.queue.add(keyOf(entry)),
      deleted: entry => this.queue.add(keyOf(entry)),
    });
    this.watch(this.#pods, {
      added: entry => podChanged(undefined, entry),
      updated: podChanged,
      deleted: entry => podChanged(entry, undefined),
    });
    this.watch(this.#nodes);
    this.watch(this.#slices, {
      added: entry => this.#sliceSeen(entry),
      updated: (previous, entry) => {
        const moved = previous.labels[serviceNameLabel] !== entry.labels[serviceNameLabel];
        if (moved) this.#enqueueOf(previous);
        if (moved || isOurs(previous) !== isOurs(entry)) this.#enqueueOf(entry);
        else this.#sliceSeen(entry);
      },
      deleted: entry => {
        const key = serviceKey(entry);
        if (key && isOurs(entry) && this.#tracker.isForeignDeletion(key, entry.uid)) this.#enqueueOf(entry);
      },
    });
  }

  #sliceSeen(entry: ObjectEntry<EndpointSlice>): void {
    const key = serviceKey(entry);
    if (key && isOurs(entry) && this.#tracker.isForeign(key, entry.object)) this.#enqueueOf(entry);
  }

  #enqueueOf(entry: ObjectEntry<EndpointSlice>): void {
    const key = serviceKey(entry);
    if (key) this.queue.addAfter(key, foreignChangeMs);
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const service = this.#services.get(namespace, name);
    if (!service) {
      // The slices go with their owner.
      this.#triggers.delete(key);
      this.#tracker.forget(key);
      return;
    }
    if (!hasSelectedEndpoints(service)) return;
    const existing = this.#slices
      .byIndex(slicesByService.name, key)
      .filter(slice => slice.metadata.labels?.[sliceManagedByLabel] === sliceController && !slice.metadata.deletionTimestamp);
    if (this.#tracker.isStale(key, existing)) {
      this.queue.addAfter(key, staleMs);
      return;
    }
    const pods = podsOfService(this.#pods, service);
    const triggerTime = this.#triggers.next(service, pods);
    try {
      const plan = planSlices({ service, pods, existing, node: nodeName => this.#nodes.get('', nodeName) });
      await this.#write(key, service, plan, triggerTime);
      if (plan.errors.length > 0) throw new CodedError('NODE_UNKNOWN', plan.errors.join('; '));
    } catch (error) {
      const text = `Error updating Endpoint Slices for Service ${key}: ${errorText(error)}`;
      this.context.recorder.event(service, 'Warning', 'FailedToUpdateEndpointSlices', text);
      throw error;
    }
  }

  async #write(key: string, service: Service, changes: SliceChanges, triggerTime: string | undefined): Promise<void> {
    const slices = this.context.client.resource(EndpointSlices, service.metadata.namespace);
    // What the garbage collector is about to delete must not come back.
    if (!service.metadata.deletionTimestamp) {
      for (const slice of changes.create) {
        try {
          this.#tracker.written(key, await slices.create(withTriggerTime(slice, triggerTime)));
        } catch (error) {
          if (isNamespaceTerminating(error)) return;
          throw error;
        }
      }
    }
    for (const slice of changes.update) {
      this.#tracker.written(key, await slices.update(slice.metadata.name, withTriggerTime(slice, triggerTime)));
    }
    for (const slice of changes.remove) {
      this.#tracker.removing(key, slice);
      try {
        await slices.delete(slice.metadata.name);
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
      }
    }
  }
}

function withTriggerTime(slice: EndpointSlice, triggerTime: string | undefined): EndpointSlice {
  const annotations = withoutUndefined({ ...slice.metadata.annotations, [triggerTimeAnnotation]: triggerTime });
  return { ...slice, metadata: { ...slice.metadata, annotations: annotations as Record<string, string> } };
}

function isOurs(entry: ObjectEntry<EndpointSlice>): boolean {
  return entry.labels[sliceManagedByLabel] === sliceController;
}

function serviceKey(entry: ObjectEntry<EndpointSlice>): string | undefined {
  const name = entry.labels[serviceNameLabel];
  return name ? objectKey(entry.namespace, name) : undefined;
}

export const endpointsliceController: ControllerDescriptor = {
  name: 'endpointslice-controller',
  component: 'endpoint-slice-controller',
  create: context => new EndpointSliceController(context),
};
