import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { Logger } from '../../../core/plugin-api/index.js';

/** One Service whose `healthCheckNodePort` asks each node whether it has endpoints of its own. */
export interface HealthCheck {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  readonly localEndpoints: number;
}

interface Listening {
  check: HealthCheck;
  readonly server: Server;
}

/**
 * Answers load balancers outside: 200 where this node has ready endpoints of the Service, 503 where not. Source: kube-proxy's
 * service health server.
 */
export class HealthCheckServers {
  readonly #logger: Logger;
  readonly #isHealthy: () => boolean;
  readonly #listening = new Map<string, Listening>();

  /** `isHealthy`: whether the rules follow what the API says. */
  constructor(logger: Logger, isHealthy: () => boolean) {
    this.#logger = logger;
    this.#isHealthy = isHealthy;
  }

  /** Listens for exactly these, by Service key. A port in use is logged, not thrown: the rules matter more. */
  async sync(checks: ReadonlyMap<string, HealthCheck>): Promise<void> {
    for (const [key, { check, server }] of this.#listening) {
      if (checks.get(key)?.port === check.port) continue;
      this.#listening.delete(key);
      await close(server);
    }
    for (const [key, check] of checks) {
      const known = this.#listening.get(key);
      if (known) known.check = check;
      else await this.#listen(key, check);
    }
  }

  async stop(): Promise<void> {
    await this.sync(new Map());
  }

  async #listen(key: string, check: HealthCheck): Promise<void> {
    const server = createServer((_request, response) => {
      const { namespace, name, localEndpoints } = this.#listening.get(key)?.check ?? check;
      const serviceProxyHealthy = this.#isHealthy();
      const text = JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy }, undefined, 1);
      response.writeHead(localEndpoints > 0 && serviceProxyHealthy ? 200 : 503, {
        'Content-Type': 'application/json',
        'X-Content-Type-Options': 'nosniff',
        'X-Load-Balancing-Endpoint-Weight': String(localEndpoints),
      });
      response.end(text);
    });
    server.unref();
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(check.port, resolve);
      });
      this.#listening.set(key, { check, server });
    } catch (error) {
      this.#logger.warn('no health checks for a Service: its healthCheckNodePort cannot be listened on', {
        service: key,
        port: check.port,
        error,
      });
    }
  }
}

function close(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
