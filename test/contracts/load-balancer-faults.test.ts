import { fileURLToPath } from 'node:url';
import { loadBalancerSuite } from '../../core/testing/load-balancer-suite.js';
import { makeFaults } from './load-balancer-faults.js';
import { describeRestartableFaults } from './restartable-faults.js';

const faultyPlugin = fileURLToPath(new URL('faulty-load-balancer.js', import.meta.url));

describeRestartableFaults({
  slot: 'load balancer',
  faults: makeFaults(),
  flagsFor: async fault => ['--plugin', faultyPlugin, '--fault', fault?.name ?? ''],
  suite: loadBalancerSuite,
});
