import { checkCni } from './cni-check.js';
import { checkContainerRuntime } from './container-runtime-check.js';
import { checkDatastore } from './datastore-check.js';
import { checkLoadBalancer } from './load-balancer-check.js';
import type { SlotCheck } from './slot-check.js';

/** By slot. */
export const slotChecks: Readonly<Record<string, SlotCheck>> = {
  cni: checkCni,
  'container-runtime': checkContainerRuntime,
  datastore: checkDatastore,
  'load-balancer': checkLoadBalancer,
};
