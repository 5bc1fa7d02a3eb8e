import { checkContainerRuntime } from './container-runtime-check.js';
import { checkDatastore } from './datastore-check.js';
import type { SlotCheck } from './slot-check.js';

/** By slot. */
export const slotChecks: Readonly<Record<string, SlotCheck>> = {
  'container-runtime': checkContainerRuntime,
  datastore: checkDatastore,
};
