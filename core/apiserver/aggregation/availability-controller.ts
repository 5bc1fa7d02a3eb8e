import type { APIService, EndpointSlice, Service } from '../../api/generated/types.js';
import { APIServices, EndpointSlices, Services } from '../../api/generated/resources.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { DisposableStore } from '../../base/disposable.js';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ApiTransport } from '../../contracts/api-transport.js';
import { quote } from '../../machinery/field-errors.js';
import { cloneJson, jsonEqual } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import { formatTime } from '../../machinery/time.js';
import { apiServerIdentity } from '../bootstrap.js';
import { goTransportError } from '../connect/go-transport-errors.js';
import type { ResourceStores } from '../registry/resource-definition.js';
import type { Availability } from '../resources/apiregistration/available-condition.js';
import { availableCondition, locallyAvailable, setAvailability } from '../resources/apiregistration/available-condition.js';
import type { ResourceCache } from '../storage/resource-cache.js';
import { aggregatorUser } from './extension-discovery.js';
import type { ExtensionServer } from './extension-server.js';
import { authority } from './extension-server.js';
import type { AvailabilityMetrics } from './availability-metrics.js';
import { KeyedRounds } from './keyed-rounds.js';
import { askFor } from './read-answer.js';

/** What no watch tells of (a node that is cut off) is seen so late at most. */
const recheckMs = 30_000;
const backoff = { initialMs: 5, maximumMs: recheckMs };
const attempts = 5;
const timeoutMs = 5000;
const serviceLabel = 'kubernetes.io/service-name';
const failedCheck = 'DISCOVERY_CHECK';

export interface AvailabilityControllerOptions {
  readonly transport: ApiTransport;
  readonly stores: ResourceStores;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AvailabilityMetrics;
  readonly server: (name: string) => ExtensionServer | undefined;
}

interface Judged {
  readonly spec: APIService['spec'];
  readonly verdict: Availability;
}

/**
 * Keeps the condition Available of APIServices: by their Service, its endpoints, and whether it answers to discovery. Looks when one
 * of these changes, and every half minute at those that other servers serve. Source: kube-aggregator pkg/controllers/status.
 */
export class AvailabilityController implements Disposable {
  readonly #options: AvailabilityControllerOptions;
  readonly #rounds: KeyedRounds;
  readonly #judged = new Map<string, Judged>();
  /** APIServices of a Service, by `NAMESPACE/NAME`. */
  readonly #byService = new Map<string, Set<string>>();
  readonly #held = new DisposableStore();

  constructor(options: AvailabilityControllerOptions) {
    this.#options = options;
    this.#rounds = new KeyedRounds({
      clock: options.clock,
      backoff,
      work: (name, signal) => this.#round(name, signal),
      failed: (name, error) => {
        // That it does not answer is told by its condition.
        if (errorCode(error) === failedCheck || isStatusError(error, 'Conflict', 'NotFound')) return;
        options.logger.warn('the availability of an APIService could not be told', { name, error: errorText(error) });
      },
    });
  }

  /** When the caches are loaded. */
  start(): void {
    const { stores } = this.#options;
    this.#follow(
      stores.get<Service>(Services)?.cache as ResourceCache | undefined,
      ({ namespace, name }) => `${namespace}/${name}`,
    );
    this.#follow(
      stores.get<EndpointSlice>(EndpointSlices)?.cache as ResourceCache | undefined,
      ({ namespace, labels }) => `${namespace}/${labels[serviceLabel] ?? ''}`,
    );
  }

  upsert(service: Readonly<APIService>): void {
    const name = service.metadata.name!;
    this.#index(name, service.spec.service);
    const judged = this.#judged.get(name);
    // What this controller wrote itself is no news.
    if (judged && jsonEqual(judged.spec, service.spec) && isAsJudged(service, judged.verdict)) return;
    this.#rounds.add(name);
  }

  delete(_namespace: string, name: string): void {
    this.#index(name, undefined);
    this.#judged.delete(name);
    this.#options.metrics.forget(name);
  }

  async dispose(): Promise<void> {
    await this.#held.dispose();
    await this.#rounds.dispose();
  }

  #follow(
    cache: ResourceCache | undefined,
    serviceOf: (entry: { namespace: string; name: string; labels: Readonly<Record<string, string>> }) => string,
  ): void {
    if (!cache) return;
    const all = (): void => {
      for (const names of this.#byService.values()) for (const name of names) this.#rounds.add(name);
    };
    this.#held.add(
      cache.listen(
        event => {
          if (!event || this.#byService.size === 0) return;
          for (const name of this.#byService.get(serviceOf(event.entry)) ?? []) this.#rounds.add(name);
        },
        { onLoaded: all },
      ),
    );
  }

  #index(name: string, service: APIService['spec']['service']): void {
    for (const [key, names] of this.#byService) if (names.delete(name) && names.size === 0) this.#byService.delete(key);
    if (!service) return;
    const key = `${service.namespace}/${service.name}`;
    const names = this.#byService.get(key);
    if (names) names.add(name);
    else this.#byService.set(key, new Set([name]));
  }

  async #round(name: string, signal: AbortSignal): Promise<number | undefined> {
    const service = this.#options.stores.get<APIService>(APIServices)?.cache.get('', name)?.object;
    if (!service) return undefined;
    const verdict = service.spec.service ? await this.#judge(service, signal) : locallyAvailable;
    signal.throwIfAborted();
    this.#judged.set(name, { spec: service.spec, verdict });
    await this.#write(service, verdict);
    if (verdict.reason === 'FailedDiscoveryCheck') throw new CodedError(failedCheck, verdict.message ?? '');
    return service.spec.service ? recheckMs : undefined;
  }

  async #write(service: Readonly<APIService>, verdict: Availability): Promise<void> {
    const { transport, clock, metrics } = this.#options;
    const name = service.metadata.name!;
    metrics.note(name, availableCondition(service)?.status === 'True', verdict);
    if (isAsJudged(service, verdict)) return;
    const object = cloneJson(service) as APIService;
    setAvailability(object, verdict, formatTime(clock.now()));
    await transport.update<APIService>({
      caller: apiServerIdentity,
      resource: APIServices,
      subresource: 'status',
      name,
      object,
      userAgent: 'kube-apiserver',
    });
  }

  async #judge({ metadata, spec }: Readonly<APIService>, signal: AbortSignal): Promise<Availability> {
    const { stores } = this.#options;
    const { namespace = '', name = '', port = 443 } = spec.service!;
    const which = `service/${name} in ${quote(namespace)}`;
    const service = stores.get<Service>(Services)?.cache.get(namespace, name)?.object;
    if (!service) return no('ServiceNotFound', `${which} is not present`);
    if ((service.spec.type ?? 'ClusterIP') === 'ClusterIP') {
      const wanted = service.spec.ports?.find(candidate => candidate.port === port);
      if (!wanted) return no('ServicePortError', `${which} is not listening on port ${port}`);
      const slices: Readonly<EndpointSlice>[] = [];
      for (const entry of stores.get<EndpointSlice>(EndpointSlices)?.cache.entries(namespace) ?? [])
        if (entry.labels[serviceLabel] === name) slices.push(entry.object);
      if (slices.length === 0) return no('EndpointsNotFound', `cannot find endpointslices for ${which}`);
      const portName = wanted.name ?? '';
      if (!slices.some(slice => hasEndpoint(slice, portName))) {
        return no('MissingEndpoints', `endpointslices for ${which} have no addresses with port name ${quote(portName)}`);
      }
    }
    const fault = await this.#probe(metadata.name!, signal);
    return fault === undefined
      ? { status: 'True', reason: 'Passed', message: 'all checks passed' }
      : no('FailedDiscoveryCheck', fault);
  }

  /** One answer of several endpoints is enough. Resolves with what is wrong when none comes. */
  async #probe(name: string, stop: AbortSignal): Promise<string | undefined> {
    const server = this.#options.server(name);
    if (!server) return 'the APIService was changed meanwhile';
    const answered = new AbortController();
    const signal = AbortSignal.any([answered.signal, stop]);
    try {
      return await Promise.any(Array.from({ length: attempts }, () => this.#probeOnce(server, signal)));
    } catch (error) {
      return errorText((error as AggregateError).errors.at(-1));
    } finally {
      answered.abort();
    }
  }

  async #probeOnce(server: ExtensionServer, signal: AbortSignal): Promise<undefined> {
    const { clock } = this.#options;
    const { group, version } = server;
    const target = server.locate();
    const path = group ? `/apis/${group}/${version}` : `/api/${version}`;
    const url = `https://${authority(target)}${path}`;
    let status: number;
    try {
      ({ status } = await askFor(server, { path, user: aggregatorUser, target, clock, timeoutMs, signal }));
    } catch (error) {
      const text = `failing or missing response from ${url}: Get ${quote(url)}: ${goTransportError(error)}`;
      throw new CodedError('PROBE_FAILED', text);
    }
    if (status >= 200 && status < 300) return undefined;
    throw new CodedError('PROBE_FAILED', `failing or missing response from ${url}: bad status from ${url}: ${status}`);
  }
}

function no(reason: string, message: string): Availability {
  return { status: 'False', reason, message };
}

function hasEndpoint({ endpoints = [], ports = [] }: Readonly<EndpointSlice>, portName: string): boolean {
  return (
    (endpoints ?? []).some(({ conditions }) => conditions?.ready !== false) &&
    (ports ?? []).some(({ name, port }) => (name ?? '') === portName && port !== undefined)
  );
}

function isAsJudged(service: Readonly<APIService>, { status, reason, message }: Availability): boolean {
  const condition = availableCondition(service);
  return condition?.status === status && condition.reason === reason && condition.message === message;
}
