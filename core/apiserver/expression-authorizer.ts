import type {
  AuthorizationDecision,
  AuthorizationSubject,
  ExpressionAuthorizer,
  PathQuestion,
  ResourceQuestion,
} from '../machinery/cel/libraries/authorizer.js';
import type { Attributes, Authorizer } from './auth/authorizer.js';
import { pathAttributes, resourceAttributes } from './auth/authorizer.js';
import type { UserInfo } from './auth/user-info.js';
import { serviceAccountGroups, serviceAccountUsername } from './auth/user-info.js';

/** Answers an expression's `authorizer` for the user of a request. Source: apiserver pkg/cel/library/authz.go. */
export class UserExpressionAuthorizer implements ExpressionAuthorizer {
  readonly #authorizer: Authorizer;
  readonly #user: UserInfo;

  constructor(authorizer: Authorizer, user: UserInfo) {
    this.#authorizer = authorizer;
    this.#user = user;
  }

  checkResource({ subject, fieldSelector, labelSelector, ...asked }: ResourceQuestion): AuthorizationDecision {
    return this.#decide(
      resourceAttributes({
        ...asked,
        user: this.#userOf(subject),
        version: '*',
        // An unreadable selector narrows nothing, so it can't allow more.
        ...(fieldSelector && !(fieldSelector instanceof Error) ? { fieldSelector } : {}),
        ...(labelSelector && !(labelSelector instanceof Error) ? { labelSelector: labelSelector.requirements } : {}),
      }),
    );
  }

  checkPath({ subject, verb, path }: PathQuestion): AuthorizationDecision {
    return this.#decide(pathAttributes(this.#userOf(subject), verb, path));
  }

  #decide(attributes: Attributes): AuthorizationDecision {
    const { decision, reason } = this.#authorizer.authorize(attributes);
    return { allowed: decision === 'allow', reason };
  }

  #userOf(subject: AuthorizationSubject): UserInfo {
    if (subject === 'request') return this.#user;
    const { namespace, name } = subject.serviceAccount;
    return { name: serviceAccountUsername(namespace, name), groups: serviceAccountGroups(namespace) };
  }
}
