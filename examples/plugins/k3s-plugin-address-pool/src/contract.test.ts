import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { errorText, Resources } from 'k3s-ts/plugin';
import type { Client, Service, ServiceSpec } from 'k3s-ts/plugin';
import { loadBalancerSuite, startCluster, startRestartableCluster, until } from 'k3s-ts/testing';

const flags = ['--plugin', fileURLToPath(new URL('..', import.meta.url))];
const patienceMs = 10_000;

function service(name: string, spec: Partial<ServiceSpec> = {}): Service {
  const ports = [{ port: 80, targetPort: 8080 }];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { type: 'LoadBalancer', ports, ...spec },
  } as unknown as Service;
}

const addressOf = async (client: Client, name: string): Promise<string | undefined> =>
  (await client.resource(Resources.Services, 'default').get(name)).status?.loadBalancer?.ingress?.[0]?.ip;

const eventOf = async (client: Client, name: string, reason: string): Promise<string | undefined> =>
  (await client.resource(Resources.Events, 'default').objects()).find(
    event => event.involvedObject.name === name && event.reason === reason,
  )?.message;

void describe('the address pool', () => {
  // Fewer addresses than the suite has Services, so that some must wait.
  loadBalancerSuite({ describe, it }, () => startRestartableCluster([...flags, '--address-pool', '203.0.113.0/30']));

  void it('says what it gave and what it could not give, and gives it later', async () => {
    const { client, stop } = await startCluster({ arguments: [...flags, '--address-pool', '203.0.113.1'] });
    try {
      const services = client.resource(Resources.Services, 'default');
      await services.create(service('first'));
      await until('the first address', patienceMs, () => addressOf(client, 'first'));
      assert.equal(await until('the event', patienceMs, () => eventOf(client, 'first', 'AddressAssigned')), '203.0.113.1');
      await services.create(service('second'));
      assert.equal(
        await until('the warning', patienceMs, () => eventOf(client, 'second', 'AddressPoolExhausted')),
        'no IPv4 address is free in the pool default',
      );
      await services.create(service('third', { loadBalancerIP: '203.0.113.1' }));
      assert.equal(
        await until('the warning', patienceMs, () => eventOf(client, 'third', 'AddressUnavailable')),
        '203.0.113.1 is held by default/first',
      );
      await services.delete('third');
      await services.delete('first');
      await until('the freed address', patienceMs, () => addressOf(client, 'second'));
    } finally {
      await stop();
    }
  });

  void it('serves its class, and with a flag nothing else', async () => {
    const { client, stop } = await startCluster({
      arguments: [...flags, '--address-pool', '203.0.113.0/28', '--address-pool-class-only'],
    });
    try {
      const services = client.resource(Resources.Services, 'default');
      await services.create(service('plain'));
      await services.create(service('classy', { loadBalancerClass: 'k3s-plugin.example.com/address-pool' }));
      await until('an address', patienceMs, () => addressOf(client, 'classy'));
      assert.equal(await addressOf(client, 'plain'), undefined);
    } finally {
      await stop();
    }
  });

  void it('moves to new pools what the old ones gave', async () => {
    const cluster = await startRestartableCluster([...flags, '--address-pool', '203.0.113.0/28']);
    try {
      await cluster.client.resource(Resources.Services, 'default').create(service('web'));
      await until('an address', patienceMs, () => addressOf(cluster.client, 'web'));
      await cluster.restart(undefined, [...flags, '--address-pool', '198.51.100.0/28']);
      await until('another', patienceMs, async () => (await addressOf(cluster.client, 'web')) === '198.51.100.0');
    } finally {
      await cluster.stop();
    }
  });

  void it('refuses what is no pool, or not its own to give', async () => {
    const refusal = async (...more: string[]): Promise<string> =>
      startCluster({ arguments: [...flags, ...more] }).then(
        async cluster => (await cluster.stop(), 'started'),
        (error: unknown) => errorText(error),
      );
    assert.match(await refusal(), /no pool is given/);
    assert.match(await refusal('--address-pool', '203.0.113.9/28'), /"203.0.113.9\/28" begins in the middle/);
    assert.match(await refusal('--address-pool', '10.43.1.0/24'), /overlaps the Services' range 10.43.0.0\/16/);
  });
});
