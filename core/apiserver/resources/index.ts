import type { Authorizer, RuleResolver } from '../auth/authorizer.js';
import type { ResourceDefinition } from '../registry/resource-definition.js';
import type { AdmissionRegistrationOptions } from './admissionregistration/index.js';
import { admissionRegistrationDefinitions } from './admissionregistration/index.js';
import type { DefinitionOptions } from './apiextensions/custom-resource-definition.js';
import { apiextensionsDefinitions } from './apiextensions/index.js';
import { apiregistrationDefinitions } from './apiregistration/index.js';
import { appsDefinitions } from './apps/index.js';
import { authenticationDefinitions } from './authentication/index.js';
import type { TokenReviewOptions } from './authentication/token-review.js';
import { authorizationDefinitions } from './authorization/index.js';
import { autoscalingDefinitions } from './autoscaling/index.js';
import { batchDefinitions } from './batch/index.js';
import { certificatesDefinitions } from './certificates/index.js';
import { coordinationDefinitions } from './coordination/index.js';
import type { CoreResourceOptions } from './core/index.js';
import { coreDefinitions } from './core/index.js';
import { discoveryDefinitions } from './discovery/index.js';
import { eventsDefinitions } from './events/index.js';
import { flowControlDefinitions } from './flowcontrol/index.js';
import { networkingDefinitions } from './networking/index.js';
import { nodeDefinitions } from './node/index.js';
import { policyDefinitions } from './policy/index.js';
import { rbacDefinitions } from './rbac/index.js';
import type { RoleGuard } from './rbac/rules.js';
import { resourceGroupDefinitions } from './resource/index.js';
import { schedulingDefinitions } from './scheduling/index.js';
import { storageDefinitions } from './storage/index.js';

/** What resources need from other parts of the server. */
export interface ResourceOptions
  extends AdmissionRegistrationOptions, CoreResourceOptions, DefinitionOptions, TokenReviewOptions {
  readonly guard: RoleGuard;
  /** The whole one. */
  readonly authorizer: Authorizer;
  /** Who can list a user's rules: the RBAC authorizer. */
  readonly resolver: RuleResolver;
}

/** Every resource that is served, one sorted line a group. What is not here is not in discovery. */
export function resourceDefinitions(options: ResourceOptions): readonly ResourceDefinition[] {
  return [
    ...admissionRegistrationDefinitions(options),
    ...apiextensionsDefinitions(options),
    ...apiregistrationDefinitions,
    ...appsDefinitions,
    ...authenticationDefinitions(options),
    ...authorizationDefinitions(options),
    ...autoscalingDefinitions,
    ...batchDefinitions,
    ...certificatesDefinitions,
    ...coordinationDefinitions,
    ...coreDefinitions(options),
    ...discoveryDefinitions,
    ...eventsDefinitions,
    ...flowControlDefinitions,
    ...networkingDefinitions,
    ...nodeDefinitions,
    ...policyDefinitions,
    ...rbacDefinitions(options.guard),
    ...resourceGroupDefinitions(options.authorizer),
    ...schedulingDefinitions,
    ...storageDefinitions,
  ];
}
