import type { Job, JobCondition } from './generated/types.js';

/** The condition that ended the job: Complete or Failed. */
export function finishedCondition(job: Job): JobCondition | undefined {
  return job.status?.conditions?.find(({ type, status }) => (type === 'Complete' || type === 'Failed') && status === 'True');
}

export function isJobFinished(job: Job): boolean {
  return finishedCondition(job) !== undefined;
}
