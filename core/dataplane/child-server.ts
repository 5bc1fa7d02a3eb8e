import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import { errorText } from '../base/errors.js';
import { processStartTime, recordPath } from './child-record.js';
import type { ChildRecord } from './child-record.js';
import { ModuleHost } from './module-host.js';
import type { ModuleHostOptions } from './module-host.js';
import { dataplaneProtocol, encodeFrame, FrameReader } from './protocol.js';
import type { ChildMessage, ControlMessage } from './protocol.js';
import { StateFiles } from './state-files.js';

export interface ChildServerOptions {
  readonly directory: string;
  readonly socket: string;
  /** Of the code of this process. */
  readonly build: string;
  /** For what nobody is connected to hear. */
  logLine(line: string): void;
}

/** The child's side of the control socket. Whoever connects last is the control process; one that went before is cut off. */
export class ChildServer {
  readonly #options: ChildServerOptions;
  readonly #host: ModuleHost;
  readonly #server: Server;
  #peer: Socket | undefined;

  constructor(options: ChildServerOptions) {
    this.#options = options;
    this.#host = new ModuleHost({
      stateFiles: new StateFiles({
        directory: options.directory,
        mayWrite: () => this.#isCurrent(),
        onFailure: error => options.logLine(`state file: ${errorText(error)}`),
      }),
      importModule: url => import(url) as ReturnType<ModuleHostOptions['importModule']>,
      send: message => this.#send(message),
    });
    this.#server = createServer(socket => this.#accept(socket));
  }

  /** Listens, then says so in the record: from now on a later start finds this process. */
  async start(): Promise<void> {
    const { directory, socket } = this.#options;
    await rm(socket, { force: true });
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(socket, resolve);
    });
    const record: ChildRecord = {
      pid: process.pid,
      startTime: processStartTime(process.pid) ?? '',
      socket,
      protocol: dataplaneProtocol,
    };
    const path = recordPath(directory);
    writeFileSync(`${path}.${process.pid}`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.${process.pid}`, path);
  }

  async drain(graceMs: number): Promise<void> {
    this.#server.close();
    await this.#host.drain(graceMs);
    this.#peer?.destroy();
    await rm(this.#options.socket, { force: true });
  }

  #isCurrent(): boolean {
    try {
      const record = JSON.parse(readFileSync(recordPath(this.#options.directory), 'utf8')) as Partial<ChildRecord>;
      return record.pid === process.pid;
    } catch {
      return false;
    }
  }

  #accept(socket: Socket): void {
    this.#peer?.destroy();
    this.#peer = socket;
    const reader = new FrameReader<ControlMessage>();
    socket.on('data', chunk => {
      try {
        for (const message of reader.push(chunk)) this.#receive(message);
      } catch (error) {
        this.#options.logLine(errorText(error));
        socket.destroy();
      }
    });
    socket.on('error', error => this.#options.logLine(`control socket: ${errorText(error)}`));
    socket.on('close', () => {
      if (this.#peer === socket) this.#peer = undefined;
    });
  }

  #receive(message: ControlMessage): void {
    switch (message.type) {
      case 'hello': {
        const { build } = this.#options;
        this.#send({ type: 'welcome', protocol: dataplaneProtocol, pid: process.pid, build, modules: this.#host.specs });
        this.#host.repeatReports();
        return;
      }
      case 'modules':
        return this.#host.setModules(message.modules);
      case 'snapshot':
        return this.#host.snapshot(message.channel, message.generation, message.entries);
      case 'change':
        return this.#host.change(message.channel, message.generation, message.set, message.deleted);
      case 'ping':
        return this.#send({ type: 'pong', residentBytes: process.memoryUsage.rss() });
    }
  }

  #send(message: ChildMessage): void {
    if (this.#peer?.writable) this.#peer.write(encodeFrame(message));
    else if (message.type === 'log') this.#options.logLine(`${message.level} ${message.channel}: ${message.message}`);
  }
}
