import { backoffMs } from '../../base/backoff.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { errorCode } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ContainerRuntime, ContainerState, SandboxState } from '../../contracts/container-runtime.js';
import { noRuntimeState } from './pod-runtime-state.js';
import type { PodRuntimeState } from './pod-runtime-state.js';
import { podUidLabel } from './runtime-labels.js';

export interface RuntimeCacheOptions {
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called with a pod's uid when something of it changed. */
  readonly changed: (podUid: string) => void;
  /** The runtime answers again after it did not, or after a gap in its events: what failed meanwhile may work now. */
  readonly recovered?: () => void;
  /** Adds what the runtime does not know of a container that ended. */
  readonly complete?: (state: ContainerState) => Promise<ContainerState>;
  /** Told of every container that is read, and of its end of being. */
  readonly links?: { put(state: ContainerState): void; drop(state: ContainerState): void } | undefined;
  /** Pods' addresses of that family come first, as the node's do. */
  readonly ipv6First?: boolean;
  /** The safety net's period. */
  readonly relistMs?: number;
}

const relistMs = 60_000;
/** After a read that failed: nobody else would tell what it was to tell. */
const retry = { initialMs: 1000, maximumMs: relistMs };

interface PodEntry {
  readonly sandboxes: Map<string, SandboxState>;
  readonly containers: Map<string, ContainerState>;
  view: PodRuntimeState | undefined;
}

/**
 * What the runtime has, by pod: filled by one list, kept by the runtime's events (each asks for the one thing that changed), and
 * listed anew now and then and after a gap. Takes the place of upstream's PLEG.
 */
export class RuntimeCache {
  readonly #options: RuntimeCacheOptions;
  readonly #pods = new Map<string, PodEntry>();
  /** Pod by sandbox, and by container: events name only the id. */
  readonly #owners = new Map<string, string>();
  /** Reads in order of their start: an answer that was overtaken by a later read is dropped. */
  readonly #applied = new Map<string, number>();
  #reads = 0;
  #readsUnderWay = 0;
  /** Gone while a read was under way, whose answer may still have them. */
  readonly #gone = new Set<string>();
  #watch: Disposable | undefined;
  #timer: Disposable | undefined;
  #timerDueMs = 0;
  #failures = 0;
  #listing: Promise<void> | undefined;
  #nextListing: Promise<void> | undefined;
  #stopped = false;

  constructor(options: RuntimeCacheOptions) {
    this.#options = options;
  }

  /** Resolves when everything that exists was read. Rejects with the runtime's error. */
  async start(): Promise<void> {
    this.#stopped = false;
    this.#watch = this.#options.runtime.watch({
      event: ({ kind, id }) => void this.refresh(kind, id).catch(error => this.#failed(error)),
      lost: () => this.#look(true),
    });
    await this.relist();
    this.#arm(this.#options.relistMs ?? relistMs);
  }

  stop(): void {
    this.#stopped = true;
    void this.#watch?.dispose();
    void this.#timer?.dispose();
    this.#pods.clear();
    this.#owners.clear();
    this.#applied.clear();
    this.#gone.clear();
  }

  pod(uid: string): PodRuntimeState {
    const entry = this.#pods.get(uid);
    if (!entry) return noRuntimeState;
    entry.view ??= {
      sandboxes: [...entry.sandboxes.values()].sort((a, b) => b.createdAtMs - a.createdAtMs || b.attempt - a.attempt),
      containers: [...entry.containers.values()].sort((a, b) => b.createdAtMs - a.createdAtMs || b.attempt - a.attempt),
    };
    return entry.view;
  }

  /** Pods of which the runtime has anything. */
  podUids(): string[] {
    return [...this.#pods.keys()];
  }

  /** Reads one sandbox or container anew. */
  refresh(kind: 'sandbox' | 'container', id: string): Promise<void> {
    return this.#read(read => this.#refresh(kind, id, read));
  }

  async #refresh(kind: 'sandbox' | 'container', id: string, read: number): Promise<void> {
    let state: SandboxState | ContainerState | undefined;
    try {
      state =
        kind === 'sandbox'
          ? await this.#options.runtime.sandbox(id)
          : await this.#complete(await this.#options.runtime.container(id));
    } catch (error) {
      if (errorCode(error) !== 'RUNTIME_NOT_FOUND') throw error;
    }
    if (this.#stopped || (this.#applied.get(id) ?? 0) > read) return;
    if (!state) return this.#drop(kind, id, read);
    this.#applied.set(id, read);
    if (kind === 'sandbox') this.#putSandbox(state as SandboxState);
    else this.#putContainer(state as ContainerState);
  }

  /** Reads everything anew. Calls during a read share the next one: what they are about may have come after it had looked. */
  relist(): Promise<void> {
    if (!this.#listing) {
      this.#listing = this.#read(read => this.#relist(read)).finally(() => (this.#listing = undefined));
      return this.#listing;
    }
    this.#nextListing ??= this.#listing
      .catch(() => undefined)
      .then(() => {
        this.#nextListing = undefined;
        return this.relist();
      });
    return this.#nextListing;
  }

  /** Numbers a read by its start. */
  async #read(work: (read: number) => Promise<void>): Promise<void> {
    this.#readsUnderWay++;
    try {
      await work(++this.#reads);
    } finally {
      if (--this.#readsUnderWay === 0) {
        for (const id of this.#gone) this.#applied.delete(id);
        this.#gone.clear();
      }
    }
  }

  async #relist(read: number): Promise<void> {
    const { runtime } = this.#options;
    const [sandboxes, listed] = await Promise.all([runtime.listSandboxes(), runtime.listContainers()]);
    const containers = await Promise.all(listed.map(container => this.#complete(container)));
    if (this.#stopped) return;
    const seen = new Set<string>();
    for (const { id } of [...sandboxes, ...containers]) seen.add(id);
    const fresh = ({ id }: { id: string }): boolean => {
      if ((this.#applied.get(id) ?? 0) > read) return false;
      this.#applied.set(id, read);
      return true;
    };
    for (const sandbox of sandboxes) if (fresh(sandbox)) this.#putSandbox(sandbox);
    for (const container of containers) if (fresh(container)) this.#putContainer(container);
    for (const [id, uid] of [...this.#owners]) {
      if (seen.has(id) || (this.#applied.get(id) ?? 0) > read) continue;
      this.#drop(this.#pods.get(uid)?.sandboxes.has(id) ? 'sandbox' : 'container', id, read);
    }
  }

  async #complete(state: ContainerState): Promise<ContainerState> {
    const { complete, logger } = this.#options;
    if (!complete || state.state !== 'exited') return state;
    const known = this.#pods.get(this.#owners.get(state.id) ?? '')?.containers.get(state.id);
    // Its last words are read once: the file may go. That memory ran out may be told later than the end.
    if (known?.state === 'exited') return { ...state, ...(known.message === undefined ? {} : { message: known.message }) };
    try {
      return await complete(state);
    } catch (error) {
      logger.warn('the last words of a container cannot be read', { container: state.name, error });
      return state;
    }
  }

  #putSandbox(found: SandboxState): void {
    const state = { ...found, ips: inOrder(found.ips, this.#options.ipv6First ?? false) };
    const entry = this.#entry(state.podUid);
    const known = entry.sandboxes.get(state.id);
    entry.sandboxes.set(state.id, state);
    entry.view = undefined;
    this.#owners.set(state.id, state.podUid);
    if (!known || known.ready !== state.ready || known.ips.join() !== state.ips.join()) this.#changed(entry, state.podUid);
  }

  #putContainer(state: ContainerState): void {
    const uid = this.#owners.get(state.sandboxId) ?? state.labels[podUidLabel];
    // A container of nobody's sandbox is not one of a pod.
    if (!uid) return;
    const entry = this.#entry(uid);
    const known = entry.containers.get(state.id);
    entry.containers.set(state.id, state);
    this.#options.links?.put(state);
    entry.view = undefined;
    this.#owners.set(state.id, uid);
    const isNews = known?.state !== state.state || known.startedAtMs !== state.startedAtMs || known.reason !== state.reason;
    if (isNews) this.#changed(entry, uid);
  }

  #drop(kind: 'sandbox' | 'container', id: string, read: number): void {
    this.#applied.set(id, read);
    this.#gone.add(id);
    const uid = this.#owners.get(id);
    this.#owners.delete(id);
    const entry = uid === undefined ? undefined : this.#pods.get(uid);
    if (uid === undefined || !entry) return;
    const container = kind === 'container' ? entry.containers.get(id) : undefined;
    if (container) this.#options.links?.drop(container);
    entry[kind === 'sandbox' ? 'sandboxes' : 'containers'].delete(id);
    if (entry.sandboxes.size === 0 && entry.containers.size === 0) this.#pods.delete(uid);
    this.#changed(entry, uid);
  }

  #entry(uid: string): PodEntry {
    let entry = this.#pods.get(uid);
    if (!entry) this.#pods.set(uid, (entry = { sandboxes: new Map(), containers: new Map(), view: undefined }));
    return entry;
  }

  #changed(entry: PodEntry, uid: string): void {
    entry.view = undefined;
    this.#options.changed(uid);
  }

  /** `isGap`: something may have been missed, or failed, until now. */
  #look(isGap: boolean): void {
    this.relist().then(
      () => {
        if (this.#stopped) return;
        this.#failures = 0;
        this.#arm(this.#options.relistMs ?? relistMs);
        if (isGap) this.#options.recovered?.();
      },
      (error: unknown) => this.#failed(error),
    );
  }

  /** The next look comes so soon at the latest. */
  #arm(delayMs: number): void {
    const { clock } = this.#options;
    const dueMs = clock.monotonicMs() + delayMs;
    if (this.#stopped || (this.#timer && this.#timerDueMs <= dueMs)) return;
    void this.#timer?.dispose();
    this.#timerDueMs = dueMs;
    this.#timer = clock.setTimer(delayMs, () => {
      this.#timer = undefined;
      this.#look(this.#failures > 0);
    });
  }

  #failed(error: unknown): void {
    if (this.#stopped) return;
    this.#options.logger.warn('the container runtime did not answer', { error });
    this.#arm(backoffMs(retry, this.#failures++));
  }
}

/** One address of each family, as upstream tells them. Source: pkg/kubelet sortPodIPs. */
function inOrder(ips: readonly string[], ipv6First: boolean): readonly string[] {
  const ofFamily = (ipv6: boolean): string | undefined => ips.find(ip => ip.includes(':') === ipv6);
  return [ofFamily(ipv6First), ofFamily(!ipv6First)].filter(ip => ip !== undefined);
}
