import type { Case } from '../replay.js';
import { admissionRegistrationCases } from './admissionregistration.js';
import { apiregistrationCases } from './apiregistration.js';
import { appsCases } from './apps.js';
import { autoscalingCases } from './autoscaling.js';
import { batchCases } from './batch.js';
import { certificatesCases } from './certificates.js';
import { coreCases } from './core.js';
import { customResourceCases } from './custom-resources.js';
import { customRuleCases } from './custom-rules.js';
import { deviceCases } from './devices.js';
import { eventCases } from './events.js';
import { extremeCases } from './extremes.js';
import { flowControlCases } from './flowcontrol.js';
import { httpCases } from './http.js';
import { listCases } from './lists.js';
import { messageCases } from './messages.js';
import { mutatingPolicyCases } from './mutating-policies.js';
import { networkingCases } from './networking.js';
import { rbacCases } from './rbac.js';
import { reviewCases } from './reviews.js';
import { smallKindCases } from './small-kinds.js';
import { storageCases } from './storage.js';

/** By the name of the file that holds what upstream answers. */
export const cases: Readonly<Record<string, readonly Case[]>> = {
  admissionregistration: admissionRegistrationCases,
  apiregistration: apiregistrationCases,
  apps: appsCases,
  autoscaling: autoscalingCases,
  batch: batchCases,
  certificates: certificatesCases,
  core: coreCases,
  'custom-resources': customResourceCases,
  'custom-rules': customRuleCases,
  devices: deviceCases,
  events: eventCases,
  extremes: extremeCases,
  flowcontrol: flowControlCases,
  http: httpCases,
  lists: listCases,
  messages: messageCases,
  'mutating-policies': mutatingPolicyCases,
  networking: networkingCases,
  rbac: rbacCases,
  reviews: reviewCases,
  'small-kinds': smallKindCases,
  storage: storageCases,
};
