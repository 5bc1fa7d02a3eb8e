import { ingressSuite } from '../ingress-suite.js';
import { startRestartableCluster } from '../restartable-cluster.js';
import type { SlotCheck } from './slot-check.js';

export const checkIngress: SlotCheck = (_plugin, { directory, flags, note }) => {
  note('requests went to its listeners: the way there from ports 80 and 443 is the load balancer and was not tried');
  return Promise.resolve(runner => ingressSuite(runner, () => startRestartableCluster(['--plugin', directory, ...flags])));
};
