import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { metricsCluster, metricsSuite } from 'k3s-ts/testing';

const here = fileURLToPath(new URL('..', import.meta.url));

/** Every promise of the slot, each in a new cluster with this package in it and a clock that the suite moves. */
void describe('template-metrics', () => {
  metricsSuite({ describe, it }, () => metricsCluster({ id: 'template-metrics', package: here }));
});
