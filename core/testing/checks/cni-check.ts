import { hasOwnNetwork } from '../cni-pods.js';
import { cniSuite } from '../cni-suite.js';
import { startCniUnderTest } from '../cni-under-test.js';
import type { SlotCheck } from './slot-check.js';

export const checkCni: SlotCheck = async ({ descriptor }, { directory, note }) => {
  const pods = hasOwnNetwork();
  if (!pods) {
    note('no pod was wired: that is tried by root in a network namespace of its own (sudo unshare --net k3s plugin check DIR)');
  }
  return runner =>
    cniSuite(runner, () => startCniUnderTest({ arguments: ['--plugin', directory, '--slot', `cni=${descriptor.id}`] }), { pods });
};
