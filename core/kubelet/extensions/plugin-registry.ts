import { backoffMs } from '../../base/backoff.js';
import { sleep } from '../../base/clock.js';
import { CodedError, errorText } from '../../base/errors.js';
import type { KubeletContext } from '../kubelet-context.js';
import { pluginChannel } from './plugin-wire.js';
import type { PluginChannel } from './plugin-wire.js';
import type { SocketListener } from './socket-watcher.js';

/** Who works with the plugins of one type. */
export interface PluginHandler {
  /** Throws why the plugin cannot be taken. */
  validate(plugin: RegisteredPlugin): void;
  /** Rejects when it cannot be worked with. */
  register(plugin: RegisteredPlugin): Promise<void>;
  deregister(plugin: RegisteredPlugin): void;
}

export interface RegisteredPlugin {
  readonly name: string;
  /** The socket of the plugin's service. */
  readonly endpoint: string;
  readonly versions: readonly string[];
}

interface Entry {
  readonly stop: AbortController;
  registered: { readonly plugin: RegisteredPlugin; readonly handler: PluginHandler } | undefined;
  /** The end of what is done about this socket. */
  done: Promise<void>;
}

const dialMs = 10_000;
const infoMs = 1000;
const notifyMs = 5000;
const retry = { initialMs: 500, maximumMs: 122_000 };

/**
 * Takes up the plugins whose sockets appear: asks each what it is, gives it to the handler of its type and tells it the outcome. What
 * fails is tried again as long as the socket is there. Source: pkg/kubelet/pluginmanager.
 */
export class PluginRegistry implements SocketListener {
  readonly #context: Pick<KubeletContext, 'clock' | 'logger'>;
  readonly #handlers: Readonly<Record<string, PluginHandler>>;
  readonly #entries = new Map<string, Entry>();

  /** `handlers`: by the type that plugins say of themselves. */
  constructor(context: Pick<KubeletContext, 'clock' | 'logger'>, handlers: Readonly<Record<string, PluginHandler>>) {
    this.#context = context;
    this.#handlers = handlers;
  }

  appeared(socketPath: string): void {
    const before = this.#end(socketPath);
    const entry: Entry = { stop: new AbortController(), registered: undefined, done: before };
    this.#entries.set(socketPath, entry);
    entry.done = before.then(() => this.#registerAtLast(socketPath, entry));
  }

  gone(socketPath: string): void {
    void this.#end(socketPath);
  }

  /** Plugins stay as they are, and so does what their handlers know. */
  async stop(): Promise<void> {
    for (const { stop } of this.#entries.values()) stop.abort();
    await Promise.all(Array.from(this.#entries.values(), ({ done }) => done));
    this.#entries.clear();
  }

  /** Resolves when nothing of the socket's plugin is left. */
  #end(socketPath: string): Promise<void> {
    const entry = this.#entries.get(socketPath);
    if (!entry) return Promise.resolve();
    this.#entries.delete(socketPath);
    entry.stop.abort();
    return entry.done.then(() => {
      if (!entry.registered) return;
      const { plugin, handler } = entry.registered;
      this.#context.logger.info('a plugin has gone', { plugin: plugin.name, socketPath });
      handler.deregister(plugin);
    });
  }

  /** Never rejects. */
  async #registerAtLast(socketPath: string, entry: Entry): Promise<void> {
    const { clock, logger } = this.#context;
    const { signal } = entry.stop;
    for (let failures = 0; !signal.aborted; failures++) {
      const channel = pluginChannel(socketPath);
      const close = (): void => channel.close();
      signal.addEventListener('abort', close, { once: true });
      try {
        await this.#register(socketPath, channel, entry);
        return;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn('a plugin could not be registered, trying again', { socketPath, error });
      } finally {
        signal.removeEventListener('abort', close);
        close();
      }
      await sleep(clock, backoffMs(retry, failures), signal).catch(() => undefined);
    }
  }

  async #register(socketPath: string, channel: PluginChannel, entry: Entry): Promise<void> {
    const { signal } = entry.stop;
    await channel.connect(dialMs);
    const info = await channel.call('plugin.GetInfo', {}, { timeoutMs: infoMs, signal });
    const { type = '', name = '', supportedVersions = [] } = info;
    const plugin = { name, endpoint: info.endpoint || socketPath, versions: supportedVersions };
    const handler = Object.hasOwn(this.#handlers, type) ? this.#handlers[type] : undefined;
    try {
      if (!handler)
        throw new CodedError('PLUGIN_REFUSED', `no handler registered for plugin type: ${type} at socket ${socketPath}`);
      handler.validate(plugin);
      await handler.register(plugin);
    } catch (error) {
      const status = { pluginRegistered: false, error: `RegisterPlugin error -- ${errorText(error)}` };
      await channel.call('plugin.NotifyRegistrationStatus', status, { timeoutMs: notifyMs, signal });
      throw error;
    }
    try {
      await channel.call('plugin.NotifyRegistrationStatus', { pluginRegistered: true }, { timeoutMs: notifyMs, signal });
    } catch (error) {
      handler!.deregister(plugin);
      throw error;
    }
    entry.registered = { plugin, handler: handler! };
    this.#context.logger.info('a plugin was registered', { plugin: name, type, socketPath });
  }
}
