import { sleep } from '../../base/clock.js';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import { pluginChannel } from '../extensions/plugin-wire.js';
import type { PluginChannel } from '../extensions/plugin-wire.js';
import type { DraClaim, DraDevice, DraHealthDeviceHealth } from '../extensions/generated/wire-tables.js';
import type { KubeletContext } from '../kubelet-context.js';

/** The gRPC services that this kubelet speaks with drivers. */
const services = { 'v1.DRAPlugin': 'dra', 'v1beta1.DRAPlugin': 'draBeta' } as const;

const callMs = 45_000;
const healthPauseMs = 5000;

/** The first of the plugin's services that is known here. Throws `DRA_DRIVER`. */
export function chosenService(driver: string, endpoint: string, versions: readonly string[]): 'dra' | 'draBeta' {
  const chosen = versions.find((version): version is keyof typeof services => Object.hasOwn(services, version));
  if (chosen) return services[chosen];
  const quoted = (names: readonly string[]): string => `["${names.join('" "')}"]`;
  const why =
    versions.length === 0
      ? 'empty list of supported gRPC services (aka supported versions)'
      : `none of services supported by the plugin (${quoted(versions)}) are supported by the kubelet (${quoted(Object.keys(services))})`;
  const text = `invalid supported gRPC versions of DRA driver plugin ${driver} at endpoint ${endpoint}: ${why}`;
  throw new CodedError('DRA_DRIVER', text);
}

export interface DraDriverOptions {
  readonly context: Pick<KubeletContext, 'clock' | 'logger'>;
  readonly name: string;
  readonly endpoint: string;
  readonly service: 'dra' | 'draBeta';
  readonly connection: (driver: DraDriver) => void;
  /** How the driver's devices are; undefined: it does not say so any more. */
  readonly health: (driver: DraDriver, devices: readonly DraHealthDeviceHealth[] | undefined) => void;
}

/** One instance of a driver of dynamic resource allocation. Source: cm/dra/plugin/dra_plugin.go. */
export class DraDriver {
  readonly #options: DraDriverOptions;
  readonly #channel: PluginChannel;
  readonly #closed = new AbortController();
  connected = false;

  constructor(options: DraDriverOptions) {
    this.#options = options;
    this.#channel = pluginChannel(options.endpoint);
  }

  get name(): string {
    return this.#options.name;
  }

  get endpoint(): string {
    return this.#options.endpoint;
  }

  /** Keeps connected, and hears how the devices are. */
  start(): void {
    this.#channel.watchConnection(connected => {
      this.connected = connected;
      if (!this.#closed.signal.aborted) this.#options.connection(this);
    });
    void this.#watchHealth();
  }

  /** The devices of each claim, by its uid. Rejects when one cannot be made ready. */
  async prepare(claims: readonly DraClaim[]): Promise<Map<string, readonly DraDevice[]>> {
    const method = `${this.#options.service}.NodePrepareResources` as const;
    const answer = await this.#call(method, claims, 'NodePrepareResources');
    return new Map(Array.from(answer, ([uid, { devices = [] }]) => [uid, devices]));
  }

  async unprepare(claims: readonly DraClaim[]): Promise<void> {
    await this.#call(`${this.#options.service}.NodeUnprepareResources`, claims, 'NodeUnprepareResources');
  }

  close(): void {
    this.#closed.abort();
    this.#channel.close();
  }

  async #call(
    method: `${'dra' | 'draBeta'}.${'NodePrepareResources' | 'NodeUnprepareResources'}`,
    claims: readonly DraClaim[],
    name: string,
  ): Promise<Map<string, { readonly error?: string; readonly devices?: readonly DraDevice[] }>> {
    let results: Readonly<Record<string, { readonly error?: string; readonly devices?: readonly DraDevice[] }>>;
    try {
      results = (await this.#channel.call(method, { claims }, { timeoutMs: callMs })).claims ?? {};
    } catch (error) {
      throw new CodedError('DRA_DRIVER', `${name}: ${errorText(error)}`);
    }
    const answers = new Map(Object.entries(results));
    for (const [uid, { error }] of answers) {
      const claim = claims.find(own => own.uid === uid);
      if (!claim) throw new CodedError('DRA_DRIVER', `${name} returned result for unknown claim UID ${uid}`);
      if (error) throw new CodedError('DRA_DRIVER', `${name} failed for ResourceClaim ${claim.name}: ${error}`);
    }
    const missing = claims.length - answers.size;
    if (missing > 0) throw new CodedError('DRA_DRIVER', `${name} skipped ${missing} ResourceClaims`);
    return answers;
  }

  /** Never rejects. Most drivers do not tell. */
  async #watchHealth(): Promise<void> {
    const { clock, health, logger } = { ...this.#options, ...this.#options.context };
    const { signal } = this.#closed;
    while (!signal.aborted) {
      const error = await new Promise<Error | undefined>(resolve => {
        this.#channel.stream(
          'draHealth.NodeWatchResources',
          {},
          {
            message: ({ devices = [] }) => {
              if (!signal.aborted) health(this, devices);
            },
            end: resolve,
          },
        );
      });
      if (signal.aborted) return;
      health(this, undefined);
      if (errorCode(error) === 'GRPC_UNIMPLEMENTED') return;
      logger.debug('a driver does not tell of its devices', { driver: this.name, ...(error ? { error } : {}) });
      await sleep(clock, healthPauseMs, signal).catch(() => undefined);
    }
  }
}
