import { checkClusterDns } from './cluster-dns-check.js';
import { checkCni } from './cni-check.js';
import { checkContainerRuntime } from './container-runtime-check.js';
import { checkDatastore } from './datastore-check.js';
import { checkIngress } from './ingress-check.js';
import { checkLoadBalancer } from './load-balancer-check.js';
import { checkServiceProxy } from './service-proxy-check.js';
import { checkMetrics } from './metrics-check.js';
import { checkScheduler } from './scheduler-check.js';
import { checkStorage } from './storage-check.js';
import type { SlotCheck } from './slot-check.js';

/** By slot. */
export const slotChecks: Readonly<Record<string, SlotCheck>> = {
  'cluster-dns': checkClusterDns,
  cni: checkCni,
  'container-runtime': checkContainerRuntime,
  datastore: checkDatastore,
  ingress: checkIngress,
  'load-balancer': checkLoadBalancer,
  'service-proxy': checkServiceProxy,
  metrics: checkMetrics,
  scheduler: checkScheduler,
  storage: checkStorage,
};
