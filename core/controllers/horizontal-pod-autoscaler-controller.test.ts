import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Deployments, HorizontalPodAutoscalers, MetricsPods, Pods } from '../api/generated/resources.js';
import type { Deployment, HorizontalPodAutoscaler, Pod, PodMetrics } from '../api/generated/types.js';
import { formatTime } from '../api/time.js';
import { replicasForAverage, replicasForShare, replicasForUtilization, replicasForValue } from './autoscaler-calculator.js';
import { ScaleHistory, limitScale } from './autoscaler-limits.js';
import { ApiMetricsSource } from './autoscaler-metrics.js';
import type { MetricsSource } from './autoscaler-metrics.js';
import { horizontalPodAutoscalerController } from './horizontal-pod-autoscaler-controller.js';
import { fakeCatalogue, fakeEnvironment } from './testing/environment.js';
import { ControllerHarness } from './testing/harness.js';

const cpu = (averageUtilization: number) => ({
  type: 'Resource',
  resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
});

describe('horizontal pod autoscaler', () => {
  let harness: ControllerHarness;
  const deployments = () => harness.resource(Deployments);
  const autoscalers = () => harness.resource(HorizontalPodAutoscalers);
  const replicas = async () => (await deployments().get('web')).spec.replicas;
  const status = async () => (await autoscalers().get('web')).status;
  const condition = async (type: string) => (await status()).conditions?.find(known => known.type === type);
  const create = async (spec: object, size = 2) => {
    await deployments().create({
      metadata: { name: 'web' },
      spec: { replicas: size, selector: { matchLabels: { app: 'web' } } },
    } as unknown as Deployment);
    await autoscalers().create({
      metadata: { name: 'web' },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        minReplicas: 1,
        maxReplicas: 10,
        ...spec,
      },
    } as unknown as HorizontalPodAutoscaler);
    await harness.settle();
  };
  /** As many pods as there should be, each using so much CPU of the 100m that it requests. */
  const load = async (usage: string, count?: number) => {
    const now = formatTime(harness.clock.now());
    const wanted = count ?? (await replicas()) ?? 0;
    const labels = { app: 'web' };
    for (const pod of await harness.resource(Pods).objects()) await harness.resource(Pods).delete(pod.metadata.name);
    for (const metric of await harness.resource(MetricsPods).objects()) {
      if (metric.kind === 'PodMetrics') await harness.resource(MetricsPods).delete(metric.metadata.name);
    }
    for (let i = 0; i < wanted; i++) {
      await harness.resource(Pods).create({
        metadata: { name: `web-${i}`, labels },
        spec: { containers: [{ name: 'main', resources: { requests: { cpu: '100m', memory: '64Mi' } } }] },
        status: {
          phase: 'Running',
          startTime: '2025-12-31T00:00:00Z',
          conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2025-12-31T00:00:00Z' }],
        },
      } as unknown as Pod);
      await harness.resource(MetricsPods).create({
        metadata: { name: `web-${i}`, labels },
        timestamp: now,
        window: '15s',
        containers: [{ name: 'main', usage: { cpu: usage, memory: '32Mi' } }],
      } as unknown as PodMetrics);
    }
    await harness.settle();
  };

  beforeEach(async () => {
    harness = new ControllerHarness();
    harness.environment = fakeEnvironment(fakeCatalogue([Deployments, Pods]));
    // The metrics API has a `pods` of its own; the fake tells resources apart by group.
    await harness.start(horizontalPodAutoscalerController.create);
  });
  afterEach(() => harness.stop());

  it('grows with the load and tells why', async () => {
    await create({ metrics: [cpu(50)] });
    await load('100m');
    await harness.advance(15_000);
    expect(await replicas()).toBe(4);
    expect(harness.events('SuccessfulRescale')).toEqual([
      'SuccessfulRescale New size: 4; reason: cpu resource utilization (percentage of request) above target',
    ]);
    expect(await status()).toMatchObject({
      currentReplicas: 2,
      desiredReplicas: 4,
      lastScaleTime: '2026-01-01T00:00:15Z',
      currentMetrics: [
        { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 100, averageValue: '100m' } } },
      ],
    });
    expect(await condition('AbleToScale')).toMatchObject({ status: 'True', reason: 'SucceededRescale' });
    expect(await condition('ScalingActive')).toMatchObject({ status: 'True', reason: 'ValidMetricFound' });
    expect(await condition('ScalingLimited')).toMatchObject({ status: 'False', reason: 'DesiredWithinRange' });
    await load('52m');
    await harness.advance(15_000);
    expect(await replicas()).toBe(4);
    expect(await condition('AbleToScale')).toMatchObject({ status: 'True', reason: 'ReadyForNewScale' });
  });

  it('shrinks only after five minutes of less load', async () => {
    await create({ metrics: [cpu(50)] }, 6);
    await load('10m');
    await harness.advance(15_000);
    expect(await replicas()).toBe(6);
    expect(await condition('AbleToScale')).toMatchObject({ status: 'True', reason: 'ScaleDownStabilized' });
    for (let i = 0; i < 20; i++) await harness.advance(15_000);
    expect(await replicas()).toBe(2);
    expect(harness.events('SuccessfulRescale')).toEqual(['SuccessfulRescale New size: 2; reason: All metrics below target']);
  });

  it('stays within its bounds, whatever metrics say', async () => {
    await create({ metrics: [cpu(50)], minReplicas: 3, maxReplicas: 4 });
    await harness.advance(15_000);
    expect(await replicas()).toBe(3);
    expect(harness.events('SuccessfulRescale')).toEqual([
      'SuccessfulRescale New size: 3; reason: Current number of replicas below Spec.MinReplicas',
    ]);
    await load('500m');
    await harness.advance(15_000);
    expect(await replicas()).toBe(4);
    expect(await condition('ScalingLimited')).toMatchObject({ status: 'True', reason: 'TooManyReplicas' });
    await deployments().patch('web', 'merge', { spec: { replicas: 0 } });
    await harness.advance(15_000);
    expect(await replicas()).toBe(0);
    expect(await condition('ScalingActive')).toMatchObject({ status: 'False', reason: 'ScalingDisabled' });
  });

  it('tells what is missing: the target, metrics, requests, a selector', async () => {
    await create({ metrics: [cpu(50)] });
    await harness.advance(15_000);
    expect(await condition('ScalingActive')).toMatchObject({
      status: 'False',
      reason: 'FailedGetResourceMetric',
      message:
        'the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics for resource cpu: no metrics returned from resource metrics API',
    });
    expect(harness.events('FailedComputeMetricsReplicas')[0]).toContain(
      'invalid metrics (1 invalid out of 1), first error is: failed to get cpu resource metric value: failed to get cpu utilization',
    );
    await load('10m');
    await harness.resource(Pods).patch('web-1', 'merge', { spec: { containers: [{ name: 'main' }] } });
    await harness.advance(15_000);
    expect((await condition('ScalingActive'))?.message).toContain('missing request for cpu in container main of Pod web-1');
    await deployments().patch('web', 'merge', { spec: { selector: null } });
    await harness.advance(15_000);
    expect(await condition('ScalingActive')).toMatchObject({ status: 'False', reason: 'InvalidSelector' });
    await deployments().delete('web');
    await harness.advance(15_000);
    expect(await condition('AbleToScale')).toMatchObject({
      status: 'False',
      reason: 'FailedGetScale',
      message: `the HPA controller was unable to get the target's current scale: deployments.apps "web" not found`,
    });
  });

  it('refuses pods that another autoscaler steers', async () => {
    await create({ metrics: [cpu(50)] });
    const { spec } = await autoscalers().get('web');
    await autoscalers().create({ metadata: { name: 'other' }, spec } as unknown as HorizontalPodAutoscaler);
    await load('10m');
    await harness.advance(15_000);
    await harness.advance(15_000);
    expect(await condition('ScalingActive')).toMatchObject({ status: 'False', reason: 'AmbiguousSelector' });
  });

  it('reads other metrics where there is a source, and takes the highest wish', async () => {
    const source: MetricsSource = {
      resource: query => new ApiMetricsSource(harness.client, { resources: () => [] }).resource(query),
      pods: async () =>
        new Map([
          ['web-0', { milliValue: 30_000, timestampMs: 0, windowMs: 0 }],
          ['web-1', { milliValue: 10_000, timestampMs: 0, windowMs: 0 }],
        ]),
      object: async () => 9000,
      external: async () => [1000, 2000],
    };
    await harness.stop();
    harness = new ControllerHarness();
    harness.environment = { ...fakeEnvironment(fakeCatalogue([Deployments])), metrics: source };
    await harness.start(horizontalPodAutoscalerController.create);
    const metric = (name: string) => ({ metric: { name } });
    await create({
      metrics: [
        { type: 'Pods', pods: { ...metric('requests'), target: { type: 'AverageValue', averageValue: '20' } } },
        {
          type: 'Object',
          object: {
            ...metric('queue'),
            describedObject: { kind: 'Service', name: 'web' },
            target: { type: 'Value', value: '6' },
          },
        },
        { type: 'External', external: { ...metric('jobs'), target: { type: 'AverageValue', averageValue: '500m' } } },
      ],
    });
    await load('10m');
    await harness.advance(15_000);
    // 2 of requests, 3 of queue, 6 of jobs, and twice the size at most but 4 in any case.
    expect(await replicas()).toBe(4);
    expect((await status()).currentMetrics).toMatchObject([
      { pods: { current: { averageValue: '20' } } },
      { object: { current: { value: '9' } } },
      { external: { current: { averageValue: '1500m' } } },
    ]);
    expect(await condition('ScalingLimited')).toMatchObject({ status: 'True', reason: 'ScaleUpLimit' });
    expect(harness.events('SuccessfulRescale')).toEqual([
      'SuccessfulRescale New size: 4; reason: external metric jobs(nil) above target',
    ]);
  });

  it('grows on what it can read, and does not shrink while something cannot be read', async () => {
    const missing = { type: 'External', external: { metric: { name: 'jobs' }, target: { type: 'Value', value: '1' } } };
    await create({ metrics: [cpu(50), missing] }, 3);
    await load('10m');
    await harness.advance(400_000);
    expect(await replicas()).toBe(3);
    expect(await condition('ScalingActive')).toMatchObject({ status: 'False', reason: 'FailedGetExternalMetric' });
    await load('100m');
    await harness.advance(15_000);
    expect(await replicas()).toBe(6);
  });
});

describe('replica calculation', () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const tolerances = { down: 0.1, up: 0.1 };
  const pod = (name: string, status: object = {}): Pod =>
    ({
      metadata: { name },
      spec: { containers: [{ name: 'main', resources: { requests: { cpu: '1' } } }] },
      status: {
        phase: 'Running',
        startTime: formatTime(nowMs - 3_600_000),
        conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: formatTime(nowMs - 3_500_000) }],
        ...status,
      },
    }) as unknown as Pod;
  const metrics = (...values: number[]) =>
    new Map(values.map((milliValue, i) => [`p${i}`, { milliValue, timestampMs: nowMs, windowMs: 30_000 }]));
  const pods = (count: number) => Array.from({ length: count }, (_, i) => pod(`p${i}`));

  it('counts missing pods as full when it would shrink, as idle when it would grow', () => {
    const input = { tolerances, nowMs, resource: 'cpu', currentReplicas: 4, pods: pods(4) };
    expect(replicasForUtilization({ ...input, metrics: metrics(100, 100) }, 50).replicas).toBe(4);
    expect(replicasForUtilization({ ...input, metrics: metrics(100, 100, 100) }, 100).replicas).toBe(2);
    expect(replicasForUtilization({ ...input, metrics: metrics(900, 900) }, 30).replicas).toBe(6);
    expect(replicasForAverage({ ...input, metrics: metrics(900, 900) }, 450).replicas).toBe(4);
  });

  it('leaves out pods that start, end or failed', () => {
    const starting = {
      startTime: formatTime(nowMs - 60_000),
      conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: formatTime(nowMs - 50_000) }],
    };
    const mixed = [pod('p0'), pod('p1', starting), pod('p2', { phase: 'Failed' }), pod('p3', { phase: 'Pending' })];
    const input = { tolerances, nowMs, currentReplicas: 4, pods: mixed, metrics: metrics(1000, 5000, 5000) };
    expect(replicasForUtilization({ ...input, resource: 'cpu' }, 100).replicas).toBe(4);
    expect(replicasForUtilization({ ...input, resource: 'cpu' }, 20).replicas).toBe(5);
    expect(() => replicasForAverage({ ...input, pods: [pod('p9', { phase: 'Pending' })], metrics: new Map() }, 1)).toThrow(
      'did not receive metrics for targeted pods (pods might be unready)',
    );
    expect(() => replicasForAverage({ ...input, pods: [] }, 1)).toThrow('no pods returned by selector');
  });

  it('follows values for all pods, also from none', () => {
    expect(replicasForValue({ pods: pods(2), currentReplicas: 2, tolerances }, 3000, 1000)).toBe(6);
    expect(replicasForValue({ pods: pods(2), currentReplicas: 2, tolerances }, 1050, 1000)).toBe(2);
    expect(replicasForValue({ pods: [], currentReplicas: 0, tolerances }, 2500, 1000)).toBe(3);
    expect(replicasForShare(2, tolerances, 5000, 1000)).toEqual({ replicas: 5, average: 2500 });
  });
});

describe('limits of scaling', () => {
  const behavior = {
    scaleUp: {
      stabilizationWindowSeconds: 60,
      selectPolicy: 'Max',
      policies: [
        { type: 'Pods', value: 2, periodSeconds: 60 },
        { type: 'Percent', value: 50, periodSeconds: 60 },
      ],
    },
    scaleDown: {
      stabilizationWindowSeconds: 0,
      selectPolicy: 'Min',
      policies: [
        { type: 'Pods', value: 4, periodSeconds: 60 },
        { type: 'Percent', value: 10, periodSeconds: 60 },
      ],
    },
  };
  const scale = (history: ScaleHistory, current: number, desired: number, atSeconds: number, rules = behavior) =>
    limitScale({ current, desired, minimum: 1, maximum: 100, behavior: rules, nowMs: atSeconds * 1000 }, history);

  it('waits for a window of wishes before it grows', () => {
    const history = new ScaleHistory();
    history.begin(4, 0);
    expect(scale(history, 4, 6, 15)).toMatchObject({ replicas: 4, ableToScale: { reason: 'ScaleUpStabilized' } });
    expect(scale(history, 4, 6, 61)).toMatchObject({ replicas: 6, ableToScale: { reason: 'ReadyForNewScale' } });
  });

  it('takes the policy that allows most, counting what was done in its period', () => {
    const quick = { ...behavior, scaleUp: { ...behavior.scaleUp, stabilizationWindowSeconds: 0 } };
    const history = new ScaleHistory();
    expect(scale(history, 10, 50, 100, quick)).toMatchObject({
      replicas: 15,
      scalingLimited: { status: 'True', reason: 'ScaleUpLimit' },
    });
    history.scaled(10, 15, 100_000, quick);
    expect(scale(history, 15, 50, 130, quick).replicas).toBe(15);
    expect(scale(history, 15, 50, 161, quick).replicas).toBe(23);
    expect(scale(history, 2, 50, 300, quick).replicas).toBe(4);
  });

  it('takes the policy that allows least where told so, and none when disabled', () => {
    const history = new ScaleHistory();
    expect(scale(history, 20, 1, 100)).toMatchObject({ replicas: 18, scalingLimited: { reason: 'ScaleDownLimit' } });
    expect(scale(history, 100, 1, 200).replicas).toBe(96);
    const disabled = { ...behavior, scaleDown: { ...behavior.scaleDown, selectPolicy: 'Disabled' } };
    expect(scale(history, 20, 1, 300, disabled).replicas).toBe(20);
  });

  it('doubles at most without rules', () => {
    const input = { current: 3, minimum: 1, maximum: 10, behavior: undefined, nowMs: 0 };
    expect(limitScale({ ...input, desired: 9 }, new ScaleHistory())).toMatchObject({
      replicas: 6,
      scalingLimited: { reason: 'ScaleUpLimit' },
    });
    expect(limitScale({ ...input, current: 1, desired: 9 }, new ScaleHistory()).replicas).toBe(4);
    expect(limitScale({ ...input, desired: 0 }, new ScaleHistory())).toMatchObject({
      replicas: 1,
      scalingLimited: { reason: 'TooFewReplicas' },
    });
  });
});
