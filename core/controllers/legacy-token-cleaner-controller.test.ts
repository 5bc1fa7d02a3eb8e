import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ConfigMaps, Pods, Secrets, ServiceAccounts } from '../api/generated/resources.js';
import type { ConfigMap, Pod, Secret, ServiceAccount } from '../api/generated/types.js';
import { dayMs, dayOf, startOfDay } from '../api/legacy-tokens.js';
import { internalError } from '../machinery/status-error.js';
import { legacyTokenCleanerController } from './legacy-token-cleaner-controller.js';
import { ControllerHarness } from './testing/harness.js';

const lastUsed = 'kubernetes.io/legacy-token-last-used';
const invalidSince = 'kubernetes.io/legacy-token-invalid-since';

it('knows days', () => {
  expect(dayOf(Date.UTC(2026, 0, 31, 23, 59))).toBe('2026-01-31');
  expect(startOfDay('2026-01-31')).toBe(Date.UTC(2026, 0, 31));
  for (const text of [undefined, '', 'yesterday', '2026-02-30', '2026-13-01', '2026-1-1'])
    expect(startOfDay(text)).toBeUndefined();
});

describe('unused tokens of old clusters', () => {
  let harness: ControllerHarness;
  const day = (days: number): string => dayOf(harness.clock.now() + days * dayMs);
  beforeEach(async () => {
    harness = new ControllerHarness();
    await harness.resource(ConfigMaps, 'kube-system').create({
      metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking' },
      data: { since: day(-400) },
    } as unknown as ConfigMap);
    await harness.resource(ServiceAccounts).create({
      metadata: { name: 'builder' },
      secrets: ['generated', 'mounted', 'used', 'strange', 'young'].map(name => ({ name })),
    } as unknown as ServiceAccount);
    for (const name of ['generated', 'mounted', 'used', 'strange', 'young', 'by-hand']) {
      await harness.resource(Secrets).create({
        metadata: {
          name,
          annotations: { 'kubernetes.io/service-account.name': 'builder' },
          creationTimestamp: new Date(harness.clock.now() - (name === 'young' ? 300 : 700) * dayMs).toISOString(),
          labels: name === 'used' ? { [lastUsed]: day(-364) } : name === 'strange' ? { [lastUsed]: 'long ago' } : {},
        },
        type: 'kubernetes.io/service-account-token',
      } as unknown as Secret);
    }
    await harness.resource(Pods).create({
      metadata: { name: 'web' },
      spec: { containers: [], volumes: [{ name: 'token', secret: { secretName: 'mounted' } }] },
    } as unknown as Pod);
  });
  afterEach(() => harness.stop());

  const start = (): Promise<void> => harness.start(legacyTokenCleanerController);
  const marked = async (): Promise<Record<string, string | undefined>> =>
    Object.fromEntries(
      (await harness.resource(Secrets).objects())
        .filter(({ metadata }) => metadata.labels?.[invalidSince] !== undefined)
        .map(({ metadata }) => [metadata.name, metadata.labels![invalidSince]]),
    );
  const names = async (): Promise<string[]> => (await harness.resource(Secrets).objects()).map(({ metadata }) => metadata.name!);

  it('are refused first, and deleted a year later', async () => {
    const today = day(0);
    await start();
    expect(await marked()).toEqual({ generated: today });
    // Not used for so long as well by then; the pod keeps its own.
    await harness.advance(dayMs);
    await harness.advance(dayMs);
    expect(await marked()).toEqual({ generated: today, used: day(0) });
    await harness.advance(363 * dayMs);
    expect(await names()).toContain('generated');
    await harness.advance(dayMs);
    expect(await names()).not.toContain('generated');
    expect(await names()).toEqual(expect.arrayContaining(['by-hand', 'mounted', 'strange', 'used', 'young']));
  });

  it('live on when somebody uses them after all', async () => {
    await start();
    await harness.resource(Secrets).patch('generated', 'merge', { metadata: { labels: { [lastUsed]: day(300) } } });
    await harness.advance(400 * dayMs);
    expect(await names()).toContain('generated');
  });

  it('stay while uses have not been noted long enough', async () => {
    const tracking = harness.resource(ConfigMaps, 'kube-system');
    await tracking.patch('kube-apiserver-legacy-service-account-token-tracking', 'merge', { data: { since: day(-365) } });
    await start();
    expect(await marked()).toEqual({});
    await harness.advance(dayMs);
    expect(Object.keys(await marked())).toContain('generated');
  });

  it('are of an account that is there, with the uid that they name', async () => {
    const annotations = { 'kubernetes.io/service-account.uid': 'earlier' };
    await harness.resource(Secrets).patch('generated', 'merge', { metadata: { annotations } });
    await start();
    expect(await marked()).toEqual({});
  });

  it('wait for the note since when uses are told, and for a server that works', async () => {
    const tracking = harness.resource(ConfigMaps, 'kube-system');
    await tracking.patch('kube-apiserver-legacy-service-account-token-tracking', 'merge', { data: { since: 'monday' } });
    await start();
    expect(await marked()).toEqual({});
    await tracking.patch('kube-apiserver-legacy-service-account-token-tracking', 'merge', { data: { since: day(-400) } });
    let failures = 0;
    harness.transport.reactors.push(({ verb, resource }) => {
      if (verb === 'patch' && resource === 'secrets' && failures++ === 0) throw internalError('no disk');
    });
    await harness.advance(10_000);
    expect(failures).toBe(1);
    await harness.advance(dayMs);
    expect(Object.keys(await marked())).toContain('generated');
  });
});
