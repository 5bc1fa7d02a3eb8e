import type { Authorizer, RuleResolver } from '../../auth/authorizer.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import {
  localSubjectAccessReviewDefinition,
  selfSubjectAccessReviewDefinition,
  subjectAccessReviewDefinition,
} from './access-reviews.js';
import { selfSubjectRulesReviewDefinition } from './rules-review.js';

/** authorization.k8s.io/v1. `resolver` is the RBAC authorizer: the one that can list its rules. */
export function authorizationDefinitions(options: {
  readonly authorizer: Authorizer;
  readonly resolver: RuleResolver;
}): readonly ResourceDefinition[] {
  const { authorizer, resolver } = options;
  return [
    localSubjectAccessReviewDefinition(authorizer),
    selfSubjectAccessReviewDefinition(authorizer),
    selfSubjectRulesReviewDefinition(resolver),
    subjectAccessReviewDefinition(authorizer),
  ];
}
