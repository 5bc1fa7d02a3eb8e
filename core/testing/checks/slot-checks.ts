import { checkDatastore } from './datastore-check.js';
import { checkMetrics } from './metrics-check.js';
import { checkScheduler } from './scheduler-check.js';
import type { SlotCheck } from './slot-check.js';

/** By slot. */
export const slotChecks: Readonly<Record<string, SlotCheck>> = {
  datastore: checkDatastore,
  metrics: checkMetrics,
  scheduler: checkScheduler,
};
