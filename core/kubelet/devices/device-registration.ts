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

/** What device plugins call to present themselves; they do so when its socket is made. Source: plugin/v1beta1/server.go. */
export function deviceRegistration(directory: string, devices: PluginHandler): PluginServer {
  return pluginServer().handle('device.Register', async ({ version = '', endpoint = '', resourceName = '' }) => {
    checkDevicePlugin(resourceName, [version]);
    await devices.register({ name: resourceName, endpoint: join(directory, endpoint), versions: [version] });
    return {};
  });
}
