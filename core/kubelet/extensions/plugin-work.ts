import { ClaimManager } from '../claims/claim-manager.js';
import { DeviceManager } from '../devices/device-manager.js';
import { deviceRegistration } from '../devices/device-registration.js';
import { PluginRegistry } from './plugin-registry.js';
import type { PluginServer } from './plugin-wire.js';
import { podResourcesServer } from './pod-resources.js';
import type { PluginWorkOptions } from './node-plugins.js';

/** All that works with plugins: loaded when there is one. */
export class PluginWork {
  readonly devices: DeviceManager;
  readonly claims: ClaimManager;
  readonly registry: PluginRegistry;
  /** At whose sockets others listen. */
  readonly registration: PluginServer;
  readonly podResources: PluginServer;

  constructor({ context, activePods, changed, wake, deviceDirectory: directory }: PluginWorkOptions) {
    const active = (): ReadonlySet<string> | undefined => {
      const pods = activePods();
      return pods && new Set(pods.map(({ metadata }) => metadata.uid ?? ''));
    };
    this.devices = new DeviceManager({ context, directory, activePods: active, changed, wake });
    this.claims = new ClaimManager({ context, activePods: active, wake });
    this.registry = new PluginRegistry(context, { DevicePlugin: this.devices, DRAPlugin: this.claims.drivers });
    this.registration = deviceRegistration(directory, this.devices);
    this.podResources = podResourcesServer({ pods: activePods, devices: this.devices, claims: this.claims });
  }

  async start(): Promise<void> {
    await this.devices.start();
    await this.claims.start();
  }

  async stop(): Promise<void> {
    await this.podResources.close();
    await this.registration.close();
    await this.registry.stop();
    await this.devices.stop();
    await this.claims.stop();
  }
}
