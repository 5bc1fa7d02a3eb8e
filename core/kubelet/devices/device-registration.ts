import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isExtendedResource } from '../../api/resource-names.js';
import { CodedError } from '../../base/errors.js';
import { pluginServer } from '../extensions/plugin-wire.js';
import type { PluginServer } from '../extensions/plugin-wire.js';
import type { PluginHandler } from '../extensions/plugin-registry.js';

const supportedVersion = 'v1beta1';

/** Throws `DEVICE_PLUGIN` for a resource or versions that no device plugin can have. */
export function checkDevicePlugin(resource: string, versions: readonly string[]): void {
  if (!versions.includes(supportedVersion)) {
    const text = `requested API version "${versions.join('", "')}" is not supported by kubelet. Supported version is ["${supportedVersion}"]`;
    throw new CodedError('DEVICE_PLUGIN', text);
  }
  if (!isExtendedResource(resource)) throw new CodedError('DEVICE_PLUGIN', `the ResourceName "${resource}" is invalid`);
}

/** The socket at which device plugins present themselves; they do so anew when it is made anew. Source: plugin/v1beta1/server.go. */
export class DeviceRegistration {
  readonly #directory: string;
  readonly #devices: PluginHandler;
  readonly #server: PluginServer;

  constructor(directory: string, devices: PluginHandler) {
    this.#directory = directory;
    this.#devices = devices;
    this.#server = pluginServer().handle('device.Register', request => this.#register(request));
  }

  /** What is left of plugins of an earlier kubelet goes: those that live on make their sockets anew. */
  async start(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      const path = join(this.#directory, name);
      if ((await lstat(path)).isSocket()) await rm(path);
    }
    await this.#server.listen(join(this.#directory, 'kubelet.sock'));
  }

  stop(): Promise<void> {
    return this.#server.close();
  }

  async #register(request: { version?: string; endpoint?: string; resourceName?: string }): Promise<object> {
    const { version = '', endpoint = '', resourceName = '' } = request;
    checkDevicePlugin(resourceName, [version]);
    await this.#devices.register({ name: resourceName, endpoint: join(this.#directory, endpoint), versions: [version] });
    return {};
  }
}
