import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pluginServer } from '../../extensions/plugin-wire.js';
import type { PluginServer } from '../../extensions/plugin-wire.js';
import { FakePlugin } from '../../extensions/testing/fake-plugin.js';
import type { DraClaim, DraDevice, DraHealthDeviceHealth } from '../../extensions/generated/wire-tables.js';

export interface FakeDraDriverOptions {
  /** The kubelet's root. */
  readonly rootDir: string;
  readonly name: string;
  /** Tells instances of one driver apart. */
  readonly instance?: string;
  readonly versions?: readonly string[];
  /** What a claim gets. Throws why it cannot. */
  readonly devices: (claim: DraClaim) => readonly DraDevice[];
  /** What it answers instead, to a call to make claims ready. */
  readonly answer?: (answer: Readonly<Record<string, object>>) => Readonly<Record<string, object>>;
  /** Tells how the devices are. */
  readonly tellsHealth?: boolean;
}

/** A driver of dynamic resource allocation on real sockets, that notes what it is asked. */
export class FakeDraDriver {
  readonly #options: FakeDraDriverOptions;
  readonly #server: PluginServer;
  readonly #listeners = new Set<(devices: readonly DraHealthDeviceHealth[]) => void>();
  readonly registration: FakePlugin;
  readonly endpoint: string;
  /** `prepare NAME`, `unprepare NAME`. */
  readonly asked: string[] = [];
  /** What it says when it is to take claims back; undefined: it does. */
  refusal: string | undefined;

  constructor(options: FakeDraDriverOptions) {
    this.#options = options;
    const { rootDir, name, instance = '', versions = ['v1.DRAPlugin'] } = options;
    this.endpoint = join(rootDir, 'plugins', name, `dra${instance}.sock`);
    const socketPath = join(rootDir, 'plugins_registry', `${name}${instance}-reg.sock`);
    const info = { type: 'DRAPlugin', name, endpoint: this.endpoint, supportedVersions: versions };
    this.registration = new FakePlugin(socketPath, info);
    this.#server = pluginServer();
    for (const service of ['dra', 'draBeta'] as const) {
      this.#server
        .handle(`${service}.NodePrepareResources`, async ({ claims = [] }) => {
          const answer = Object.fromEntries(claims.map(claim => [claim.uid ?? '', this.#prepare(claim, service)]));
          return { claims: options.answer?.(answer) ?? answer };
        })
        .handle(`${service}.NodeUnprepareResources`, async ({ claims = [] }) => ({
          claims: Object.fromEntries(claims.map(claim => [claim.uid ?? '', this.#unprepare(claim)])),
        }));
    }
    if (options.tellsHealth) {
      this.#server.handleStream('draHealth.NodeWatchResources', (_request, stream) => {
        const tell = (devices: readonly DraHealthDeviceHealth[]): void => stream.send({ devices });
        this.#listeners.add(tell);
        stream.gone.addEventListener('abort', () => this.#listeners.delete(tell));
      });
    }
  }

  #prepare(claim: DraClaim, service: string): { devices?: readonly DraDevice[]; error?: string } {
    this.asked.push(`prepare ${claim.name}${service === 'dra' ? '' : ' in the old way'}`);
    try {
      return { devices: this.#options.devices(claim) };
    } catch (error) {
      return { error: (error as Error).message };
    }
  }

  #unprepare(claim: DraClaim): { error?: string } {
    this.asked.push(`unprepare ${claim.name}`);
    return this.refusal === undefined ? {} : { error: this.refusal };
  }

  get hasListener(): boolean {
    return this.#listeners.size > 0;
  }

  tellHealth(devices: readonly DraHealthDeviceHealth[]): void {
    for (const tell of this.#listeners) tell(devices);
  }

  /** Its service, and then the socket by which the kubelet finds it. */
  async start(): Promise<void> {
    await this.#server.listen(this.endpoint);
    await this.registration.listen();
  }

  async stop(): Promise<void> {
    await this.registration.stop();
    await this.#server.close();
    await rm(this.endpoint, { force: true });
  }
}
