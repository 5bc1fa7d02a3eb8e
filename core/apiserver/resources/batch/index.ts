import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { cronJob } from './cron-job.js';
import { job } from './job.js';

export const batchDefinitions: readonly ResourceDefinition[] = [cronJob, job];
