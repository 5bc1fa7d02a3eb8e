import { backoffMs } from '../base/backoff.js';
import { sleep } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import { errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { EndpointSlices } from '../api/generated/resources.js';
import type { Client } from '../client/client.js';
import { isStatusError } from '../machinery/status-error.js';

export interface NodeEndpointsOptions {
  readonly client: Client;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly nodeName: string;
  /** A Service without a selector, so that nobody else writes slices for it. */
  readonly service: { readonly namespace: string; readonly name: string };
  /** `endpointslice.kubernetes.io/managed-by` and the field manager. */
  readonly manager: string;
}

export interface NodeListeners {
  /** Of the Node object: the slice goes with it. */
  readonly nodeUid: string;
  readonly addresses: readonly string[];
  readonly ports: readonly { readonly name: string; readonly protocol: 'TCP' | 'UDP'; readonly port: number }[];
}

type AddressType = 'IPv4' | 'IPv6';

const retry = { initialMs: 200, maximumMs: 30_000, jitter: 0.2 };

/** Makes what listens on this node an endpoint of a Service: one EndpointSlice per node and address family, kept by `publish`. */
export class NodeEndpoints {
  readonly #options: NodeEndpointsOptions;
  readonly #stopping = new AbortController();
  #wanted: NodeListeners | undefined;
  #published: NodeListeners | undefined;
  #working: Promise<void> | undefined;

  constructor(options: NodeEndpointsOptions) {
    this.#options = options;
  }

  /** Takes effect in the background, tried until it does. No addresses or ports: no endpoint here. */
  publish(listeners: NodeListeners): void {
    this.#wanted = listeners;
    if (!this.#stopping.signal.aborted) this.#working ??= this.#work().finally(() => (this.#working = undefined));
  }

  /** The slices stay: the listeners outlive us. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { clock, logger, service } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 0; this.#wanted !== this.#published && !signal.aborted;) {
      const wanted = this.#wanted!;
      try {
        await this.#write(wanted, 'IPv4');
        await this.#write(wanted, 'IPv6');
        this.#published = wanted;
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn('the endpoints of a Service on this node could not be written, trying again', {
          service: service.name,
          error: errorText(error),
        });
        await sleep(clock, backoffMs(retry, failures++), signal).catch(() => undefined);
      }
    }
  }

  async #write({ nodeUid, addresses, ports }: NodeListeners, addressType: AddressType): Promise<void> {
    const { client, nodeName, service, manager } = this.#options;
    const { signal } = this.#stopping;
    const slices = client.resource(EndpointSlices, service.namespace);
    const name = `${service.name}-${nodeName}${addressType === 'IPv6' ? '-ipv6' : ''}`;
    // A slice may not hold addresses that mean another machine to everybody who reads them.
    const reachable = addresses.filter(address => !/^127\.|^::1$|^0\.0\.0\.0$|^::$/.test(address));
    const own = reachable.filter(address => address.includes(':') === (addressType === 'IPv6'));
    if (own.length === 0 || ports.length === 0) {
      try {
        await slices.delete(name, { signal });
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
      }
      return;
    }
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name,
        namespace: service.namespace,
        labels: {
          'kubernetes.io/service-name': service.name,
          'endpointslice.kubernetes.io/managed-by': manager,
        },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeUid }],
      },
      addressType,
      endpoints: own.map(address => ({
        addresses: [address],
        conditions: { ready: true, serving: true, terminating: false },
        nodeName,
      })),
      ports,
    };
    await slices.patch(name, 'apply', slice, { fieldManager: manager, force: true, signal });
  }
}

/** What the groups of a service account's token are; for parts that act as one without a token. */
export function serviceAccountIdentity(namespace: string, name: string): { name: string; groups: string[] } {
  return {
    name: `system:serviceaccount:${namespace}:${name}`,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
  };
}
