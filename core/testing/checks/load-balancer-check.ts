import { loadBalancerSuite } from '../load-balancer-suite.js';
import { startRestartableCluster } from '../restartable-cluster.js';
import type { SlotCheck } from './slot-check.js';

export const checkLoadBalancer: SlotCheck = (_plugin, { directory, flags, note }) => {
  note('a sandbox has no packets: whether Services answer on their addresses was not tried');
  return Promise.resolve(runner => loadBalancerSuite(runner, () => startRestartableCluster(['--plugin', directory, ...flags])));
};
