import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Jobs, Pods } from '../api/generated/resources.js';
import type { ContainerStatus, Job, Pod } from '../api/generated/types.js';
import { findCondition } from '../api/objects.js';
import { formatTime } from '../api/time.js';
import { jobController } from './job-controller.js';
import { IndexSet } from './job-indexes.js';
import { ControllerHarness } from './testing/harness.js';
import { PodDriver } from './testing/pods.js';
import { ttlAfterFinishedController } from './ttl-after-finished-controller.js';

const finalizer = 'batch.kubernetes.io/job-tracking';

const job = (spec: object): Job =>
  ({
    metadata: { name: 'work' },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 6,
      selector: { matchLabels: { job: 'work' } },
      template: { metadata: { labels: { job: 'work' } }, spec: { restartPolicy: 'Never', containers: [{ name: 'main' }] } },
      ...spec,
    },
  }) as unknown as Job;

describe('Job controller', () => {
  let harness: ControllerHarness;
  let driver: PodDriver;
  const jobs = () => harness.resource(Jobs);
  const status = async () => (await jobs().get('work')).status;
  const condition = async (type: string) => findCondition((await status()).conditions, type);
  /** Past the time in which changes of pods are gathered. */
  const step = () => harness.advance(150);
  const create = async (spec: object = {}) => {
    await jobs().create(job(spec));
    await step();
  };
  const living = async () =>
    (await driver.pods()).filter(
      pod => pod.status.phase !== 'Succeeded' && pod.status.phase !== 'Failed' && !pod.metadata.deletionTimestamp,
    );
  const finishAll = async (exitCode = 0) => {
    await driver.run();
    for (const pod of await living()) await driver.finish(pod.metadata.name, exitCode);
    await step();
  };
  const indexes = async (pods: Pod[]) =>
    pods.map(pod => Number(pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'])).sort((a, b) => a - b);

  beforeEach(async () => {
    harness = new ControllerHarness();
    driver = new PodDriver(harness);
    await harness.start(jobController);
  });
  afterEach(() => harness.stop());

  it('runs a pod to completion and lets it go only when it is counted', async () => {
    await create();
    const [pod] = await driver.pods();
    expect(pod!.metadata).toMatchObject({ generateName: 'work-', finalizers: [finalizer] });
    expect(await status()).toMatchObject({ active: 1, ready: 0, terminating: 0, startTime: '2026-01-01T00:00:00Z' });
    await driver.run();
    await step();
    expect(await status()).toMatchObject({ active: 1, ready: 1 });
    await finishAll();
    const done = await status();
    expect(done).toMatchObject({ succeeded: 1, ready: 0, terminating: 0, uncountedTerminatedPods: {} });
    expect(done.completionTime).toBeDefined();
    expect(done.conditions?.map(({ type, status: value, reason }) => [type, value, reason])).toEqual([
      ['SuccessCriteriaMet', 'True', 'CompletionsReached'],
      ['Complete', 'True', 'CompletionsReached'],
    ]);
    expect((await driver.pods())[0]!.metadata.finalizers ?? []).toEqual([]);
    expect(harness.events('Completed')).toEqual(['Completed Job completed']);
  });

  it('keeps the count when its write fails midway', async () => {
    await create({ completions: 2, parallelism: 2 });
    let fail = true;
    harness.transport.reactors.push(action => {
      if (fail && action.verb === 'patch' && action.caller.startsWith('system:serviceaccount:')) throw new Error('lost');
    });
    await finishAll();
    expect((await status()).uncountedTerminatedPods?.succeeded).toHaveLength(2);
    expect((await status()).succeeded).toBeUndefined();
    fail = false;
    await harness.advance(60_000);
    expect(await status()).toMatchObject({ succeeded: 2, uncountedTerminatedPods: {} });
    expect(await condition('Complete')).toMatchObject({ status: 'True' });
  });

  it('runs as many at a time as parallelism says, until enough succeeded', async () => {
    await create({ completions: 5, parallelism: 2 });
    expect(await living()).toHaveLength(2);
    await finishAll();
    expect(await living()).toHaveLength(2);
    await finishAll();
    expect(await living()).toHaveLength(1);
    await finishAll();
    expect(await status()).toMatchObject({ succeeded: 5 });
    expect(await condition('Complete')).toMatchObject({ status: 'True' });
  });

  it('removes surplus pods without counting them as failures', async () => {
    await create({ completions: 5, parallelism: 3 });
    await jobs().patch('work', 'merge', { spec: { parallelism: 1 } });
    await step();
    expect(await living()).toHaveLength(1);
    expect((await status()).failed).toBeUndefined();
  });

  it('works until one success without completions', async () => {
    await create({ completions: undefined, parallelism: 2 });
    const [first, second] = await driver.names();
    await driver.run();
    await driver.finish(first!);
    await step();
    expect(await living()).toHaveLength(1);
    expect(await condition('Complete')).toBeUndefined();
    await driver.finish(second!);
    await step();
    expect(await condition('Complete')).toMatchObject({ status: 'True' });
  });

  it('waits longer after each failure and gives up at the limit', async () => {
    await create({ backoffLimit: 2 });
    await finishAll(1);
    expect(await living()).toHaveLength(0);
    await harness.advance(10_000);
    expect(await living()).toHaveLength(1);
    await finishAll(1);
    await harness.advance(15_000);
    expect(await living()).toHaveLength(0);
    await harness.advance(5000);
    expect(await living()).toHaveLength(1);
    await finishAll(1);
    expect(await status()).toMatchObject({ failed: 3 });
    expect(await condition('FailureTarget')).toMatchObject({ status: 'True', reason: 'BackoffLimitExceeded' });
    expect(await condition('Failed')).toMatchObject({
      reason: 'BackoffLimitExceeded',
      message: 'Job has reached the specified backoff limit',
    });
    expect(harness.events('BackoffLimitExceeded')).toHaveLength(1);
  });

  it('ends at the deadline and says so only when the pods are gone', async () => {
    await create({ activeDeadlineSeconds: 30, parallelism: 2, completions: 2 });
    await driver.run();
    await harness.advance(30_000);
    expect(await living()).toHaveLength(0);
    expect(await condition('FailureTarget')).toMatchObject({ status: 'True', reason: 'DeadlineExceeded' });
    expect(await condition('Failed')).toBeUndefined();
    await driver.reap();
    await step();
    expect(await condition('Failed')).toMatchObject({ status: 'True', reason: 'DeadlineExceeded' });
  });

  it('suspends and resumes', async () => {
    await create({ suspend: true });
    expect(await driver.pods()).toHaveLength(0);
    expect(await condition('Suspended')).toMatchObject({ status: 'True', reason: 'JobSuspended' });
    await jobs().patch('work', 'merge', { spec: { suspend: false } });
    await step();
    expect(await living()).toHaveLength(1);
    expect(await condition('Suspended')).toMatchObject({ status: 'False', reason: 'JobResumed' });
    await driver.run();
    await jobs().patch('work', 'merge', { spec: { suspend: true } });
    await step();
    expect(await living()).toHaveLength(0);
    const suspended = await status();
    expect(suspended.startTime).toBeUndefined();
    expect(suspended.failed).toBeUndefined();
    expect(harness.events().filter(text => /^(Suspended|Resumed)/.test(text))).toEqual([
      'Suspended Job suspended',
      'Resumed Job resumed',
      'Suspended Job suspended',
    ]);
  });

  describe('Indexed', () => {
    const indexed = (spec: object = {}) => create({ completionMode: 'Indexed', completions: 3, parallelism: 3, ...spec });
    const podOf = async (index: number) =>
      (await living()).find(pod => pod.metadata.annotations?.['batch.kubernetes.io/job-completion-index'] === String(index))!;

    it('gives every pod an index and remembers which succeeded', async () => {
      await indexed({ completions: 4, parallelism: 2 });
      const pods = await driver.pods();
      expect(await indexes(pods)).toEqual([0, 1]);
      expect(pods[0]!.metadata).toMatchObject({
        generateName: 'work-0-',
        labels: { 'batch.kubernetes.io/job-completion-index': '0' },
      });
      expect(pods[0]!.spec.hostname).toBe('work-0');
      expect(pods[0]!.spec.containers[0]!.env).toEqual([
        {
          name: 'JOB_COMPLETION_INDEX',
          valueFrom: { fieldRef: { fieldPath: "metadata.labels['batch.kubernetes.io/job-completion-index']" } },
        },
      ]);
      await driver.run();
      await driver.finish((await podOf(1)).metadata.name);
      await step();
      expect(await status()).toMatchObject({ completedIndexes: '1', succeeded: 1 });
      expect(await indexes(await living())).toEqual([0, 2]);
      await finishAll();
      await finishAll();
      expect(await status()).toMatchObject({ completedIndexes: '0-3', succeeded: 4 });
      expect(await condition('Complete')).toMatchObject({ status: 'True' });
    });

    it('counts failures per index', async () => {
      await indexed({ backoffLimitPerIndex: 1, backoffLimit: 2 ** 31 - 1 });
      await driver.run();
      await driver.finish((await podOf(0)).metadata.name);
      await driver.finish((await podOf(1)).metadata.name, 1);
      await driver.finish((await podOf(2)).metadata.name);
      await step();
      expect(await living()).toHaveLength(0);
      await harness.advance(10_000);
      const again = await podOf(1);
      expect(again.metadata.annotations).toMatchObject({ 'batch.kubernetes.io/job-index-failure-count': '1' });
      await driver.run();
      await driver.finish(again.metadata.name, 1);
      await step();
      expect(await status()).toMatchObject({ completedIndexes: '0,2', failedIndexes: '1', failed: 2 });
      expect(await condition('Failed')).toMatchObject({ reason: 'FailedIndexes', message: 'Job has failed indexes' });
    });

    it('ends early by the success policy', async () => {
      await indexed({ successPolicy: { rules: [{ succeededIndexes: '0-1', succeededCount: 1 }] } });
      await driver.run();
      await driver.finish((await podOf(1)).metadata.name);
      await step();
      expect(await living()).toHaveLength(0);
      expect(await condition('SuccessCriteriaMet')).toMatchObject({
        reason: 'SuccessPolicy',
        message: 'Matched rules at index 0',
      });
      await driver.reap();
      await step();
      expect(await condition('Complete')).toMatchObject({ status: 'True', reason: 'SuccessPolicy' });
      expect((await status()).failed).toBeUndefined();
    });
  });

  describe('pod failure policy', () => {
    const exit = (action: string, values: number[]) => ({ action, onExitCodes: { operator: 'In', values } });

    it('fails the job, ignores or counts by exit code and condition', async () => {
      const rules = [
        exit('FailJob', [42]),
        { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
      ];
      await create({ podFailurePolicy: { rules }, backoffLimit: 0, parallelism: 1 });
      const [first] = await driver.names();
      await driver.run();
      const disrupted = { type: 'DisruptionTarget', status: 'True', lastProbeTime: null, lastTransitionTime: null };
      await driver.finish(first!, 137, { conditions: [disrupted] });
      await step();
      await harness.advance(10_000);
      expect((await status()).failed).toBeUndefined();
      const [second] = await living();
      await driver.run();
      await driver.finish(second!.metadata.name, 42);
      await step();
      expect(await condition('Failed')).toMatchObject({
        reason: 'PodFailurePolicy',
        message: `Container main for pod default/${second!.metadata.name} failed with exit code 42 matching FailJob rule at index 0`,
      });
      expect(await status()).toMatchObject({ failed: 1 });
    });
  });

  it('counts restarts in place when they are what the template asks for', async () => {
    await create({
      backoffLimit: 1,
      template: { ...job({}).spec.template, spec: { restartPolicy: 'OnFailure', containers: [{ name: 'main' }] } },
    });
    const [name] = await driver.names();
    await driver.run();
    const restarted = { name: 'main', restartCount: 1, state: {}, ready: false } as unknown as ContainerStatus;
    await driver.setStatus(name!, { ...driver.readyStatus(), containerStatuses: [restarted] });
    await step();
    expect(await condition('FailureTarget')).toMatchObject({ reason: 'BackoffLimitExceeded' });
  });

  it('frees pods whose job is gone', async () => {
    await create();
    const [name] = await driver.names();
    await driver.run();
    await jobs().delete('work');
    await harness.settle();
    await harness.resource(Pods).delete(name!);
    await harness.settle();
    expect((await harness.resource(Pods).get(name!)).metadata.finalizers ?? []).toEqual([]);
  });

  it('leaves jobs of other managers alone', async () => {
    await create({ managedBy: 'example.com/queue' });
    expect(await driver.pods()).toHaveLength(0);
  });

  it('removes finished jobs after their time to live', async () => {
    await harness.start(ttlAfterFinishedController);
    await create({ ttlSecondsAfterFinished: 60 });
    await finishAll();
    expect(await condition('Complete')).toMatchObject({ lastTransitionTime: formatTime(harness.clock.now() - 200) });
    await harness.advance(59_000);
    expect((await jobs().get('work')).metadata.deletionTimestamp).toBeUndefined();
    await harness.advance(1000);
    expect((await jobs().get('work')).metadata.deletionTimestamp).toBeDefined();
  });
});

describe('IndexSet', () => {
  it('reads, joins and writes intervals', () => {
    expect(IndexSet.parse('1,3-5,7-9', 8).toString()).toBe('1,3-5,7');
    expect(IndexSet.of([5, 1, 2, 9, 3, 8]).toString()).toBe('1-3,5,8,9');
    expect(
      IndexSet.parse('0-2', 10)
        .with(IndexSet.of([3, 6]))
        .toString(),
    ).toBe('0-3,6');
    expect(IndexSet.parse('broken,2', 10).toString()).toBe('2');
  });

  it('finds what is in it and what is missing', () => {
    const set = IndexSet.parse('0,2-4', 10);
    expect([0, 1, 2, 4, 5].map(index => set.has(index))).toEqual([true, false, true, true, false]);
    expect(set.firstMissing(3, 7)).toEqual([1, 5, 6]);
    expect(set.firstMissing(9, 7)).toEqual([1, 5, 6]);
    expect(set.overlap(IndexSet.parse('1-3', 10))).toBe(2);
  });
});
