import { clusterDnsSuite } from '../cluster-dns-suite.js';
import { startRestartableCluster } from '../restartable-cluster.js';
import type { SlotCheck } from './slot-check.js';

export const checkClusterDns: SlotCheck = ({ descriptor }, { directory, flags, note }) => {
  note(
    'questions went to its listener: the way there from the address of Service kube-dns is the service proxy and was not tried',
  );
  const tellsUpstream = Object.entries(descriptor.flags ?? {}).find(([, { option }]) => option === 'upstream')?.[0];
  if (tellsUpstream === undefined) {
    note('names outside of the cluster were not tried: that takes an option "upstream" (address:port) and a flag for it');
  }
  return Promise.resolve(runner =>
    clusterDnsSuite(
      runner,
      given => {
        const upstream = tellsUpstream === undefined ? [] : [`--${tellsUpstream}`, given.upstream];
        return startRestartableCluster(['--plugin', directory, ...flags, ...upstream, ...given.flags]);
      },
      { asksUpstream: tellsUpstream !== undefined },
    ),
  );
};
