import { AdmissionPlugin } from '../../contracts/admission.js';
import { definePlugin } from '../../plugin-api/descriptor.js';

export const networkPolicyNotice = definePlugin({
  id: 'network-policy-notice',
  slot: 'core',
  contract: 1,
  side: 'server',
  requires: ['apiserver'],
  provides: [AdmissionPlugin],
  summary: 'says that NetworkPolicies are not enforced while no plugin does it',
  load: () => import('./network-policy-notice-module.js'),
});
