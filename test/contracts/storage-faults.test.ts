import { fileURLToPath } from 'node:url';
import { storageCluster, storageSuite } from '../../core/testing/index.js';
import { describeFaults } from './cluster-faults.js';
import { faults } from './storage-faults.js';

const plugin = fileURLToPath(new URL('./storage-faults.js', import.meta.url));

describeFaults(
  'storage',
  faults,
  fault => runner =>
    storageSuite(runner, () => storageCluster({ id: 'faulty-storage', package: plugin, arguments: ['--storage-fault', fault] })),
);
