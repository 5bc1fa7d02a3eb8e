import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { CodedError, errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { jsonEqual } from '../../machinery/object.js';
import { mastersGroup } from '../auth/user-info.js';
import type { ExtensionResource, ExtensionVersion } from '../discovery/discovery.js';
import { isAggregatedList, resourcesInLegacyList, resourcesInList } from './discovery-answers.js';
import type { ExtensionServer } from './extension-server.js';
import { KeyedRounds } from './keyed-rounds.js';
import { askFor } from './read-answer.js';

const refreshMs = 60_000;
const backoff = { initialMs: 500, maximumMs: refreshMs };
const timeoutMs = 5000;
const aggregatedForm = 'application/json;g=apidiscovery.k8s.io;v=%;as=APIGroupDiscoveryList';
const accept = ['v2', 'v2beta1'].map(version => aggregatedForm.replace('%', version)).join(',');
/** Who may see everything, so that what is shown depends on no one. */
export const aggregatorUser = { name: 'system:kube-aggregator', groups: [mastersGroup] } as const;

export interface ExtensionDiscoveryOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called when another thing is to be shown. */
  readonly changed: () => void;
}

interface Known {
  server: ExtensionServer;
  isCurrent: boolean;
  resources: readonly ExtensionResource[];
  etag: string;
}

/**
 * What extension servers serve: asked when they come, change or become available, and every minute. Of one that does not answer, what
 * it said last is kept and called stale. Source: kube-aggregator pkg/apiserver/handler_discovery.go.
 */
export class ExtensionDiscovery implements Disposable {
  readonly #options: ExtensionDiscoveryOptions;
  readonly #known = new Map<string, Known>();
  readonly #rounds: KeyedRounds;

  constructor(options: ExtensionDiscoveryOptions) {
    this.#options = options;
    this.#rounds = new KeyedRounds({
      clock: options.clock,
      backoff,
      work: (name, signal) => this.#round(name, signal),
      failed: (name, error) => options.logger.warn('the discovery of an APIService failed', { name, error: errorText(error) }),
    });
  }

  versions(): ExtensionVersion[] {
    return [...this.#known.values()];
  }

  /** The server is new, or is reached in another way, or its availability changed. */
  set(server: ExtensionServer): void {
    const known = this.#known.get(server.name);
    if (known) known.server = server;
    else this.#known.set(server.name, { server, isCurrent: false, resources: [], etag: '' });
    this.#options.changed();
    this.#rounds.add(server.name);
  }

  delete(name: string): void {
    if (this.#known.delete(name)) this.#options.changed();
  }

  dispose(): Promise<void> {
    return this.#rounds.dispose();
  }

  async #round(name: string, signal: AbortSignal): Promise<number | undefined> {
    const known = this.#known.get(name);
    if (!known) return undefined;
    const { server } = known;
    if (!server.isAvailable) {
      this.#show(known, { isCurrent: false });
      // When it comes back, it is set again.
      return undefined;
    }
    try {
      const found = await this.#fetch(known, signal);
      if (this.#known.get(name)?.server === server) this.#show(known, { isCurrent: true, ...found });
    } catch (error) {
      this.#show(known, { isCurrent: false });
      throw error;
    }
    return refreshMs;
  }

  #show(known: Known, now: Partial<Known>): void {
    const { isCurrent, resources } = known;
    Object.assign(known, now);
    if (isCurrent !== known.isCurrent || !jsonEqual(resources, known.resources)) this.#options.changed();
  }

  /** Nothing when it is as before. */
  async #fetch({ server, etag }: Known, signal: AbortSignal): Promise<Partial<Known>> {
    const { clock } = this.#options;
    const { group, version } = server;
    const headers = { accept, ...(etag ? { 'if-none-match': etag } : {}) };
    const answer = await askFor(server, { path: '/apis', user: aggregatorUser, headers, clock, timeoutMs, signal });
    if (answer.status === 304) return {};
    if (answer.status === 503) throw new CodedError('EXTENSION_UNAVAILABLE', 'it answered 503');
    if (answer.status === 200 && isAggregatedList(answer.contentType)) {
      return { resources: resourcesInList(JSON.parse(answer.bytes.toString()), group, version), etag: answer.etag };
    }
    const path = group ? `/apis/${group}/${version}` : `/api/${version}`;
    const legacy = await askFor(server, {
      path,
      user: { name: aggregatorUser.name, groups: [] },
      headers: { accept: 'application/json' },
      clock,
      timeoutMs,
      signal,
    });
    if (legacy.status !== 200) throw new CodedError('EXTENSION_UNAVAILABLE', `it answered ${legacy.status} to ${path}`);
    return { resources: resourcesInLegacyList(JSON.parse(legacy.bytes.toString())), etag: '' };
  }
}
