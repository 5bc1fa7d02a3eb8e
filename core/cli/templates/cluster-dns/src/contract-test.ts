import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { clusterDnsSuite, startRestartableCluster } from 'k3s-ts/testing';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

/** Every promise of the slot, each on a cluster of its own. */
void describe('template-cluster-dns', () => {
  clusterDnsSuite({ describe, it }, ({ upstream, flags }) =>
    startRestartableCluster(['--plugin', packageDirectory, '--template-cluster-dns-upstream', upstream, ...flags]),
  );
});
