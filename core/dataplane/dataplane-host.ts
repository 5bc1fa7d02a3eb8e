import { chmod, mkdir } from 'node:fs/promises';
import { backoffMs } from '../base/backoff.js';
import { sleep } from '../base/clock.js';
import type { Clock } from '../base/clock.js';
import { deferred } from '../base/deferred.js';
import type { Deferred } from '../base/deferred.js';
import { CodedError, errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import { buildIdOf } from './build-id.js';
import { Channel } from './channel.js';
import type { ChannelOptions } from './channel.js';
import { childProgramUrl, connectChild, endChild, startChild } from './child-process.js';
import { isAlive, readRecord, readRetiring, signalChild, writeRetiring } from './child-record.js';
import type { ChildRecord } from './child-record.js';
import { LocalLink, SocketLink } from './link.js';
import type { Link, LinkListener } from './link.js';
import { dataplaneProtocol } from './protocol.js';
import type { ChildMessage, ControlMessage, ModuleSpec } from './protocol.js';

export interface DataplaneHostOptions {
  /** Of the record, the socket, the log and the state; made 0700. Unused in process. */
  readonly directory: string;
  /** Enabled modules: URLs by plugin id. */
  readonly modules: ReadonlyMap<string, string>;
  /** `in-process`: modules run here and end with us. */
  readonly mode: 'child' | 'in-process';
  readonly clock: Clock;
  readonly logger: Logger;
  /** Before a child is started and when one has been adopted; may record it. */
  onChild?(record: { readonly directory: string }): Promise<void>;
}

/** Facts about the process that serves. */
export interface DataplaneStatus {
  readonly pid: number;
  readonly adopted: boolean;
  readonly residentBytes: number | undefined;
}

interface Session {
  readonly link: Link;
  readonly record: ChildRecord | undefined;
  readonly welcome: Extract<ChildMessage, { type: 'welcome' }>;
  readonly adopted: boolean;
  readonly lost: Deferred<string>;
}

const retry = { initialMs: 100, maximumMs: 10_000, jitter: 0.2 };
/** One that lived so long is started again at once. */
const steadyMs = 10_000;
const pingIntervalMs = 10_000;
const welcomeDeadlineMs = 5000;
/** How long a child that is replaced serves beside the new one while plugins have not published yet. */
const handoverDeadlineMs = 60_000;
const endGraceMs = 5000;

/**
 * The control process's side: keeps one child alive, adopted or started, and publishes every open channel to it. Without enabled
 * modules there is no child, and one that an earlier run left is ended. `stop` leaves the child running.
 */
export class DataplaneHost {
  readonly #options: DataplaneHostOptions;
  readonly #channels = new Map<string, Channel>();
  #specs: readonly ModuleSpec[] = [];
  #build = '';
  readonly #reports = new Map<string, unknown>();
  #generation = 0;
  #session: Session | undefined;
  #residentBytes: number | undefined;
  #pongs: Deferred<void> | undefined;
  /** Those that go on until the current one has taken over; also written down. */
  #retiring: readonly ChildRecord[] = [];
  #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #firstSession = deferred();

  constructor(options: DataplaneHostOptions) {
    this.#options = options;
  }

  get status(): DataplaneStatus | undefined {
    const session = this.#session;
    return session && { pid: session.welcome.pid, adopted: session.adopted, residentBytes: this.#residentBytes };
  }

  async start(): Promise<void> {
    const { directory, modules, mode } = this.#options;
    this.#stopping = new AbortController();
    this.#firstSession = deferred();
    const names = [...modules].sort(([left], [right]) => (left < right ? -1 : 1));
    this.#specs = await Promise.all(
      names.map(async ([name, url]) => ({ name, url, build: mode === 'child' ? await buildIdOf(url) : '' })),
    );
    if (mode === 'child') {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await chmod(directory, 0o700);
      this.#build = await buildIdOf(childProgramUrl);
    }
    if (this.#specs.length === 0) {
      const record = mode === 'child' ? await readRecord(directory) : undefined;
      if (record && isAlive(record)) {
        this.#options.logger.info('nothing needs the dataplane any more, ending it', { pid: record.pid });
        await endChild(record, endGraceMs);
      }
      if (mode === 'child') {
        for (const retiring of await readRetiring(directory)) await endChild(retiring, endGraceMs);
        await writeRetiring(directory, []);
      }
      this.#firstSession.resolve();
      return;
    }
    this.#running = this.#run();
  }

  /** Resolves when a child is there; at once when none is needed. */
  async ready(): Promise<void> {
    await this.#firstSession.promise;
  }

  /** Leaves the child as it is, with everything published delivered. */
  async stop(): Promise<void> {
    this.#stopping.abort(new CodedError('DATAPLANE_STOPPED', 'the control side of the dataplane is stopping'));
    for (const channel of this.#channels.values()) channel.close();
    await this.#running;
    this.#running = undefined;
    this.#firstSession.reject(this.#stopping.signal.reason);
  }

  channel(options: ChannelOptions): Channel {
    const { name } = options;
    if (this.#channels.has(name)) throw new CodedError('DATAPLANE_CHANNEL', `the dataplane channel ${name} is open already`);
    if (!this.#options.modules.has(name)) {
      throw new CodedError('DATAPLANE_CHANNEL', `no enabled plugin ${name} has a dataplane module`);
    }
    const channel = new Channel(options, {
      nextGeneration: () => ++this.#generation,
      send: message => this.#send(message),
      closed: closed => void this.#channels.delete(closed),
    });
    this.#channels.set(name, channel);
    // The publisher gets its channel before it is asked for its state.
    queueMicrotask(() => {
      if (this.#channels.get(name) !== channel) return;
      if (this.#session) channel.sendSnapshot();
      if (this.#reports.has(name)) channel.reported(this.#reports.get(name));
    });
    return channel;
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted;) {
      try {
        const session = await this.#open();
        const beganMs = clock.monotonicMs();
        await this.#serve(session);
        // One that dies of what it is given would be started as fast as it dies.
        failures = clock.monotonicMs() - beganMs < steadyMs ? failures + 1 : 0;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn('the dataplane process cannot be reached, trying again', { error: errorText(error) });
        failures += 1;
      }
      if (failures > 0) await sleep(clock, backoffMs(retry, failures - 1), signal).catch(() => undefined);
    }
  }

  /** Adopts the living child, or starts one; one with other code than ours stays beside the new one until that has taken over. */
  async #open(): Promise<Session> {
    const { directory, mode, logger, onChild } = this.#options;
    if (mode === 'in-process') return this.#greet(listener => Promise.resolve(new LocalLink(listener)), undefined, false);
    const { signal } = this.#stopping;
    const record = await readRecord(directory);
    if (record && isAlive(record) && record.protocol === dataplaneProtocol) {
      try {
        const session = await this.#greet(listener => this.#connect(record, listener), record, true);
        if (this.#isCurrent(session)) {
          await onChild?.({ directory });
          return session;
        }
        await session.link.close();
      } catch (error) {
        logger.warn('the dataplane process does not answer, replacing it', { pid: record.pid, error: errorText(error) });
        await endChild(record, 0);
      }
    }
    // Written down first: should we end before it does, the next start ends it.
    if (record && isAlive(record)) await writeRetiring(directory, [...(await this.#retiringBeside(record.pid)), record]);
    await onChild?.({ directory });
    const fresh = await startChild({ directory, build: this.#build, signal });
    return this.#greet(listener => this.#connect(fresh, listener), fresh, false);
  }

  async #retiringBeside(pid: number): Promise<ChildRecord[]> {
    return (await readRetiring(this.#options.directory)).filter(own => own.pid !== pid);
  }

  #isCurrent({ welcome }: Session): boolean {
    if (welcome.build !== this.#build) return false;
    const loaded = new Map(welcome.modules.map(spec => [spec.name, spec]));
    return this.#specs.every(({ name, url, build }) => {
      const other = loaded.get(name);
      return other === undefined || (other.url === url && other.build === build);
    });
  }

  async #connect(record: ChildRecord, listener: LinkListener): Promise<Link> {
    return new SocketLink(await connectChild(record.socket), listener);
  }

  async #greet(
    connect: (listener: LinkListener) => Promise<Link>,
    record: ChildRecord | undefined,
    adopted: boolean,
  ): Promise<Session> {
    const welcomed = deferred<Session['welcome']>();
    const lost = deferred<string>();
    const link = await connect({
      message: message => {
        if (message.type === 'welcome') welcomed.resolve(message);
        else this.#receive(message);
      },
      lost: why => {
        lost.resolve(why);
        welcomed.reject(new CodedError('DATAPLANE_UNAVAILABLE', `the dataplane process closed its control socket: ${why}`));
      },
    });
    const timer = setTimeout(() => {
      welcomed.reject(new CodedError('DATAPLANE_UNAVAILABLE', `no answer from the dataplane process in ${welcomeDeadlineMs} ms`));
    }, welcomeDeadlineMs);
    try {
      link.send({ type: 'hello', protocol: dataplaneProtocol });
      return { link, record, adopted, lost, welcome: await welcomed.promise };
    } catch (error) {
      await link.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #serve(session: Session): Promise<void> {
    const { logger } = this.#options;
    const { signal } = this.#stopping;
    const stopped = deferred();
    const onAbort = (): void => stopped.resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    if (!session.adopted) this.#reports.clear();
    if (session.record) this.#retiring = await this.#retiringBeside(session.record.pid);
    this.#session = session;
    session.link.send({ type: 'modules', modules: this.#specs });
    for (const channel of this.#channels.values()) channel.sendSnapshot();
    const { pid } = session.welcome;
    if (session.record) logger.info(session.adopted ? 'adopted the dataplane process' : 'started the dataplane process', { pid });
    this.#firstSession.resolve();
    const watching = this.#watch(session);
    const why = await Promise.race([session.lost.promise, stopped.promise]);
    this.#session = undefined;
    this.#pongs?.resolve();
    signal.removeEventListener('abort', onAbort);
    await session.link.close();
    await watching;
    if (!signal.aborted) logger.warn('lost the dataplane process', { pid, why });
  }

  /** Sees to the end of a replaced child, and that the current one answers. */
  async #watch(session: Session): Promise<void> {
    const { clock, logger } = this.#options;
    const { signal } = this.#stopping;
    const startedMs = clock.monotonicMs();
    const over = Promise.race([session.lost.promise, abortOf(signal)]);
    const current = (): boolean => this.#session === session && !signal.aborted;
    while (current()) {
      if (this.#retiring.length > 0) {
        const tookOver = this.#specs.every(({ name }) => this.#channels.get(name)?.isSettled);
        if (tookOver || clock.monotonicMs() - startedMs > handoverDeadlineMs) {
          for (const retiring of this.#retiring) {
            logger.info('the new dataplane process has taken over, the old one ends', { pid: retiring.pid });
            signalChild(retiring, 'SIGTERM');
          }
          this.#retiring = [];
          await writeRetiring(this.#options.directory, []).catch((error: unknown) => {
            logger.warn('the record of replaced dataplane processes stays', { error: errorText(error) });
          });
          if (!current()) return;
        }
      }
      const waiting = deferred();
      this.#pongs = waiting;
      session.link.send({ type: 'ping' });
      const wait = new AbortController();
      const timer = sleep(clock, this.#retiring.length > 0 ? 200 : pingIntervalMs, wait.signal).catch(() => undefined);
      await Promise.race([timer, over]);
      wait.abort();
      let answered = false;
      void waiting.promise.then(() => (answered = true));
      await Promise.resolve();
      if (current() && !answered && this.#retiring.length === 0) {
        logger.warn('the dataplane process hangs, replacing it', { pid: session.welcome.pid });
        if (session.record) signalChild(session.record, 'SIGKILL');
      }
    }
  }

  #send(message: ControlMessage): boolean {
    this.#session?.link.send(message);
    return this.#session !== undefined;
  }

  #receive(message: ChildMessage): void {
    switch (message.type) {
      case 'ack':
        if (message.fault !== undefined) {
          this.#options.logger.warn('a dataplane module could not apply its state', {
            module: message.channel,
            error: message.fault,
          });
        }
        return this.#channels.get(message.channel)?.acknowledged(message.generation, message.fault);
      case 'report':
        // A child that was adopted reports before the plugin knows enough to open its channel.
        this.#reports.set(message.channel, message.report);
        return this.#channels.get(message.channel)?.reported(message.report);
      case 'log':
        return this.#options.logger.child(message.channel)[message.level](message.message, message.fields);
      case 'pong':
        this.#residentBytes = message.residentBytes;
        return this.#pongs?.resolve();
      case 'welcome':
    }
  }
}

function abortOf(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
