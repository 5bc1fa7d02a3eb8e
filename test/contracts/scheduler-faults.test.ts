import { fileURLToPath } from 'node:url';
import { schedulerCluster, schedulerSuite } from '../../core/testing/index.js';
import { describeFaults } from './cluster-faults.js';
import { faults } from './scheduler-faults.js';

const plugin = fileURLToPath(new URL('./scheduler-faults.js', import.meta.url));

describeFaults(
  'scheduler',
  faults,
  fault => runner =>
    schedulerSuite(runner, () =>
      schedulerCluster({ id: 'faulty-scheduler', package: plugin, arguments: ['--scheduler-fault', fault] }),
    ),
);
