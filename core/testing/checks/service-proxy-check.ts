import { hasOwnNetwork } from '../cni-pods.js';
import { serviceProxySuite } from '../service-proxy-suite.js';
import { ownAddress, startServiceProxyUnderTest } from '../service-proxy-under-test.js';
import type { SlotCheck } from './slot-check.js';

export const checkServiceProxy: SlotCheck = async ({ descriptor }, { directory, note }) => {
  const clusterAddresses = hasOwnNetwork();
  if (!clusterAddresses) {
    // Without an address each case could only say so again.
    ownAddress();
    note(
      'only node ports were tried: ClusterIPs are by root in a network namespace of its own (sudo unshare --net k3s plugin check DIR)',
    );
  }
  note('whether Services go on while k3s is stopped was not tried');
  const own = ['--plugin', directory, '--slot', `service-proxy=${descriptor.id}`];
  return runner => serviceProxySuite(runner, () => startServiceProxyUnderTest({ arguments: own }), { clusterAddresses });
};
