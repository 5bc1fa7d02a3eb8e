import type {
  FieldSelectorRequirement,
  LabelSelectorRequirement,
  NonResourceAttributes,
  ResourceAttributes,
  SubjectAccessReviewStatus,
} from '../../../api/generated/types.js';
import { errorCode } from '../../../base/errors.js';
import type { FieldRequirement } from '../../../machinery/field-selector.js';
import { parseFieldSelector } from '../../../machinery/field-selector.js';
import type { LabelRequirement } from '../../../machinery/label-selector.js';
import { labelSelectorFromObject, parseLabelSelector } from '../../../machinery/label-selector.js';
import type { Authorizer } from '../../auth/authorizer.js';
import { pathAttributes, resourceAttributes } from '../../auth/authorizer.js';
import type { UserInfo } from '../../auth/user-info.js';

/** Requirements that could be read, and whether some could not: the check is then broader, which is safe. */
interface Selected<R> {
  readonly requirements?: readonly R[];
  readonly broken: boolean;
}

/** Asks the authorizer what a review asks. Source: pkg/registry/authorization/util. */
export function reviewStatus(
  authorizer: Authorizer,
  user: UserInfo,
  spec: { readonly resourceAttributes?: ResourceAttributes; readonly nonResourceAttributes?: NonResourceAttributes },
): SubjectAccessReviewStatus {
  const { resourceAttributes: resource, nonResourceAttributes: path } = spec;
  const fields = fieldRequirements(resource);
  const labels = labelRequirements(resource);
  const verdict = authorizer.authorize(
    resource
      ? resourceAttributes({
          user,
          verb: resource.verb ?? '',
          group: resource.group ?? '',
          version: resource.version || '*',
          resource: resource.resource ?? '',
          subresource: resource.subresource ?? '',
          namespace: resource.namespace ?? '',
          name: resource.name ?? '',
          ...(fields.requirements?.length ? { fieldSelector: fields.requirements } : {}),
          ...(labels.requirements?.length ? { labelSelector: labels.requirements } : {}),
        })
      : pathAttributes(user, path?.verb ?? '', path?.path ?? ''),
  );
  const evaluationError = [brokenText('fieldSelector', fields), brokenText('labelSelector', labels)]
    .filter(text => text !== '')
    .join('; ');
  return {
    allowed: verdict.decision === 'allow',
    ...(verdict.decision === 'deny' ? { denied: true } : {}),
    ...(verdict.reason ? { reason: verdict.reason } : {}),
    ...(evaluationError ? { evaluationError } : {}),
  };
}

function brokenText(field: string, selected: Selected<unknown>): string {
  if (!selected.broken) return '';
  const how = selected.requirements?.length ? 'partially ignored' : 'ignored';
  return `spec.resourceAttributes.${field} ${how} due to parse error`;
}

function fieldRequirements(attributes: ResourceAttributes | undefined): Selected<FieldRequirement> {
  const selector = attributes?.fieldSelector;
  if (selector?.requirements?.length) return collect(selector.requirements, fieldRequirement);
  const raw = selector?.rawSelector;
  return raw ? readable(() => parseFieldSelector(raw).requirements) : { broken: false };
}

function labelRequirements(attributes: ResourceAttributes | undefined): Selected<LabelRequirement> {
  const selector = attributes?.labelSelector;
  if (selector?.requirements?.length) return collect(selector.requirements, labelRequirement);
  const raw = selector?.rawSelector;
  return raw ? readable(() => parseLabelSelector(raw).requirements) : { broken: false };
}

/** Field selectors know no more than equality with one value. */
function fieldRequirement({ key, operator, values }: FieldSelectorRequirement): FieldRequirement | undefined {
  if (values?.length !== 1 || (operator !== 'In' && operator !== 'NotIn')) return undefined;
  return { field: key, operator: operator === 'In' ? '=' : '!=', value: values[0]! };
}

function labelRequirement(requirement: LabelSelectorRequirement): LabelRequirement | undefined {
  return readable(() => labelSelectorFromObject({ matchExpressions: [requirement] }).requirements).requirements?.[0];
}

function collect<I, R>(items: readonly I[], convert: (item: I) => R | undefined): Selected<R> {
  const requirements = items.map(convert).filter(requirement => requirement !== undefined);
  return { requirements, broken: requirements.length < items.length };
}

function readable<R>(read: () => readonly R[]): Selected<R> {
  try {
    return { requirements: read(), broken: false };
  } catch (error) {
    if (errorCode(error) !== 'INVALID_SELECTOR') throw error;
    return { broken: true };
  }
}
