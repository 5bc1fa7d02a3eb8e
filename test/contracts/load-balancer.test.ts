import { describe, it } from '@jest/globals';
import { loadBalancerSuite } from '../../core/testing/load-balancer-suite.js';
import { startRestartableCluster } from '../../core/testing/restartable-cluster.js';

describe('servicelb', () => {
  loadBalancerSuite({ describe, it }, () => startRestartableCluster(['--slot', 'load-balancer=servicelb']));
});
