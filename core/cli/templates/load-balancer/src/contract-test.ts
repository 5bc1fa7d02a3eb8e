import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadBalancerSuite, startRestartableCluster } from 'k3s-ts/testing';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

/** Every promise of the slot, each on a cluster of its own. */
void describe('template-load-balancer', () => {
  loadBalancerSuite({ describe, it }, () => startRestartableCluster(['--plugin', packageDirectory]));
});
