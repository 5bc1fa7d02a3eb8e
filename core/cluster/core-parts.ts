import type { PartDescriptor } from '../plugin-api/descriptor.js';
import { apiserver } from './parts/apiserver.js';
import { controllers } from './parts/controllers.js';
import { dataplane } from './parts/dataplane.js';
import { defaultScheduler } from './parts/default-scheduler.js';
import { kubelet } from './parts/kubelet.js';
import { manifests } from './parts/manifests.js';
import { networkPolicyNotice } from './parts/network-policy-notice.js';

/** The parts of the core itself, one sorted line an entry. */
export const coreParts: readonly PartDescriptor[] = [
  apiserver,
  controllers,
  dataplane,
  defaultScheduler,
  kubelet,
  manifests,
  networkPolicyNotice,
];
