/** What kinds with a template of pods (apps, batch, ReplicationController, PodTemplate) share. */
export { defaultPodSpec, defaultPodTemplate } from '../../../api/pod-defaults.js';
export { dropDisabledPodFields } from './pod-disabled-fields.js';
export { podTemplateOptions } from './pod-validation-options.js';
export { validatePodSpec } from './pod-spec-validation.js';
export type { LongRunningTemplate } from './pod-template-validation.js';
export { validateLongRunningTemplate, validateMapSelector, validatePodTemplateSpec } from './pod-template-validation.js';
export { podTemplateWarnings } from './pod-warnings.js';
export { validateClaimTemplate } from './claim-spec-validation.js';
