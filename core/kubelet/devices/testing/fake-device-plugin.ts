import { join } from 'node:path';
import { pluginChannel, pluginServer } from '../../extensions/plugin-wire.js';
import type { PluginServer } from '../../extensions/plugin-wire.js';
import type {
  DeviceContainerAllocateResponse,
  DeviceDevice,
  DeviceDevicePluginOptions,
} from '../../extensions/generated/wire-tables.js';

export interface FakeDevicePluginOptions {
  /** The kubelet's for device plugins. */
  readonly directory: string;
  readonly resource: string;
  readonly devices: readonly DeviceDevice[];
  readonly options?: DeviceDevicePluginOptions;
  /** What a container with these devices is to get. */
  readonly answer?: (ids: readonly string[]) => DeviceContainerAllocateResponse;
  /** Which devices it would have. */
  readonly preferred?: (available: readonly string[], mustInclude: readonly string[], size: number) => readonly string[];
  readonly version?: string;
  readonly socketPath?: string;
}

export const healthy = (...ids: string[]): DeviceDevice[] => ids.map(id => ({ id, health: 'Healthy' }));

/** A device plugin on a real socket, that notes what it is asked. */
export class FakeDevicePlugin {
  readonly #options: FakeDevicePluginOptions;
  readonly #server: PluginServer;
  readonly #watchers = new Set<(devices: readonly DeviceDevice[]) => void>();
  #devices: readonly DeviceDevice[];
  /** Of `Allocate` and `PreStartContainer`, with the devices. */
  readonly asked: string[] = [];
  /** Why no container may start. */
  refusal: string | undefined;

  constructor(options: FakeDevicePluginOptions) {
    this.#options = options;
    this.#devices = options.devices;
    this.#server = pluginServer()
      .handle('device.GetDevicePluginOptions', () => Promise.resolve(options.options ?? {}))
      .handle('device.Allocate', async ({ containerRequests = [] }) => {
        const ids = containerRequests[0]?.devicesIds ?? [];
        this.asked.push(`allocate ${ids.join()}`);
        return { containerResponses: [options.answer?.(ids) ?? {}] };
      })
      .handle('device.PreStartContainer', async ({ devicesIds = [] }) => {
        if (this.refusal !== undefined) throw new Error(this.refusal);
        this.asked.push(`start ${devicesIds.join()}`);
        return {};
      })
      .handle('device.GetPreferredAllocation', async ({ containerRequests = [] }) => {
        const { availableDeviceIDs = [], mustIncludeDeviceIDs = [], allocationSize = 0 } = containerRequests[0] ?? {};
        return {
          containerResponses: [
            { deviceIDs: options.preferred?.(availableDeviceIDs, mustIncludeDeviceIDs, allocationSize) ?? [] },
          ],
        };
      })
      .handleStream('device.ListAndWatch', (_request, stream) => {
        const tell = (devices: readonly DeviceDevice[]): void => stream.send({ devices });
        this.#watchers.add(tell);
        stream.gone.addEventListener('abort', () => this.#watchers.delete(tell));
        tell(this.#devices);
      });
  }

  get socketPath(): string {
    return this.#options.socketPath ?? join(this.#options.directory, `${this.#options.resource.replaceAll('/', '-')}.sock`);
  }

  listen(): Promise<void> {
    return this.#server.listen(this.socketPath);
  }

  /** As plugins do when they start, and when the kubelet's socket is made anew. */
  async register(): Promise<void> {
    const { directory, resource, version = 'v1beta1' } = this.#options;
    const channel = pluginChannel(join(directory, 'kubelet.sock'));
    try {
      const endpoint = this.socketPath.slice(directory.length + 1);
      await channel.call('device.Register', { version, endpoint, resourceName: resource });
    } finally {
      channel.close();
    }
  }

  setDevices(devices: readonly DeviceDevice[]): void {
    this.#devices = devices;
    for (const tell of this.#watchers) tell(devices);
  }

  stop(): Promise<void> {
    return this.#server.close();
  }
}
