import { backoffMs } from '../../base/backoff.js';
import { sleep } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { CodedError } from '../../base/errors.js';
import { ResourceSlices } from '../../api/generated/resources.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { DraHealthDeviceHealth } from '../extensions/generated/wire-tables.js';
import type { PluginHandler, RegisteredPlugin } from '../extensions/plugin-registry.js';
import type { KubeletContext } from '../kubelet-context.js';
import { chosenService, DraDriver } from './dra-driver.js';

export interface DriverRegistryOptions {
  readonly context: KubeletContext;
  readonly health: (driver: string, devices: readonly DraHealthDeviceHealth[] | undefined) => void;
}

/** So long a driver may be away before what it offers is withdrawn: it may be upgraded. */
const withdrawMs = 30_000;
const retry = { initialMs: 1000, maximumMs: 300_000 };

/**
 * The drivers of dynamic resource allocation on this node; several instances of one while it is upgraded. Source:
 * cm/dra/plugin/dra_plugin_manager.go.
 */
export class DriverRegistry implements PluginHandler {
  readonly #options: DriverRegistryOptions;
  readonly #drivers = new Map<string, DraDriver[]>();
  /** Timers of drivers that are away. */
  readonly #away = new Map<string, Disposable>();
  readonly #stop = new AbortController();
  readonly #withdrawing = new Set<Promise<void>>();
  #startTimer: Disposable | undefined;

  constructor(options: DriverRegistryOptions) {
    this.#options = options;
  }

  /**
   * What drivers offered that do not come back is withdrawn. Upstream withdraws everything at once, which drivers that live offer anew
   * half a minute later: here that would make an outage of every upgrade.
   */
  start(): void {
    this.#startTimer = this.#options.context.clock.setTimer(withdrawMs, () => this.#inBackground(this.#withdrawAbandoned()));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    void this.#startTimer?.dispose();
    for (const timer of this.#away.values()) void timer.dispose();
    for (const driver of [...this.#drivers.values()].flat()) driver.close();
    await Promise.all(this.#withdrawing);
  }

  /** Throws `DRA_DRIVER` when there is none. */
  get(name: string): DraDriver {
    const drivers = this.#drivers.get(name);
    const driver = drivers?.findLast(own => own.connected) ?? drivers?.at(-1);
    if (!driver) throw new CodedError('DRA_DRIVER', `DRA driver ${name} is not registered`);
    return driver;
  }

  validate({ name, endpoint, versions }: RegisteredPlugin): void {
    chosenService(name, endpoint, versions);
  }

  async register({ name, endpoint, versions }: RegisteredPlugin): Promise<void> {
    const service = chosenService(name, endpoint, versions);
    const drivers = this.#drivers.get(name) ?? [];
    if (drivers.some(own => own.endpoint === endpoint)) {
      throw new CodedError('DRA_DRIVER', `endpoint ${endpoint} already registered for DRA driver plugin ${name}`);
    }
    const driver = new DraDriver({
      context: this.#options.context,
      name,
      endpoint,
      service,
      connection: () => this.#look(name),
      health: (own, devices) => {
        if (this.#drivers.get(name)?.at(-1) === own) this.#options.health(name, devices);
      },
    });
    this.#drivers.set(name, [...drivers, driver]);
    driver.start();
    this.#look(name);
  }

  deregister({ name, endpoint }: RegisteredPlugin): void {
    const drivers = this.#drivers.get(name) ?? [];
    const driver = drivers.find(own => own.endpoint === endpoint);
    if (!driver) return;
    driver.close();
    const others = drivers.filter(own => own !== driver);
    if (others.length > 0) this.#drivers.set(name, others);
    else {
      this.#drivers.delete(name);
      this.#options.health(name, undefined);
    }
    this.#look(name);
  }

  /** What a driver offers that nobody reaches any more is withdrawn in time. */
  #look(name: string): void {
    if (this.#stop.signal.aborted) return;
    if (this.#isReached(name)) {
      void this.#away.get(name)?.dispose();
      this.#away.delete(name);
    } else if (!this.#away.has(name)) {
      const timer = this.#options.context.clock.setTimer(withdrawMs, () => {
        this.#away.delete(name);
        this.#inBackground(this.#withdraw(name));
      });
      this.#away.set(name, timer);
    }
  }

  #isReached(name: string): boolean {
    return this.#drivers.get(name)?.some(own => own.connected) ?? false;
  }

  #inBackground(work: Promise<void>): void {
    const done = work.finally(() => this.#withdrawing.delete(done));
    this.#withdrawing.add(done);
  }

  async #withdrawAbandoned(): Promise<void> {
    const { client, settings } = this.#options.context;
    const fieldSelector = `spec.nodeName=${settings.nodeName}`;
    const drivers = new Set<string>();
    await this.#untilDone(async () => {
      const { entries } = await client.resource(ResourceSlices).list({ fieldSelector });
      for (const entry of entries) drivers.add(entry.object.spec.driver);
    });
    for (const driver of drivers) if (!this.#away.has(driver)) await this.#withdraw(driver);
  }

  async #withdraw(driver: string): Promise<void> {
    const { client, logger, settings } = this.#options.context;
    const fieldSelector = `spec.nodeName=${settings.nodeName},spec.driver=${driver}`;
    await this.#untilDone(async () => {
      if (this.#isReached(driver)) return;
      await client.resource(ResourceSlices).deleteCollection({ fieldSelector });
      logger.info('what a driver offered was withdrawn: it has gone', { driver });
    });
  }

  /** Never rejects. */
  async #untilDone(work: () => Promise<void>): Promise<void> {
    const { clock, logger } = this.#options.context;
    const { signal } = this.#stop;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        await work();
        return;
      } catch (error) {
        // A server that knows no such objects has none.
        if (isStatusError(error, 'NotFound')) return;
        logger.debug('what drivers offered could not be withdrawn, trying again', { error });
        await sleep(clock, backoffMs(retry, failures), signal).catch(() => undefined);
      }
    }
  }
}
