import { CodedError } from '../base/errors.js';
import type { CronSchedule } from '../api/cron-schedule.js';
import type { CronJob } from '../api/generated/types.js';
import { parseTime } from '../api/time.js';

/** Added to the next time, so that it is past when the timer fires. */
const lateMs = 100;
const manyMissed = 100;

export interface Due {
  readonly earliestMs: number;
  readonly dueMs: number | undefined;
  readonly missed: 'none' | 'few' | 'many';
}

/**
 * The most recent time that the schedule named and no job was started for. Counts from the last start, the creation or the starting
 * deadline; skips over long gaps by the distance of two times. Source: pkg/controller/cronjob/utils.go.
 */
function mostRecent(cronJob: CronJob, nowMs: number, schedule: CronSchedule, withDeadline: boolean): Due {
  const { startingDeadlineSeconds } = cronJob.spec;
  let earliestMs = parseTime(cronJob.status?.lastScheduleTime) ?? parseTime(cronJob.metadata.creationTimestamp) ?? nowMs;
  if (withDeadline && startingDeadlineSeconds !== undefined) {
    earliestMs = Math.max(earliestMs, nowMs - startingDeadlineSeconds * 1000);
  }
  const first = schedule.next(earliestMs);
  const second = first === undefined ? undefined : schedule.next(first);
  if (first !== undefined && nowMs < first) return { earliestMs, dueMs: undefined, missed: 'none' };
  if (first !== undefined && second !== undefined && nowMs < second) return { earliestMs, dueMs: first, missed: 'none' };
  if (first === undefined || second === undefined || second - first < 1000) {
    throw new CodedError('INVALID_SCHEDULE', 'time difference between two schedules is less than 1 second');
  }
  const distanceMs = Math.round((second - first) / 1000) * 1000;
  const missedCount = Math.floor(Math.floor((nowMs - first) / 1000) / (distanceMs / 1000)) + 1;
  let dueMs: number | undefined;
  const startMs = first + (missedCount - 2) * distanceMs;
  for (let at = schedule.next(startMs); at !== undefined && at <= nowMs; at = schedule.next(at)) dueMs = at;
  return { earliestMs, dueMs, missed: missedCount > manyMissed ? 'many' : 'few' };
}

/** The time whose job is to be started now, if any. Throws INVALID_SCHEDULE for a schedule that names no two times. */
export function findDue(cronJob: CronJob, nowMs: number, schedule: CronSchedule): Due {
  return mostRecent(cronJob, nowMs, schedule, true);
}

/** When to look again: a little after the next time. */
export function nextDueMs(cronJob: CronJob, nowMs: number, schedule: CronSchedule): number {
  let fromMs = nowMs;
  try {
    const { earliestMs, dueMs, missed } = mostRecent(cronJob, nowMs, schedule, false);
    fromMs = dueMs ?? (missed === 'none' ? earliestMs : nowMs);
  } catch {
    // A schedule without two times in sight: from now on is as good as any.
  }
  return (schedule.next(fromMs) ?? fromMs) + lateMs;
}
