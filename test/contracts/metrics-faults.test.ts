import { fileURLToPath } from 'node:url';
import { metricsCluster, metricsSuite } from '../../core/testing/index.js';
import { describeFaults } from './cluster-faults.js';
import { faults } from './metrics-faults.js';

const fileOf = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));

describeFaults(
  'metrics',
  faults,
  fault => runner =>
    metricsSuite(runner, () =>
      faults.some(({ name, lies }) => name === fault && !lies)
        ? metricsCluster({ id: 'metrics-without-role', package: fileOf('metrics-without-role') })
        : metricsCluster({ id: 'faulty-metrics', package: fileOf('metrics-faults'), arguments: ['--metrics-fault', fault] }),
    ),
);
