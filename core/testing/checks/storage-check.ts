import { storageSuite } from '../storage-suite.js';
import { storageCluster } from '../suite-cluster.js';
import type { SlotCheck } from './slot-check.js';

export const checkStorage: SlotCheck = async ({ descriptor: { id } }, { directory, flags, note }) => {
  note('data was looked at only in volumes that are folders of this machine, and no container mounted one');
  return runner => storageSuite(runner, () => storageCluster({ id, package: directory, arguments: flags }));
};
