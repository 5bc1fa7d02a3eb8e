import type { SelfSubjectRulesReview } from '../../../api/generated/types.js';
import { SelfSubjectRulesReviews } from '../../../api/generated/resources.js';
import type { KubeObject } from '../../../machinery/object.js';
import { badRequest } from '../../../machinery/status-error.js';
import type { RuleResolver } from '../../auth/authorizer.js';
import type { ResourceDefinition } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';

export function selfSubjectRulesReviewDefinition(resolver: RuleResolver): ResourceDefinition {
  return defineResource<Omit<SelfSubjectRulesReview, 'metadata'> & KubeObject>({
    reference: SelfSubjectRulesReviews as never,
    verbs: ['create'],
    async evaluate(review, { caller }) {
      const { namespace } = review.spec;
      if (!namespace) throw badRequest('no namespace on request');
      const rules = resolver.rulesFor(caller, namespace);
      return {
        apiVersion: review.apiVersion,
        kind: review.kind,
        metadata: {},
        spec: {},
        status: {
          resourceRules: rules.resourceRules.map(({ verbs, apiGroups, resources, resourceNames }) => ({
            verbs: [...verbs],
            ...(apiGroups?.length ? { apiGroups: [...apiGroups] } : {}),
            ...(resources?.length ? { resources: [...resources] } : {}),
            ...(resourceNames?.length ? { resourceNames: [...resourceNames] } : {}),
          })),
          nonResourceRules: rules.nonResourceRules.map(({ verbs, nonResourceURLs }) => ({
            verbs: [...verbs],
            ...(nonResourceURLs?.length ? { nonResourceURLs: [...nonResourceURLs] } : {}),
          })),
          incomplete: rules.incomplete,
          ...(rules.evaluationError ? { evaluationError: rules.evaluationError } : {}),
        },
      };
    },
  });
}
