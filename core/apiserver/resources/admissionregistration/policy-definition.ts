import type { LabelSelector, MatchResources, ParamKind, ParamRef } from '../../../api/generated/types.js';

const staticSuffix = '.static.k8s.io';

/** Of every kind that configures admission: names that upstream keeps for what is read from files. */
export function staticNameWarnings({ metadata: { name = '' } }: { readonly metadata: { readonly name?: string } }): string[] {
  if (!name.endsWith(staticSuffix)) return [];
  const reserved = 'are reserved for static manifest-based configurations and cannot be managed via the API';
  return [`metadata.name: names ending with "${staticSuffix}" ${reserved}`];
}

/** Defaults of `matchConstraints` and `matchResources`. */
export function setMatchDefaults(resources: MatchResources | undefined): void {
  if (!resources) return;
  resources.matchPolicy ??= 'Equivalent';
  resources.namespaceSelector ??= {};
  resources.objectSelector ??= {};
  for (const rule of [...(resources.resourceRules ?? []), ...(resources.excludeResourceRules ?? [])]) rule.scope ??= '*';
}

/** What tables show of the kind of a policy's parameters. */
export function paramKindCell(kind: ParamKind | undefined): string {
  return kind ? `${kind.apiVersion ?? ''}/${kind.kind ?? ''}` : '<unset>';
}

/** What tables show of a binding's parameters. */
export function paramRefCell(ref: ParamRef | undefined): string {
  if (!ref) return '<unset>';
  // Whether it lies in a namespace cannot be told from here.
  if (ref.name) return `${ref.namespace || '*'}/${ref.name}`;
  return ref.selector ? goSelectorText(ref.selector) : '<unset>';
}

/** A selector as Go prints one. */
function goSelectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.keys(matchLabels)
    .sort()
    .map(key => `${key}: ${matchLabels[key]},`)
    .join('');
  const expressions = matchExpressions
    .map(
      ({ key, operator, values = [] }) =>
        `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
    )
    .join('');
  return `&LabelSelector{MatchLabels:map[string]string{${labels}},MatchExpressions:[]LabelSelectorRequirement{${expressions}},}`;
}
