import { backoffMs, deferred, errorText, sleep, toDisposable } from '../../../core/plugin-api/index.js';
import type { Clock, ContainerRuntime, Disposable, Logger, RuntimeEvent } from '../../../core/plugin-api/index.js';
import { isNotFound } from './runtime-errors.js';
import { decodeNamed } from './wire/grpc-channel.js';
import type { GrpcChannel } from './wire/grpc-channel.js';
import type { EventsEnvelope, WireTimestamp } from './wire/generated/tables.js';

export type RuntimeListener = Parameters<ContainerRuntime['watch']>[0];

/** How a container, or a sandbox, ended: known before CRI's status tells it. */
export interface KnownExit {
  readonly exitCode: number;
  readonly exitedAtMs: number;
  readonly outOfMemory: boolean;
}

interface Subscription {
  readonly ended: Promise<Error | undefined>;
}

const filters = ['topic~="^/tasks/(start|exit|oom)$"', 'topic~="^/containers/(create|delete)$"'];
const resubscribe = { initialMs: 50, maximumMs: 2000, jitter: 0.2 };

/**
 * containerd's own events, which come within two milliseconds. CRI's event stream is not there in 1.6, and its status goes on saying
 * `running` for some 50 ms after an exit; until then `exitOf` knows better.
 */
export class EventFeed {
  readonly #channel: GrpcChannel;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners = new Set<RuntimeListener>();
  readonly #kinds = new Map<string, RuntimeEvent['kind']>();
  readonly #exits = new Map<string, KnownExit>();
  readonly #killedForMemory = new Set<string>();
  #queue: Promise<void> = Promise.resolve();
  #stopped = new AbortController();
  #subscription: { cancel(): void } | undefined;

  constructor(channel: GrpcChannel, clock: Clock, logger: Logger) {
    this.#channel = channel;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Resolves when the first subscription stands. Who watched before a stop has missed something. */
  async start(): Promise<void> {
    this.stop();
    this.#stopped = new AbortController();
    const subscription = await this.#subscribe();
    void this.#keep(subscription);
    this.#tellLost();
  }

  stop(): void {
    this.#stopped.abort();
    this.#subscription?.cancel();
  }

  watch(listener: RuntimeListener): Disposable {
    this.#listeners.add(listener);
    return toDisposable(() => void this.#listeners.delete(listener));
  }

  /** Undefined when it is not known to have ended. */
  exitOf(id: string): KnownExit | undefined {
    return this.#exits.get(id);
  }

  /** Told by whoever made it, so that no look-up is needed. */
  noteKind(id: string, kind: RuntimeEvent['kind']): void {
    this.#kinds.set(id, kind);
  }

  async #keep(first: Subscription): Promise<void> {
    const { signal } = this.#stopped;
    let failures = 0;
    let current: Subscription | undefined = first;
    while (!signal.aborted) {
      if (current) {
        const error = await current.ended;
        if (signal.aborted) return;
        this.#logger.debug('the event stream has ended', { error: errorText(error) });
      }
      try {
        await sleep(this.#clock, backoffMs(resubscribe, failures), signal);
        current = await this.#subscribe();
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        current = undefined;
        failures++;
        this.#logger.debug('no event stream yet', { error: errorText(error) });
        continue;
      }
      this.#tellLost();
    }
  }

  /** Resolves when the stream stands. */
  async #subscribe(): Promise<Subscription> {
    const { promise: ended, resolve: end } = deferred<Error | undefined>();
    const stream = this.#channel.stream('events.Subscribe', { filters }, { message: envelope => this.#receive(envelope), end });
    this.#subscription = stream;
    try {
      // An answer to a later call on the same connection: the subscription came before it. What was missed shows in the lists.
      const [sandboxes, containers] = await Promise.all([
        this.#channel.call('ListPodSandbox', {}, { timeoutMs: 10_000 }),
        this.#channel.call('ListContainers', {}, { timeoutMs: 10_000 }),
      ]);
      this.#learn(sandboxes.items ?? [], containers.containers ?? []);
    } catch (error) {
      // It would go on beside the next one, and everything would be told twice: events come before CRI answers.
      stream.cancel();
      throw error;
    }
    return { ended };
  }

  /** All that there is; what was missed may have taken away the rest. */
  #learn(sandboxes: readonly { readonly id?: string }[], containers: readonly { readonly id?: string }[]): void {
    const kinds = new Map<string, RuntimeEvent['kind']>();
    for (const { id = '' } of sandboxes) kinds.set(id, 'sandbox');
    for (const { id = '' } of containers) kinds.set(id, 'container');
    for (const [id, kind] of kinds) this.#kinds.set(id, kind);
    for (const known of [this.#kinds, this.#exits, this.#killedForMemory]) {
      for (const id of known.keys()) if (!kinds.has(id)) known.delete(id);
    }
  }

  #receive(envelope: EventsEnvelope): void {
    if (envelope.namespace !== 'k8s.io') return;
    // One after the other, since a kind may have to be looked up.
    this.#queue = this.#queue
      .then(() => this.#handle(envelope))
      .catch((error: unknown) => {
        this.#logger.warn('an event was not understood', { topic: envelope.topic, error: errorText(error) });
      });
  }

  async #handle(envelope: EventsEnvelope): Promise<void> {
    const bytes = envelope.event?.value ?? Buffer.alloc(0);
    switch (envelope.topic) {
      case '/containers/create': {
        const { id = '' } = decodeNamed('containerd.events.ContainerCreate', bytes);
        return this.#tell({ type: 'created', kind: await this.#kindOf(id), id });
      }
      case '/containers/delete': {
        const { id = '' } = decodeNamed('containerd.events.ContainerDelete', bytes);
        this.#tell({ type: 'removed', kind: this.#kinds.get(id) ?? 'container', id });
        this.#kinds.delete(id);
        this.#exits.delete(id);
        this.#killedForMemory.delete(id);
        return;
      }
      case '/tasks/start': {
        const { containerId: id = '' } = decodeNamed('containerd.events.TaskStart', bytes);
        return this.#tell({ type: 'started', kind: await this.#kindOf(id), id });
      }
      case '/tasks/oom': {
        const { containerId: id = '' } = decodeNamed('containerd.events.TaskOOM', bytes);
        this.#killedForMemory.add(id);
        // With control groups of version 2 it may come after the end.
        const exit = this.#exits.get(id);
        if (exit) this.#exits.set(id, { ...exit, outOfMemory: true });
        return this.#tell({ type: 'oom', kind: await this.#kindOf(id), id });
      }
      case '/tasks/exit': {
        const { containerId = '', id = '', exitStatus = 0, exitedAt } = decodeNamed('containerd.events.TaskExit', bytes);
        // Processes of an exec have an id of their own.
        if (containerId !== id) return;
        const exitedAtMs = timestampMs(exitedAt) ?? this.#clock.now();
        const kind = await this.#kindOf(id);
        this.#exits.set(id, { exitCode: exitStatus, exitedAtMs, outOfMemory: this.#killedForMemory.has(id) });
        return this.#tell({ type: 'exited', kind, id, exitCode: exitStatus, exitedAtMs });
      }
    }
  }

  /** Resolves at the next exit of a container; dispose gives up waiting. */
  untilExit(id: string): { readonly promise: Promise<void>; dispose(): void } {
    const { promise, resolve } = deferred();
    const watching = this.watch({
      event: event => {
        if (event.id === id && event.type === 'exited') resolve();
      },
      lost: () => undefined,
    });
    return { promise, dispose: () => void watching.dispose() };
  }

  #tellLost(): void {
    for (const listener of [...this.#listeners]) listener.lost();
  }

  #tell(event: RuntimeEvent): void {
    for (const listener of [...this.#listeners]) listener.event(event);
  }

  async #kindOf(id: string): Promise<RuntimeEvent['kind']> {
    const known = this.#kinds.get(id);
    if (known) return known;
    let kind: RuntimeEvent['kind'] = 'container';
    try {
      const { container } = await this.#channel.call('containers.Get', { id }, { timeoutMs: 5000 });
      if (container?.labels?.['io.cri-containerd.kind'] === 'sandbox') kind = 'sandbox';
    } catch (error) {
      if (!isNotFound(error)) throw error;
      return kind;
    }
    this.#kinds.set(id, kind);
    return kind;
  }
}

function timestampMs(timestamp: WireTimestamp | undefined): number | undefined {
  return timestamp && (timestamp.seconds ?? 0) * 1000 + Math.floor((timestamp.nanos ?? 0) / 1e6);
}
