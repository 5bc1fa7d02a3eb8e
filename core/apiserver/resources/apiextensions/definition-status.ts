import type { CustomResourceDefinition, CustomResourceDefinitionCondition } from '../../../api/generated/types.js';

export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io';

export type Condition = Pick<CustomResourceDefinitionCondition, 'type' | 'status' | 'reason' | 'message'>;

export function hasCleanup({ metadata }: Readonly<CustomResourceDefinition>): boolean {
  return metadata.finalizers?.includes(cleanupFinalizer) ?? false;
}

export function withCleanup(finalizers: readonly string[] = []): string[] {
  return finalizers.includes(cleanupFinalizer) ? [...finalizers] : [...finalizers, cleanupFinalizer];
}

export function conditionOf(
  { status }: Readonly<CustomResourceDefinition>,
  type: string,
): Readonly<CustomResourceDefinitionCondition> | undefined {
  return status?.conditions?.find(condition => condition.type === type);
}

export function isConditionTrue(definition: Readonly<CustomResourceDefinition>, type: string): boolean {
  return conditionOf(definition, type)?.status === 'True';
}

/** Its time is that of the last change of its status. In place. */
export function setCondition(definition: CustomResourceDefinition, condition: Condition, now: string): void {
  const conditions = (definition.status.conditions ??= []);
  const known = conditions.find(({ type }) => type === condition.type);
  if (!known) {
    conditions.push({ ...condition, lastTransitionTime: now });
    return;
  }
  if (known.status !== condition.status || !known.lastTransitionTime) known.lastTransitionTime = now;
  Object.assign(known, condition);
}

export function removeCondition({ status }: CustomResourceDefinition, type: string): void {
  status.conditions = status.conditions?.filter(condition => condition.type !== type) ?? [];
}

export function sameCondition(a: Condition | undefined, b: Condition | undefined): boolean {
  if (!a || !b) return a === b;
  return (
    a.type === b.type && a.status === b.status && (a.reason ?? '') === (b.reason ?? '') && (a.message ?? '') === (b.message ?? '')
  );
}

const approvedAnnotation = 'api-approved.kubernetes.io';

export type ApprovalState = 'invalid' | 'missing' | 'approved' | 'bypassed';

export interface Approval {
  readonly state: ApprovalState;
  readonly reason: string;
  readonly annotation: string;
}

/** Of groups that belong to the community; undefined for all others. Source: apiextensions-apiserver pkg/apihelpers. */
export function approvalOf({ metadata, spec }: Readonly<CustomResourceDefinition>): Approval | undefined {
  if (!/(^|\.)(k8s|kubernetes)\.io$/.test(spec.group)) return undefined;
  const annotation = metadata.annotations?.[approvedAnnotation] ?? '';
  const must = `protected groups must have approval annotation "${approvedAnnotation}"`;
  const see = 'see https://github.com/kubernetes/enhancements/pull/1111';
  if (annotation === '') return { state: 'missing', reason: `${must}, ${see}`, annotation };
  if (annotation.startsWith('unapproved')) {
    return { state: 'bypassed', reason: `not approved: ${JSON.stringify(annotation)}`, annotation };
  }
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/?#]+/i.test(annotation)) {
    return { state: 'approved', reason: `approved in ${annotation}`, annotation };
  }
  return { state: 'invalid', reason: `${must} with either a URL or a reason starting with "unapproved", ${see}`, annotation };
}
