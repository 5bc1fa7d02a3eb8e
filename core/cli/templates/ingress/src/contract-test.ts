import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ingressSuite, startRestartableCluster } from 'k3s-ts/testing';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

/** Every promise of the slot, each on a cluster of its own. */
void describe('template-ingress', () => {
  ingressSuite({ describe, it }, () => startRestartableCluster(['--plugin', packageDirectory]));
});
