import type { Authorizer, RuleResolver } from '../auth/authorizer.js';
import type { ResourceDefinition } from '../registry/resource-definition.js';
import { authenticationDefinitions } from './authentication/index.js';
import type { TokenReviewOptions } from './authentication/token-review.js';
import { authorizationDefinitions } from './authorization/index.js';
import { coordinationDefinitions } from './coordination/index.js';
import { configMap } from './core/config-map.js';
import { namespace } from './core/namespace.js';
import { nodeDefinitions } from './node/index.js';
import { policyDefinitions } from './policy/index.js';
import { rbacDefinitions } from './rbac/index.js';
import type { RoleGuard } from './rbac/rules.js';
import { schedulingDefinitions } from './scheduling/index.js';
import { discoveryDefinitions } from './discovery/index.js';
import { networkingDefinitions } from './networking/index.js';

/** Every resource that is served, one sorted line an entry. What is not here is not in discovery. */
export const resourceDefinitions: readonly ResourceDefinition[] = [
  configMap,
  namespace,
  ...coordinationDefinitions,
  ...discoveryDefinitions,
  ...networkingDefinitions,
  ...nodeDefinitions,
  ...policyDefinitions,
  ...schedulingDefinitions,
];

/** What the resources of `authorityDefinitions` ask. */
export interface ServerAuthorities extends TokenReviewOptions {
  readonly guard: RoleGuard;
  /** The whole one. */
  readonly authorizer: Authorizer;
  /** Who can list a user's rules: the RBAC authorizer. */
  readonly resolver: RuleResolver;
}

/** Resources that ask the server's own authorizers and authenticators; served beside `resourceDefinitions`. */
export function authorityDefinitions(authorities: ServerAuthorities): readonly ResourceDefinition[] {
  return [
    ...authenticationDefinitions(authorities),
    ...authorizationDefinitions(authorities),
    ...rbacDefinitions(authorities.guard),
  ];
}
