import { backoffMs } from '../../base/backoff.js';
import { sleep } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { CodedError } from '../../base/errors.js';
import { Nodes, ResourceSlices } from '../../api/generated/resources.js';
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

  constructor(options: DriverRegistryOptions) {
    this.#options = options;
  }

  /** What was offered before is withdrawn: drivers that live offer it anew. */
  start(): void {
    this.#withdraw(undefined);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
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
    if (this.#drivers.get(name)?.some(own => own.connected)) {
      void this.#away.get(name)?.dispose();
      this.#away.delete(name);
    } else if (!this.#away.has(name)) {
      const timer = this.#options.context.clock.setTimer(withdrawMs, () => {
        this.#away.delete(name);
        this.#withdraw(name);
      });
      this.#away.set(name, timer);
    }
  }

  #withdraw(driver: string | undefined): void {
    const work = this.#deleteSlices(driver).finally(() => this.#withdrawing.delete(work));
    this.#withdrawing.add(work);
  }

  /** Never rejects. Undefined: of all drivers. */
  async #deleteSlices(driver: string | undefined): Promise<void> {
    const { client, clock, logger, settings } = this.#options.context;
    const { signal } = this.#stop;
    const fieldSelector = `spec.nodeName=${settings.nodeName}${driver === undefined ? '' : `,spec.driver=${driver}`}`;
    for (let failures = 0; !signal.aborted; failures++) {
      // It is back.
      if (driver !== undefined && this.#drivers.get(driver)?.some(own => own.connected)) return;
      try {
        // Only a node that is registered may.
        await client.resource(Nodes).get(settings.nodeName);
        await client
          .resource(ResourceSlices)
          .deleteCollection({ fieldSelector })
          // A server that knows no such objects has none.
          .catch(error => (isStatusError(error, 'NotFound') ? undefined : Promise.reject(error)));
        if (driver !== undefined) logger.info('what a driver offered was withdrawn: it has gone', { driver });
        return;
      } catch (error) {
        logger.debug('what drivers offered could not be withdrawn, trying again', { fieldSelector, error });
        await sleep(clock, backoffMs(retry, failures), signal).catch(() => undefined);
      }
    }
  }
}
