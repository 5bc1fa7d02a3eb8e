import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { SinkLogger } from '../../../core/base/logger.js';
import { HealthCheckServers } from './health-check-servers.js';

describe('health checks of load balancers', () => {
  const logged: string[] = [];
  let servers: HealthCheckServers;
  let isHealthy: boolean;

  beforeEach(() => {
    logged.length = 0;
    isHealthy = true;
    servers = new HealthCheckServers(new SinkLogger(({ message }) => logged.push(message)), () => isHealthy);
  });
  afterEach(() => servers.stop());

  const check = (port: number, localEndpoints: number) =>
    new Map([['default/web', { namespace: 'default', name: 'web', port, localEndpoints }]]);

  async function freePort(): Promise<number> {
    const server = createServer();
    await new Promise<void>(resolve => server.listen(0, resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise(resolve => server.close(resolve));
    return port;
  }

  it('say whether this node has endpoints', async () => {
    const port = await freePort();
    await servers.sync(check(port, 2));
    const yes = await fetch(`http://127.0.0.1:${port}/`);
    expect([yes.status, yes.headers.get('x-load-balancing-endpoint-weight')]).toEqual([200, '2']);
    expect(await yes.json()).toEqual({
      service: { namespace: 'default', name: 'web' },
      localEndpoints: 2,
      serviceProxyHealthy: true,
    });
    isHealthy = false;
    const late = await fetch(`http://127.0.0.1:${port}/`);
    expect([late.status, await late.json()]).toEqual([503, expect.objectContaining({ serviceProxyHealthy: false })]);
    isHealthy = true;
    await servers.sync(check(port, 0));
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(503);
    await servers.sync(new Map());
    await expect(fetch(`http://127.0.0.1:${port}/`)).rejects.toThrow();
  });

  it('log a port that is in use, and go on', async () => {
    const holder = createServer();
    await new Promise<void>(resolve => holder.listen(0, resolve));
    await servers.sync(check((holder.address() as AddressInfo).port, 1));
    expect(logged).toEqual(['no health checks for a Service: its healthCheckNodePort cannot be listened on']);
    await new Promise(resolve => holder.close(resolve));
  });
});
