import type { Socket } from 'node:net';
import { errorText } from '../base/errors.js';
import { ModuleHost } from './module-host.js';
import { dataplaneProtocol, encodeFrame, FrameReader } from './protocol.js';
import type { ChildMessage, ControlMessage } from './protocol.js';

/** A way to a module host: the control socket of a child, or one in this process. */
export interface Link {
  send(message: ControlMessage): void;
  /** Leaves a child as it is; drains modules in this process. */
  close(): Promise<void>;
}

export interface LinkListener {
  message(message: ChildMessage): void;
  /** The other side is gone. Not called after `close`. */
  lost(why: string): void;
}

export class SocketLink implements Link {
  readonly #socket: Socket;
  #closed = false;

  constructor(socket: Socket, listener: LinkListener) {
    this.#socket = socket;
    const reader = new FrameReader<ChildMessage>();
    let why = 'its end was closed';
    socket.on('data', chunk => {
      try {
        for (const message of reader.push(chunk)) if (!this.#closed) listener.message(message);
      } catch (error) {
        why = errorText(error);
        socket.destroy();
      }
    });
    socket.on('error', error => (why = errorText(error)));
    socket.on('close', () => {
      if (!this.#closed) listener.lost(why);
      this.#closed = true;
    });
  }

  send(message: ControlMessage): void {
    if (!this.#closed) this.#socket.write(encodeFrame(message));
  }

  /** What was sent reaches the child before the end does. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await new Promise<void>(resolve => {
      this.#socket.once('close', resolve);
      this.#socket.end();
      // The child closes its end when it has read ours; one that hangs must not hold us.
      setTimeout(() => this.#socket.destroy(), 1000).unref();
    });
  }
}

const localGraceMs = 1000;

/** Modules in this process: no root, no child, gone with us. For the sandbox and for tests. */
export class LocalLink implements Link {
  readonly #host: ModuleHost;
  readonly #listener: LinkListener;
  #closed = false;

  constructor(listener: LinkListener) {
    this.#listener = listener;
    this.#host = new ModuleHost({
      importModule: url => import(url) as ReturnType<ConstructorParameters<typeof ModuleHost>[0]['importModule']>,
      send: message => this.#deliver(message),
    });
  }

  send(message: ControlMessage): void {
    switch (message.type) {
      case 'hello':
        return this.#deliver({ type: 'welcome', protocol: dataplaneProtocol, pid: process.pid, build: '', modules: [] });
      case 'modules':
        return this.#host.setModules(message.modules);
      case 'snapshot':
        return this.#host.snapshot(message.channel, message.generation, message.entries);
      case 'change':
        return this.#host.change(message.channel, message.generation, message.set, message.deleted);
      case 'ping':
        return this.#deliver({ type: 'pong', residentBytes: process.memoryUsage.rss() });
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#host.drain(localGraceMs);
  }

  #deliver(message: ChildMessage): void {
    queueMicrotask(() => {
      if (!this.#closed) this.#listener.message(message);
    });
  }
}
