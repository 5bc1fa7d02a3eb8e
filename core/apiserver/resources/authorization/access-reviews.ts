import type {
  LocalSubjectAccessReview,
  SelfSubjectAccessReview,
  SubjectAccessReview,
  SubjectAccessReviewSpec,
} from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { LocalSubjectAccessReviews, SelfSubjectAccessReviews, SubjectAccessReviews } from '../../../api/generated/resources.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import type { KubeObject, ObjectMeta } from '../../../machinery/object.js';
import { badRequest, invalid } from '../../../machinery/status-error.js';
import type { Authorizer } from '../../auth/authorizer.js';
import type { UserInfo } from '../../auth/user-info.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { reviewStatus } from './review-attributes.js';
import { hasMetadata, validateReviewSpec } from './review-validation.js';

export function selfSubjectAccessReviewDefinition(authorizer: Authorizer): ResourceDefinition {
  return defineResource<Review<SelfSubjectAccessReview>>({
    reference: SelfSubjectAccessReviews as never,
    verbs: ['create'],
    async evaluate(review, { caller }) {
      const errors = new FieldErrors();
      validateReviewSpec(review.spec, true, errors);
      checkMetadata(review.metadata, errors);
      refuse(errors);
      return { ...review, status: reviewStatus(authorizer, caller, review.spec) };
    },
  });
}

export function subjectAccessReviewDefinition(authorizer: Authorizer): ResourceDefinition {
  return defineResource<Review<SubjectAccessReview>>({
    reference: SubjectAccessReviews as never,
    verbs: ['create'],
    async evaluate(review) {
      const errors = new FieldErrors();
      validateReviewSpec(review.spec, false, errors);
      checkMetadata(review.metadata, errors);
      refuse(errors);
      return { ...review, status: reviewStatus(authorizer, userOf(review.spec), review.spec) };
    },
  });
}

export function localSubjectAccessReviewDefinition(authorizer: Authorizer): ResourceDefinition {
  return defineResource<Review<LocalSubjectAccessReview>>({
    reference: LocalSubjectAccessReviews as never,
    verbs: ['create'],
    async evaluate(review, { namespace }) {
      const errors = new FieldErrors();
      const { spec } = review;
      if (review.metadata.namespace && review.metadata.namespace !== namespace) {
        throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
      }
      review.metadata.namespace = namespace;
      validateReviewSpec(spec, false, errors);
      if (hasMetadata(review.metadata, true)) {
        errors.invalid(
          fieldPath('metadata'),
          internalValue('v1.ObjectMeta', review.metadata),
          'must be empty except for namespace',
        );
      }
      const path = fieldPath('spec');
      const wanted = spec.resourceAttributes?.namespace ?? '';
      if (spec.resourceAttributes && wanted !== namespace) {
        errors.invalid(path.child('resourceAttributes', 'namespace'), wanted, 'must match metadata.namespace');
      }
      if (spec.nonResourceAttributes) {
        const value = internalValue('*authorization.NonResourceAttributes', spec.nonResourceAttributes);
        errors.invalid(path.child('nonResourceAttributes'), value, 'disallowed on this kind of request');
      }
      refuse(errors);
      return { ...review, status: reviewStatus(authorizer, userOf(spec), spec) };
    },
  });
}

/** A review whose metadata counts as that of an object, as the registry has it. */
type Review<R> = Omit<R, 'metadata'> & KubeObject;

function checkMetadata(metadata: ObjectMeta, errors: FieldErrors): void {
  if (hasMetadata(metadata, false))
    errors.invalid(fieldPath('metadata'), internalValue('v1.ObjectMeta', metadata), 'must be empty');
}

/** Upstream's message leaves the kind and the name empty. */
function refuse(errors: FieldErrors): void {
  if (!errors.empty) throw invalid(SubjectAccessReviews.group, '', '', errors);
}

function userOf(spec: SubjectAccessReviewSpec): UserInfo {
  return {
    name: spec.user ?? '',
    groups: spec.groups ?? [],
    ...(spec.uid ? { uid: spec.uid } : {}),
    ...(spec.extra ? { extra: spec.extra } : {}),
  };
}
