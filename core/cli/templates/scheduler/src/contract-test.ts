import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { schedulerCluster, schedulerSuite } from 'k3s-ts/testing';

const here = fileURLToPath(new URL('..', import.meta.url));

/** Every promise of the slot, each in a new cluster with this package in it. */
void describe('template-scheduler', () => {
  schedulerSuite({ describe, it }, () =>
    schedulerCluster({
      id: 'template-scheduler',
      package: here,
      // What src/fit.ts refuses. Take out what you have built.
      mayRefuse: ['affinity', 'topology', 'volume', 'preemption'],
    }),
  );
});
