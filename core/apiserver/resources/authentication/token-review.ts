import type { TokenReview, TokenReviewStatus } from '../../../api/generated/types.js';
import { TokenReviews } from '../../../api/generated/resources.js';
import type { KubeObject } from '../../../machinery/object.js';
import { badRequest, internalError } from '../../../machinery/status-error.js';
import type { AuthenticationOutcome, TokenAuthenticator } from '../../auth/authenticator.js';
import { withAuthenticatedGroup } from '../../auth/user-info.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { userInfoOf } from './self-subject-review.js';

export interface TokenReviewOptions {
  readonly tokens: TokenAuthenticator;
  /** The API server's own audiences, asked for when a review names none. */
  readonly audiences: readonly string[];
}

export function tokenReviewDefinition({ tokens, audiences }: TokenReviewOptions): ResourceDefinition {
  return defineResource<Omit<TokenReview, 'metadata'> & KubeObject>({
    reference: TokenReviews as never,
    verbs: ['create'],
    async evaluate(review, { warn }) {
      const { token } = review.spec;
      if (!token) throw badRequest('token is required for TokenReview in authentication');
      const asked = review.spec.audiences?.length ? review.spec.audiences : audiences;
      const outcome = await tokens.authenticateToken(token, asked);
      if (outcome.kind === 'authenticated') for (const text of outcome.warnings ?? []) warn(text);
      return { ...review, status: statusOf(outcome, asked, audiences) };
    },
  });
}

const unknownToken: TokenReviewStatus = { user: {}, error: 'invalid bearer token' };

function statusOf(outcome: AuthenticationOutcome, asked: readonly string[], own: readonly string[]): TokenReviewStatus {
  if (outcome.kind === 'no-credentials') return unknownToken;
  // Who may review tokens may know why one is not good.
  if (outcome.kind === 'rejected') return { user: {}, error: `[invalid bearer token, ${outcome.reason}]` };
  // A token that knows no audiences is good for those of the API server.
  const granted = outcome.audiences ?? asked.filter(audience => own.includes(audience));
  if (asked.length > 0 && !granted.some(audience => asked.includes(audience))) {
    if (!outcome.audiences) return unknownToken;
    throw internalError(new Error('error validating audiences'));
  }
  return {
    authenticated: true,
    user: userInfoOf(withAuthenticatedGroup(outcome.user)),
    ...(granted.length ? { audiences: [...granted] } : {}),
  };
}
