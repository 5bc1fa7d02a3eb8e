import { errorText } from '../base/errors.js';
import { Endpoints, Pods, Services } from '../api/generated/resources.js';
import type { EndpointAddress, EndpointSubset, Endpoints as EndpointsObject, Pod, Service } from '../api/generated/types.js';
import { withoutUndefined } from '../api/objects.js';
import { isPodReady } from '../api/pods.js';
import { keyOf, splitObjectKey } from '../client/entries.js';
import type { Informer } from '../client/informer-types.js';
import { jsonEqual, produce } from '../machinery/object.js';
import { parseAddress } from '../machinery/names.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { countAddresses, endpointsCapacity, repackSubsets, truncateSubsets } from './endpoint-subsets.js';
import { isNamespaceTerminating } from './pod-control.js';
import { Reconciler } from './reconciler.js';
import {
  TriggerTimes,
  belongsInEndpoints,
  endpointHostname,
  findPort,
  hasSelectedEndpoints,
  headlessLabel,
  isHeadless,
  leaderAnnotation,
  podsOfService,
  servicesTouched,
  triggerTimeAnnotation,
} from './service-pods.js';

const managedByLabel = 'endpoints.kubernetes.io/managed-by';
const managedBy = 'endpoint-controller';
const overCapacityAnnotation = 'endpoints.kubernetes.io/over-capacity';

/** Keeps one Endpoints object for each Service with a selector. Source: pkg/controller/endpoint. */
class EndpointsController extends Reconciler {
  readonly #services: Informer<Service>;
  readonly #pods: Informer<Pod>;
  readonly #endpoints: Informer<EndpointsObject>;
  readonly #triggers = new TriggerTimes();

  constructor(context: ControllerContext) {
    super(context, { name: 'endpoints-controller', maximumRetries: 15 });
    this.#services = context.informers.informer(Services);
    this.#pods = context.informers.informer(Pods);
    this.#endpoints = context.informers.informer(Endpoints);
  }

  protected override register(): void {
    const enqueuePod: typeof servicesTouched = (...change) => {
      const keys = servicesTouched(...change);
      for (const key of keys) this.queue.add(key);
      return keys;
    };
    this.watch(this.#services, {
      added: entry => this.queue.add(keyOf(entry)),
      updated: (_previous, entry) => this.queue.add(keyOf(entry)),
      deleted: entry => this.queue.add(keyOf(entry)),
    });
    this.watch(this.#pods, {
      added: entry => void enqueuePod(this.#services, undefined, entry),
      updated: (previous, entry) => void enqueuePod(this.#services, previous, entry),
      deleted: entry => void enqueuePod(this.#services, entry, undefined),
    });
    this.watch(this.#endpoints, { deleted: entry => this.queue.add(keyOf(entry)) });
  }

  override async start(): Promise<void> {
    await super.start();
    // Services that were deleted while nobody watched have left these behind.
    for (const endpoints of this.#endpoints.entries()) {
      if (!endpoints.object.metadata.annotations?.[leaderAnnotation]) this.queue.add(keyOf(endpoints));
    }
  }

  protected override async sync(key: string): Promise<void> {
    const { namespace, name } = splitObjectKey(key);
    const service = this.#services.get(namespace, name);
    const client = this.context.client.resource(Endpoints, namespace);
    if (!service) {
      this.#triggers.delete(key);
      try {
        await client.delete(name);
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
      }
      return;
    }
    if (!hasSelectedEndpoints(service)) return;
    const pods = podsOfService(this.#pods, service);
    const triggerTime = this.#triggers.next(service, pods);
    const subsets = repackSubsets(this.#subsets(service, pods));
    const current = this.#endpoints.get(namespace, name);
    const labels = endpointsLabels(service);
    const marked = current?.metadata.annotations?.[overCapacityAnnotation] !== undefined;
    if (
      current &&
      !marked &&
      countAddresses(subsets) <= endpointsCapacity &&
      jsonEqual(repackSubsets(current.subsets ?? []), subsets) &&
      jsonEqual(current.metadata.labels, labels)
    ) {
      return;
    }
    const truncated = truncateSubsets(subsets);
    const wanted = produce(current ?? ({ metadata: { name, namespace } } as EndpointsObject), draft => {
      const kept = truncated ?? subsets;
      if (kept.length > 0) draft.subsets = kept;
      else delete draft.subsets;
      draft.metadata.labels = labels;
      draft.metadata.annotations = withoutUndefined({
        ...draft.metadata.annotations,
        [triggerTimeAnnotation]: triggerTime,
        [overCapacityAnnotation]: truncated ? 'truncated' : undefined,
      }) as Record<string, string>;
    });
    if (current && jsonEqual(current, wanted)) return;
    try {
      if (current) await client.update(name, wanted);
      else await client.create(wanted);
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      const [reason, text] = current
        ? (['FailedToUpdateEndpoint', `Failed to update endpoint ${key}`] as const)
        : (['FailedToCreateEndpoint', `Failed to create endpoint for service ${key}`] as const);
      const subject = { apiVersion: 'v1', kind: 'Endpoints', namespace, name, uid: current?.metadata.uid };
      this.context.recorder.event(subject, 'Warning', reason, `${text}: ${errorText(error)}`);
      throw error;
    }
  }

  #subsets(service: Service, pods: readonly Pod[]): EndpointSubset[] {
    const { ports = [], publishNotReadyAddresses = false } = service.spec;
    const subsets: EndpointSubset[] = [];
    for (const pod of pods) {
      if (!belongsInEndpoints(pod, publishNotReadyAddresses)) continue;
      const address = addressOf(service, pod);
      if (!address) continue;
      const place = publishNotReadyAddresses || isPodReady(pod) ? 'addresses' : 'notReadyAddresses';
      if (ports.length === 0 && service.spec.clusterIP === 'None') subsets.push({ [place]: [address] });
      for (const servicePort of ports) {
        const port = findPort(pod, servicePort);
        if (port === undefined) continue;
        const { name, protocol, appProtocol } = servicePort;
        subsets.push({ [place]: [address], ports: [withoutUndefined({ name: name || undefined, port, protocol, appProtocol })] });
      }
    }
    return subsets;
  }
}

/** The pod's address of the Service's first family. */
function addressOf(service: Service, pod: Pod): EndpointAddress | undefined {
  const { ipFamilies, clusterIP } = service.spec;
  const declared = ipFamilies?.[0] ?? (isHeadless(service) ? undefined : clusterIP!.includes(':') ? 'IPv6' : 'IPv4');
  const family = declared ?? (pod.status?.podIP?.includes(':') ? 'IPv6' : 'IPv4');
  for (const { ip } of pod.status?.podIPs ?? []) {
    const address = parseAddress(ip);
    if (!address || (address.family === 6) !== (family === 'IPv6')) continue;
    const { namespace, name, uid } = pod.metadata;
    return withoutUndefined<EndpointAddress>({
      ip: address.canonical,
      hostname: endpointHostname(pod, service),
      nodeName: pod.spec.nodeName,
      targetRef: { kind: 'Pod', namespace, name, uid },
    });
  }
  return undefined;
}

function endpointsLabels(service: Service): Record<string, string> {
  const { [headlessLabel]: _, ...labels } = service.metadata.labels ?? {};
  return { ...labels, ...(isHeadless(service) ? { [headlessLabel]: '' } : {}), [managedByLabel]: managedBy };
}

export const endpointsController: ControllerDescriptor = {
  name: 'endpoints-controller',
  serviceAccount: 'endpoint-controller',
  component: 'endpoint-controller',
  create: context => new EndpointsController(context),
};
