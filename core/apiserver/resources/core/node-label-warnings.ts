import type { NodeSelectorTerm } from '../../../api/generated/types.js';
import type { FieldPath } from '../../../machinery/field-errors.js';
import { validateLabelValue } from '../../../machinery/names.js';

const deprecated = new Map([
  ['beta.kubernetes.io/arch', 'deprecated since v1.14; use "kubernetes.io/arch" instead'],
  ['beta.kubernetes.io/os', 'deprecated since v1.14; use "kubernetes.io/os" instead'],
  ['failure-domain.beta.kubernetes.io/region', 'deprecated since v1.17; use "topology.kubernetes.io/region" instead'],
  ['failure-domain.beta.kubernetes.io/zone', 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead'],
  ['beta.kubernetes.io/instance-type', 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead'],
  ['app.kubernetes.io/created-by', 'deprecated since v1.9'],
  ['scheduler.alpha.kubernetes.io/preferAvoidPods', 'deprecated since v1.22; use Taints and Tolerations instead'],
  ['node-role.kubernetes.io/master', 'use "node-role.kubernetes.io/control-plane" instead'],
]);

/** What to use instead of a label of nodes. Source: pkg/api/node. */
export function nodeLabelDeprecation(key: string): string | undefined {
  return deprecated.get(key);
}

export function nodeSelectorTermWarnings(term: NodeSelectorTerm, path: FieldPath, checkValues = false): string[] {
  const warnings: string[] = [];
  for (const [index, { key, values }] of (term.matchExpressions ?? []).entries()) {
    const at = path.child('matchExpressions').index(index);
    const text = nodeLabelDeprecation(key);
    if (text) warnings.push(`${at.child('key')}: ${key} is ${text}`);
    if (!checkValues) continue;
    for (const [valueIndex, value] of (values ?? []).entries()) {
      for (const message of validateLabelValue(value)) {
        warnings.push(`${at.child('values').index(valueIndex)}: ${value} is invalid, ${message}`);
      }
    }
  }
  return warnings;
}
