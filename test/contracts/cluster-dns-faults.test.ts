import { afterAll, beforeAll } from '@jest/globals';
import { clusterDnsSuite, startRestartableCluster } from '../../core/testing/index.js';
import { describeFaults } from './cluster-faults.js';
import { faults } from './cluster-dns-faults.js';
import { TemplateCopies } from './template-copies.js';

const copies = new TemplateCopies('cluster-dns');
beforeAll(() => copies.make());
afterAll(() => copies.dispose());

describeFaults(
  'cluster DNS',
  faults,
  fault => runner =>
    clusterDnsSuite(
      runner,
      async ({ upstream, flags }) =>
        startRestartableCluster([
          '--plugin',
          await copies.with(faults.find(({ name }) => name === fault)),
          '--template-cluster-dns-upstream',
          upstream,
          ...flags,
        ]),
      { patienceMs: fault === '' ? 10_000 : 5000 },
    ),
);
