import { checkDatastore } from './datastore-check.js';
import { checkIngress } from './ingress-check.js';
import { checkLoadBalancer } from './load-balancer-check.js';
import type { SlotCheck } from './slot-check.js';

/** By slot. */
export const slotChecks: Readonly<Record<string, SlotCheck>> = {
  datastore: checkDatastore,
  ingress: checkIngress,
  'load-balancer': checkLoadBalancer,
};
