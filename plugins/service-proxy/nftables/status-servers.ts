import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { Clock, Disposable, Logger } from '../../../core/plugin-api/index.js';

export interface StatusAnswer {
  readonly status: number;
  readonly type: 'application/json' | 'text/plain; charset=utf-8' | 'text/plain; version=0.0.4; charset=utf-8';
  readonly text: string;
}

export interface StatusListener {
  /** What it is there for, as the log names it. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** By path; what is not there is a 404. */
  readonly paths: Readonly<Record<string, () => StatusAnswer>>;
}

const retryMs = 5000;

/** kube-proxy's own two listeners. A port that is taken is tried again: the rules matter more than what is said of them. */
export class StatusServers {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #servers = new Set<Server>();
  readonly #timers = new Set<Disposable>();
  #stopped = false;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  async start(listeners: readonly StatusListener[]): Promise<void> {
    await Promise.all(listeners.map(listener => this.#listen(listener, true)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers) void timer.dispose();
    await Promise.all(
      Array.from(this.#servers, server => {
        const closed = new Promise(resolve => server.close(resolve));
        server.closeAllConnections();
        return closed;
      }),
    );
  }

  async #listen(listener: StatusListener, isFirst: boolean): Promise<void> {
    const { name, host, port, paths } = listener;
    const server = createServer((request, response) => {
      const path = (request.url ?? '/').split('?')[0]!;
      const answer = Object.hasOwn(paths, path) ? paths[path]!() : undefined;
      const { status, type, text } = answer ?? { status: 404, type: 'text/plain; charset=utf-8', text: '404 page not found\n' };
      response.writeHead(status, { 'Content-Type': type, 'X-Content-Type-Options': 'nosniff' });
      response.end(text);
    });
    server.unref();
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, resolve);
      });
    } catch (error) {
      if (isFirst) this.#logger.warn(`the service proxy's ${name} cannot be listened on, trying again`, { host, port, error });
      const timer = this.#clock.setTimer(retryMs, () => {
        this.#timers.delete(timer);
        if (!this.#stopped) void this.#listen(listener, false);
      });
      this.#timers.add(timer);
      return;
    }
    if (!this.#stopped) return void this.#servers.add(server);
    server.close();
  }
}
