import type { PluginPluginInfo, PluginRegistrationStatus } from '../generated/wire-tables.js';
import { pluginServer } from '../plugin-wire.js';
import type { PluginServer } from '../plugin-wire.js';

/** What a plugin shows in the registry: says what it is, and notes what it is told. */
export class FakePlugin {
  readonly #socketPath: string;
  readonly server: PluginServer;
  readonly told: PluginRegistrationStatus[] = [];

  /** `deaf`: fails when it is told. */
  constructor(socketPath: string, { deaf = false, ...info }: PluginPluginInfo & { readonly deaf?: boolean }) {
    this.#socketPath = socketPath;
    this.server = pluginServer()
      .handle('plugin.GetInfo', () => Promise.resolve(info))
      .handle('plugin.NotifyRegistrationStatus', async status => {
        this.told.push(status);
        if (deaf) throw new Error('cannot hear');
        return {};
      });
  }

  listen(): Promise<void> {
    return this.server.listen(this.#socketPath);
  }

  stop(): Promise<void> {
    return this.server.close();
  }
}
