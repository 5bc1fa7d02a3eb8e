import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { SinkLogger } from '../../../core/base/logger.js';
import type { Node } from '../../../core/plugin-api/index.js';
import { isNodeEligible, ProxyHealth } from './proxy-health.js';
import { ProxyMetrics } from './proxy-metrics.js';
import { StatusServers } from './status-servers.js';

describe('the health of the service proxy', () => {
  it('is lost when changes wait too long, and comes back with them', async () => {
    const clock = new FakeClock();
    const health = new ProxyHealth(clock, [4, 6]);
    health.queued();
    await clock.advance(120_000);
    // It has not begun yet.
    expect(health.isHealthy).toBe(true);
    health.updated(false);
    const updated = new Date(clock.now()).toISOString();
    await clock.advance(120_000);
    expect(health.report()).toMatchObject({ healthy: true, lastUpdated: new Date(clock.now()).toISOString() });
    health.queued();
    await clock.advance(59_999);
    health.queued();
    expect(health.isHealthy).toBe(true);
    await clock.advance(1);
    const late = { lastUpdated: updated, healthy: false };
    expect(health.report(true)).toEqual({
      ...late,
      currentTime: new Date(clock.now()).toISOString(),
      nodeEligible: true,
      status: { IPv4: late, IPv6: late },
    });
    // A change came while the others were written.
    health.updated(true);
    await clock.advance(59_999);
    expect(health.isHealthy).toBe(true);
    await clock.advance(1);
    expect(health.isHealthy).toBe(false);
  });

  it('is not that of a node which goes', () => {
    const node = (more: object): Node => ({ metadata: {}, spec: {}, ...more }) as unknown as Node;
    expect(isNodeEligible(undefined)).toBe(false);
    expect(isNodeEligible(node({ spec: { taints: [{ key: 'other', effect: 'NoExecute' }] } }))).toBe(true);
    expect(isNodeEligible(node({ metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }))).toBe(false);
  });
});

it('tries a port again that somebody has', async () => {
  const clock = new FakeClock();
  const logged: string[] = [];
  const servers = new StatusServers(clock, new SinkLogger(({ message }) => logged.push(message)));
  const holder = createServer().listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const { port } = holder.address() as AddressInfo;
  const paths = { '/x': () => ({ status: 200, type: 'application/json', text: '{}' }) as const };
  await servers.start([{ name: 'health port', host: '127.0.0.1', port, paths }]);
  expect(logged).toEqual(["the service proxy's health port cannot be listened on, trying again"]);
  holder.close();
  await once(holder, 'close');
  await clock.advance(5000);
  const answers: number[] = [];
  for (let tries = 0; tries < 200 && answers.length === 0; tries++) {
    await fetch(`http://127.0.0.1:${port}/x?y`).then(
      ({ status }) => answers.push(status),
      () => undefined,
    );
  }
  expect(answers).toEqual([200]);
  expect((await fetch(`http://127.0.0.1:${port}/constructor`)).status).toBe(404);
  await servers.stop();
  await expect(fetch(`http://127.0.0.1:${port}/x`)).rejects.toThrow();
});

it('counts by the names of kube-proxy', async () => {
  const clock = new FakeClock();
  const metrics = new ProxyMetrics(clock, [4]);
  metrics.changed('service');
  metrics.changed('endpoints');
  expect(metrics.text()).toContain('kubeproxy_sync_proxy_rules_endpoint_changes_pending 1\n');
  metrics.taken();
  metrics.synced(3, true);
  metrics.failed();
  metrics.asked('healthz', 503);
  const lines = metrics.text().split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      '# TYPE kubeproxy_sync_proxy_rules_duration_seconds histogram',
      'kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.002"} 0',
      'kubeproxy_sync_proxy_rules_duration_seconds_bucket{ip_family="IPv4",le="0.004"} 1',
      'kubeproxy_sync_full_proxy_rules_duration_seconds_sum{ip_family="IPv4"} 0.003',
      'kubeproxy_sync_partial_proxy_rules_duration_seconds_count{ip_family="IPv4"} 0',
      `kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds{ip_family="IPv4"} ${clock.now() / 1000}`,
      'kubeproxy_sync_proxy_rules_nftables_sync_failures_total{ip_family="IPv4"} 1',
      'kubeproxy_sync_proxy_rules_endpoint_changes_pending 0',
      'kubeproxy_sync_proxy_rules_service_changes_total 1',
      'kubeproxy_proxy_healthz_total{code="503"} 1',
    ]),
  );
});
