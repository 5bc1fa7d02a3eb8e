import { checkDatastore } from './datastore-check.js';
import { checkLoadBalancer } from './load-balancer-check.js';
import type { SlotCheck } from './slot-check.js';

/** By slot. */
export const slotChecks: Readonly<Record<string, SlotCheck>> = {
  datastore: checkDatastore,
  'load-balancer': checkLoadBalancer,
};
