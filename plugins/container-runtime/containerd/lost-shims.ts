import { readFileSync } from 'node:fs';
import { errorCode, errorText } from '../../../core/plugin-api/index.js';
import type { Clock, Disposable, Logger } from '../../../core/plugin-api/index.js';
import { findByArgument, isAlive } from '../../../core/host/process-identity.js';
import type { ProcessIdentity } from '../../../core/host/process-identity.js';
import { isNotFound } from './runtime-errors.js';
import type { GrpcChannel } from './wire/grpc-channel.js';

export interface LostShimsOptions {
  readonly channel: Pick<GrpcChannel, 'call'>;
  /** Of containerd: its shims have it among their arguments. */
  readonly socket: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Shim {
  readonly identity: ProcessIdentity;
  /** Of the container that it was started for. */
  readonly id: string;
}

/** A shim that ends its container is soon gone; one of a container that is just made is known before it is started. */
const confirmMs = 10_000;
/** Containerd forgets some only when the kubelet takes away what is left of the pod. */
const againMs = 60_000;

/**
 * Ends the shims that containerd has lost: when it, or whoever asked for a pod, is killed while the pod's sandbox is made, the shim may
 * live on, and nobody else would ever end it.
 */
export class LostShims {
  readonly #options: LostShimsOptions;
  #timer: Disposable | undefined;
  #stopped = true;

  constructor(options: LostShimsOptions) {
    this.#options = options;
  }

  /** After each start of containerd's and of ours; from then on it looks again by itself. */
  look(): void {
    this.#stopped = false;
    void this.#timer?.dispose();
    void this.#look();
  }

  stop(): void {
    this.#stopped = true;
    void this.#timer?.dispose();
  }

  /** Never rejects: what cannot be looked at now is looked at the next time. */
  async #look(): Promise<void> {
    const { logger, socket } = this.#options;
    let suspects: Shim[] = [];
    try {
      suspects = await this.#unknown(findShims(socket));
    } catch (error) {
      logger.debug('shims that containerd has lost could not be looked for', { error: errorText(error) });
    }
    if (suspects.length > 0) this.#arm(confirmMs, () => this.#end(suspects));
    else this.#arm(againMs, () => this.#look());
  }

  #arm(delayMs: number, next: () => Promise<void>): void {
    void this.#timer?.dispose();
    if (!this.#stopped) this.#timer = this.#options.clock.setTimer(delayMs, () => void next());
  }

  async #end(suspects: readonly Shim[]): Promise<void> {
    const { logger } = this.#options;
    try {
      for (const { identity, id } of await this.#unknown(suspects.filter(own => isAlive(own.identity)))) {
        if (this.#stopped) return;
        logger.warn('a shim that containerd has lost is ended', { pid: identity.pid, id });
        for (const pid of [...childrenOf(identity.pid), identity.pid]) kill(pid);
      }
    } catch (error) {
      logger.debug('shims that containerd has lost could not be ended', { error: errorText(error) });
    }
    this.#arm(againMs, () => this.#look());
  }

  /** Those of which containerd knows no container. */
  async #unknown(shims: readonly Shim[]): Promise<Shim[]> {
    const unknown: Shim[] = [];
    for (const shim of shims) {
      try {
        await this.#options.channel.call('containers.Get', { id: shim.id }, { timeoutMs: 5000 });
      } catch (error) {
        if (!isNotFound(error)) throw error;
        unknown.push(shim);
      }
    }
    return unknown;
  }
}

function findShims(socket: string): Shim[] {
  return findByArgument(socket).flatMap(identity => {
    const words = read(`/proc/${identity.pid}/cmdline`).split('\0');
    const id = words[words.indexOf('-id') + 1] ?? '';
    // Others that name the socket are containerd's clients.
    return words.includes('-id') && words[words.indexOf('-address') + 1] === socket ? [{ identity, id }] : [];
  });
}

function childrenOf(pid: number): number[] {
  return read(`/proc/${pid}/task/${pid}/children`).split(' ').map(Number).filter(Boolean);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // It has just ended.
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
