import { CodedError } from '../base/errors.js';

/** Something that broke while a pod was being scheduled; the pod is tried again. */
export class SchedulerError extends CodedError {
  constructor(message: string, cause?: unknown) {
    super('SCHEDULER_PLUGIN', message, { cause });
  }
}
