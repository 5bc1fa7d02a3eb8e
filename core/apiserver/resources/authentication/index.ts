import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { selfSubjectReview } from './self-subject-review.js';
import type { TokenReviewOptions } from './token-review.js';
import { tokenReviewDefinition } from './token-review.js';

/** authentication.k8s.io/v1. */
export function authenticationDefinitions(options: TokenReviewOptions): readonly ResourceDefinition[] {
  return [selfSubjectReview, tokenReviewDefinition(options)];
}
