import { CodedError, errorText } from '../../base/errors.js';
import { pluginChannel } from '../extensions/plugin-wire.js';
import type { PluginChannel } from '../extensions/plugin-wire.js';
import type {
  DeviceContainerAllocateResponse,
  DeviceDevice,
  DeviceDevicePluginOptions,
} from '../extensions/generated/wire-tables.js';

const dialMs = 10_000;
const preStartMs = 30_000;

export interface EndpointListener {
  devices(list: readonly DeviceDevice[]): void;
  /** Once; not after `close`. */
  ended(error: Error | undefined): void;
}

/** One device plugin. Source: cm/devicemanager/endpoint.go and plugin/v1beta1/client.go. */
export class DeviceEndpoint {
  readonly socketPath: string;
  readonly #channel: PluginChannel;
  #options: DeviceDevicePluginOptions = {};
  #closed = false;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
    this.#channel = pluginChannel(socketPath);
  }

  get wantsPreStart(): boolean {
    return this.#options.preStartRequired ?? false;
  }

  get hasPreferences(): boolean {
    return this.#options.getPreferredAllocationAvailable ?? false;
  }

  /** Rejects when the plugin does not answer. */
  async connect(): Promise<void> {
    try {
      await this.#channel.connect(dialMs);
    } catch (error) {
      throw new CodedError('DEVICE_PLUGIN', `failed to dial device plugin: ${errorText(error)}`);
    }
    try {
      this.#options = await this.#channel.call('device.GetDevicePluginOptions', {});
    } catch (error) {
      throw new CodedError('DEVICE_PLUGIN', `failed to get device plugin options: ${errorText(error)}`);
    }
  }

  /** Tells of the plugin's devices until it ends. */
  watch(listener: EndpointListener): void {
    this.#channel.stream(
      'device.ListAndWatch',
      {},
      {
        message: ({ devices = [] }) => {
          if (!this.#closed) listener.devices(devices);
        },
        end: error => {
          if (!this.#closed) listener.ended(error);
        },
      },
    );
  }

  async allocate(ids: readonly string[]): Promise<DeviceContainerAllocateResponse> {
    const { containerResponses = [] } = await this.#channel.call('device.Allocate', {
      containerRequests: [{ devicesIds: ids }],
    });
    if (!containerResponses[0]) throw new CodedError('DEVICE_PLUGIN', 'no containers return in allocation response');
    return containerResponses[0];
  }

  async preferred(available: readonly string[], mustInclude: readonly string[], size: number): Promise<readonly string[]> {
    try {
      const { containerResponses = [] } = await this.#channel.call('device.GetPreferredAllocation', {
        containerRequests: [{ availableDeviceIDs: available, mustIncludeDeviceIDs: mustInclude, allocationSize: size }],
      });
      return containerResponses[0]?.deviceIDs ?? [];
    } catch (error) {
      const text = `device plugin GetPreferredAllocation rpc failed with err: ${errorText(error)}`;
      throw new CodedError('DEVICE_PLUGIN', text);
    }
  }

  async preStart(ids: readonly string[]): Promise<void> {
    try {
      await this.#channel.call('device.PreStartContainer', { devicesIds: ids }, { timeoutMs: preStartMs });
    } catch (error) {
      const text = `device plugin PreStartContainer rpc failed with err: ${errorText(error)}`;
      throw new CodedError('DEVICE_PLUGIN', text);
    }
  }

  close(): void {
    this.#closed = true;
    this.#channel.close();
  }
}
