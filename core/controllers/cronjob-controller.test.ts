import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CronJobs, Jobs } from '../api/generated/resources.js';
import type { CronJob } from '../api/generated/types.js';
import { controllerOf } from '../api/owners.js';
import { formatTime } from '../api/time.js';
import { cronjobController } from './cronjob-controller.js';
import { ControllerHarness } from './testing/harness.js';

const minute = 60_000;

const cronJob = (spec: object): CronJob =>
  ({
    metadata: { name: 'tick' },
    spec: {
      schedule: '*/5 * * * *',
      timeZone: 'Etc/UTC',
      concurrencyPolicy: 'Allow',
      successfulJobsHistoryLimit: 3,
      failedJobsHistoryLimit: 1,
      jobTemplate: { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } }, spec: { completions: 1, template: {} } },
      ...spec,
    },
  }) as unknown as CronJob;

describe('CronJob controller', () => {
  let harness: ControllerHarness;
  const cronJobs = () => harness.resource(CronJobs);
  const jobs = async () => (await harness.resource(Jobs).objects()).sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const status = async () => (await cronJobs().get('tick')).status;
  const create = async (spec: object = {}) => {
    await cronJobs().create(cronJob(spec));
    await harness.settle();
  };
  const finish = async (name: string, type = 'Complete') => {
    const now = formatTime(harness.clock.now());
    const condition = { type, status: 'True', lastProbeTime: now, lastTransitionTime: now };
    const found = await harness.resource(Jobs).get(name);
    const done = { conditions: [condition], startTime: now, ...(type === 'Complete' ? { completionTime: now } : {}) };
    await harness.resource(Jobs).updateStatus(name, { ...found, status: done });
    await harness.settle();
  };

  beforeEach(async () => {
    harness = new ControllerHarness();
    await harness.start(cronjobController);
  });
  afterEach(() => harness.stop());

  it('starts a job at each time, named by it', async () => {
    await create();
    await harness.advance(4 * minute);
    expect(await jobs()).toHaveLength(0);
    await harness.advance(minute + 100);
    const [job] = await jobs();
    const due = Date.UTC(2026, 0, 1, 0, 5);
    expect(job!.metadata).toMatchObject({
      name: `tick-${due / 60_000}`,
      labels: { a: 'b' },
      annotations: { c: 'd', 'batch.kubernetes.io/cronjob-scheduled-timestamp': '2026-01-01T00:05:00Z' },
    });
    expect(controllerOf(job!)).toMatchObject({ kind: 'CronJob', name: 'tick', apiVersion: 'batch/v1' });
    expect(await status()).toMatchObject({
      lastScheduleTime: '2026-01-01T00:05:00Z',
      active: [{ kind: 'Job', name: job!.metadata.name, uid: job!.metadata.uid, apiVersion: 'batch/v1' }],
    });
    expect(harness.events('SuccessfulCreate')).toEqual([`SuccessfulCreate Created job ${job!.metadata.name}`]);
    await harness.advance(5 * minute);
    expect(await jobs()).toHaveLength(2);
  });

  it('notes the end of jobs and keeps as many as the limits say', async () => {
    await create({ successfulJobsHistoryLimit: 1, failedJobsHistoryLimit: 0 });
    const finishNewest = async (type: string) => {
      await harness.advance(5 * minute + 100);
      await finish((await jobs()).at(-1)!.metadata.name, type);
    };
    await finishNewest('Complete');
    const [first] = await jobs();
    expect((await status()).active).toBeUndefined();
    expect((await status()).lastSuccessfulTime).toBe('2026-01-01T00:05:00Z');
    expect(harness.events('SawCompletedJob')).toEqual([
      `SawCompletedJob Saw completed job: ${first!.metadata.name}, condition: Complete`,
    ]);
    await finishNewest('Failed');
    await finishNewest('Complete');
    expect((await jobs()).map(job => job.metadata.name)).toEqual([`tick-${Date.UTC(2026, 0, 1, 0, 15) / minute}`]);
    expect(first!.metadata.name).not.toBe((await jobs())[0]!.metadata.name);
  });

  it('skips a time while a job runs when that is forbidden', async () => {
    await create({ concurrencyPolicy: 'Forbid' });
    await harness.advance(10 * minute + 200);
    expect(await jobs()).toHaveLength(1);
    expect(harness.events('JobAlreadyActive').length).toBeGreaterThan(0);
    await finish((await jobs())[0]!.metadata.name);
    expect(await jobs()).toHaveLength(2);
  });

  it('replaces the running job', async () => {
    await create({ concurrencyPolicy: 'Replace' });
    await harness.advance(5 * minute + 100);
    const [first] = await jobs();
    await harness.advance(5 * minute);
    const after = await jobs();
    expect(after).toHaveLength(1);
    expect(after[0]!.metadata.name).not.toBe(first!.metadata.name);
    expect((await status()).active).toHaveLength(1);
  });

  it('makes up for the last missed time only, within the deadline', async () => {
    const created = formatTime(harness.clock.now() - 63 * minute);
    await cronJobs().create({ ...cronJob({}), metadata: { name: 'tick', creationTimestamp: created } } as CronJob);
    await harness.settle();
    expect((await jobs()).map(job => job.metadata.name)).toEqual([`tick-${Date.UTC(2026, 0, 1) / minute}`]);
    const late = {
      ...cronJob({ schedule: '58 * * * *', startingDeadlineSeconds: 60 }),
      metadata: { name: 'late', creationTimestamp: created },
    };
    await cronJobs().create(late as CronJob);
    await harness.settle();
    expect(await jobs()).toHaveLength(1);
  });

  it('obeys the time zone', async () => {
    await create({ schedule: '0 9 * * *', timeZone: 'Asia/Tokyo' });
    await harness.advance(24 * 60 * minute + 100);
    const [job] = await jobs();
    expect(job!.metadata.annotations?.['batch.kubernetes.io/cronjob-scheduled-timestamp']).toBe('2026-01-02T09:00:00+09:00');
  });

  it('waits while suspended and says what it cannot read', async () => {
    await create({ suspend: true });
    await harness.advance(11 * minute);
    expect(await jobs()).toHaveLength(0);
    await cronJobs().patch('tick', 'merge', { spec: { suspend: false, schedule: 'nonsense' } });
    await harness.settle();
    expect(harness.events('UnParseableCronJobSchedule')).toEqual([
      'UnParseableCronJobSchedule unparseable schedule for cronjob: nonsense',
    ]);
    await cronJobs().patch('tick', 'merge', { spec: { schedule: '* * * * *' } });
    await harness.advance(minute + 100);
    expect(await jobs()).toHaveLength(1);
  });

  it('forgets active jobs that went missing', async () => {
    await create();
    await harness.advance(5 * minute + 100);
    await harness.resource(Jobs).delete((await jobs())[0]!.metadata.name);
    await harness.settle();
    expect((await status()).active).toBeUndefined();
    expect(harness.events('MissingJob')).toHaveLength(1);
  });
});
