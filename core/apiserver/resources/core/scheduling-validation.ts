import type {
  Affinity,
  LabelSelector,
  NodeAffinity,
  NodeSelector,
  NodeSelectorRequirement,
  NodeSelectorTerm,
  PodAffinityTerm,
  Toleration,
  TopologySpreadConstraint,
} from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { emptyError, nameIsDnsSubdomain, validateLabelValue } from '../../../machinery/names.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import { addInvalid, namespaceName, positive, qualifiedName, supported } from './checks.js';
import type { PodValidationOptions } from './pod-validation-options.js';

export const taintEffects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function validateAffinity(
  affinity: Affinity | undefined,
  path: FieldPath,
  errors: FieldErrors,
  options: PodValidationOptions,
): void {
  if (!affinity) return;
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity;
  if (nodeAffinity) validateNodeAffinity(nodeAffinity, path.child('nodeAffinity'), errors, options);
  for (const [field, terms] of [
    ['podAffinity', podAffinity],
    ['podAntiAffinity', podAntiAffinity],
  ] as const) {
    if (!terms) continue;
    const required = path.child(field, 'requiredDuringSchedulingIgnoredDuringExecution');
    const allow = options.invalidSelectorValues;
    terms.requiredDuringSchedulingIgnoredDuringExecution?.forEach((term, index) => {
      validatePodAffinityTerm(term, required.index(index), errors, allow);
    });
    const preferred = path.child(field, 'preferredDuringSchedulingIgnoredDuringExecution');
    terms.preferredDuringSchedulingIgnoredDuringExecution?.forEach(({ weight, podAffinityTerm }, index) => {
      validateWeight(weight, preferred.index(index).child('weight'), errors);
      validatePodAffinityTerm(podAffinityTerm, preferred.index(index).child('podAffinityTerm'), errors, allow);
    });
  }
}

function validateWeight(weight: number, path: FieldPath, errors: FieldErrors): void {
  if (weight <= 0 || weight > 100) errors.invalid(path, weight, 'must be in the range 1-100');
}

function validateNodeAffinity(affinity: NodeAffinity, path: FieldPath, errors: FieldErrors, options: PodValidationOptions): void {
  const required = affinity.requiredDuringSchedulingIgnoredDuringExecution;
  const requiredPath = path.child('requiredDuringSchedulingIgnoredDuringExecution');
  if (required) validateNodeSelector(required, requiredPath, errors, options.invalidNodeAffinityValues);
  const preferredPath = path.child('preferredDuringSchedulingIgnoredDuringExecution');
  affinity.preferredDuringSchedulingIgnoredDuringExecution?.forEach(({ weight, preference }, index) => {
    validateWeight(weight, preferredPath.index(index).child('weight'), errors);
    validateNodeSelectorTerm(preference, preferredPath.index(index).child('preference'), errors, true);
  });
}

/** Source: ValidateNodeSelector. */
export function validateNodeSelector(
  selector: NodeSelector,
  path: FieldPath,
  errors: FieldErrors,
  allowInvalidValues: boolean,
): void {
  const terms = path.child('nodeSelectorTerms');
  if (!selector.nodeSelectorTerms?.length) errors.required(terms, 'must have at least one node selector term');
  selector.nodeSelectorTerms?.forEach((term, index) =>
    validateNodeSelectorTerm(term, terms.index(index), errors, allowInvalidValues),
  );
}

function validateNodeSelectorTerm(
  term: NodeSelectorTerm,
  path: FieldPath,
  errors: FieldErrors,
  allowInvalidValues: boolean,
): void {
  term.matchExpressions?.forEach((requirement, index) => {
    validateNodeRequirement(requirement, path.child('matchExpressions').index(index), errors, allowInvalidValues);
  });
  term.matchFields?.forEach((requirement, index) => {
    validateNodeFieldRequirement(requirement, path.child('matchFields').index(index), errors);
  });
}

function validateNodeRequirement(
  { key, operator, values = [] }: NodeSelectorRequirement,
  path: FieldPath,
  errors: FieldErrors,
  allowInvalidValues: boolean,
): void {
  const at = path.child('values');
  if (operator === 'In' || operator === 'NotIn') {
    if (!values.length) errors.required(at, "must be specified when `operator` is 'In' or 'NotIn'");
  } else if (operator === 'Exists' || operator === 'DoesNotExist') {
    if (values.length) errors.forbidden(at, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
  } else if (operator === 'Gt' || operator === 'Lt') {
    if (values.length !== 1) errors.required(at, "must be specified single value when `operator` is 'Lt' or 'Gt'");
  } else errors.invalid(path.child('operator'), operator, 'not a valid selector operator');
  qualifiedName(errors, path.child('key'), key);
  if (!allowInvalidValues)
    values.forEach((value, index) => addInvalid(errors, at.index(index), value, validateLabelValue(value)));
}

function validateNodeFieldRequirement(
  { key, operator, values = [] }: NodeSelectorRequirement,
  path: FieldPath,
  errors: FieldErrors,
): void {
  if (operator !== 'In' && operator !== 'NotIn')
    errors.invalid(path.child('operator'), operator, 'not a valid selector operator');
  else if (values.length !== 1) {
    errors.required(path.child('values'), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector");
  }
  if (key !== 'metadata.name') return errors.invalid(path.child('key'), key, 'not a valid field selector key');
  values.forEach((value, index) =>
    addInvalid(errors, path.child('values').index(index), value, nameIsDnsSubdomain(value, false)),
  );
}

function validatePodAffinityTerm(term: PodAffinityTerm, path: FieldPath, errors: FieldErrors, allowInvalidValues: boolean): void {
  const { labelSelector, namespaceSelector, matchLabelKeys, mismatchLabelKeys, topologyKey } = term;
  validateLabelSelector(labelSelector, path.child('labelSelector'), errors, { allowInvalidValues });
  validateLabelSelector(namespaceSelector, path.child('namespaceSelector'), errors, { allowInvalidValues });
  for (const name of term.namespaces ?? []) namespaceName(errors, path.child('namespace'), name);
  validateLabelKeys({ matchLabelKeys, mismatchLabelKeys, labelSelector }, path, errors);
  if (!topologyKey) errors.required(path.child('topologyKey'), 'can not be empty');
  qualifiedName(errors, path.child('topologyKey'), topologyKey);
}

interface LabelKeys {
  readonly matchLabelKeys?: readonly string[] | undefined;
  readonly mismatchLabelKeys?: readonly string[] | undefined;
  readonly labelSelector?: LabelSelector | undefined;
}

/** Source: ValidateMatchLabelKeysAndMismatchLabelKeys. */
function validateLabelKeys(keys: LabelKeys, path: FieldPath, errors: FieldErrors): void {
  const { matchLabelKeys = [], labelSelector } = keys;
  if (!matchLabelKeys.length && !keys.mismatchLabelKeys?.length) return;
  for (const field of ['matchLabelKeys', 'mismatchLabelKeys'] as const) {
    const list = keys[field] ?? [];
    if (!list.length) continue;
    if (!labelSelector) errors.forbidden(path.child(field), 'must not be specified when labelSelector is not set');
    else list.forEach((key, index) => qualifiedName(errors, path.child(field).index(index), key));
  }
  const selected = new Set(Object.keys(labelSelector?.matchLabels ?? {}));
  for (const { key } of labelSelector?.matchExpressions ?? []) {
    const index = matchLabelKeys.lastIndexOf(key);
    // The merged selector has one requirement of each key already; a second one is what is refused.
    if (index >= 0 && selected.has(key))
      errors.invalid(path.index(index), key, 'exists in both matchLabelKeys and labelSelector');
    selected.add(key);
  }
  matchLabelKeys.forEach((key, index) => {
    if (!keys.mismatchLabelKeys?.includes(key)) return;
    errors.invalid(path.child('matchLabelKeys').index(index), key, 'exists in both matchLabelKeys and mismatchLabelKeys');
  });
}

export function validateTolerations(
  tolerations: readonly Toleration[],
  path: FieldPath,
  errors: FieldErrors,
  comparison: boolean,
): void {
  for (const [index, toleration] of tolerations.entries()) {
    const { key = '', operator = '', value = '', effect = '', tolerationSeconds } = toleration;
    const at = path.index(index);
    if (key) qualifiedName(errors, at.child('key'), key);
    else if (operator !== 'Exists') {
      errors.invalid(
        at.child('operator'),
        operator,
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      );
    }
    if (tolerationSeconds !== undefined && effect !== 'NoExecute') {
      errors.invalid(at.child('effect'), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    if (operator === 'Equal' || operator === '') {
      const texts = validateLabelValue(value);
      if (texts.length) errors.invalid(at.child('operator'), value, texts.join(';'));
    } else if (operator === 'Exists') {
      if (value) errors.invalid(at.child('operator'), value, "value must be empty when `operator` is 'Exists'");
    } else if (operator === 'Lt' || operator === 'Gt') {
      if (!comparison) errors.notSupported(at.child('operator'), operator, ['Equal', 'Exists', 'Lt', 'Gt']);
      else validateNumber(value, at.child('value'), errors);
    } else errors.notSupported(at.child('operator'), operator, ['Equal', 'Exists']);
    if (effect) supported(errors, at.child('effect'), effect, taintEffects);
  }
}

function validateNumber(value: string, path: FieldPath, errors: FieldErrors): void {
  if (value === '') errors.invalid(path, value, emptyError);
  else if (!/^(?:0|-?[1-9][0-9]*)$/.test(value)) {
    errors.invalid(path, value, 'must be a valid decimal integer in canonical form');
  }
}

export function validateTopologySpread(
  constraints: readonly TopologySpreadConstraint[],
  path: FieldPath,
  errors: FieldErrors,
  options: PodValidationOptions,
): void {
  for (const [index, constraint] of constraints.entries()) {
    const at = path.index(index);
    const { maxSkew, topologyKey, whenUnsatisfiable, minDomains, labelSelector, matchLabelKeys } = constraint;
    positive(errors, at.child('maxSkew'), maxSkew);
    if (!topologyKey) errors.required(at.child('topologyKey'), 'can not be empty');
    supported(errors, at.child('whenUnsatisfiable'), whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway']);
    if (
      constraints
        .slice(index + 1)
        .some(other => other.topologyKey === topologyKey && other.whenUnsatisfiable === whenUnsatisfiable)
    ) {
      errors.duplicate(at.child('{topologyKey, whenUnsatisfiable}'), `{${topologyKey}, ${whenUnsatisfiable}}`);
    }
    if (minDomains !== undefined) {
      positive(errors, at.child('minDomains'), minDomains);
      if (whenUnsatisfiable !== 'DoNotSchedule') {
        const text = `can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ${whenUnsatisfiable}`;
        errors.invalid(at.child('minDomains'), minDomains, text);
      }
    }
    for (const field of ['nodeAffinityPolicy', 'nodeTaintsPolicy'] as const) {
      const policy = constraint[field];
      if (policy !== undefined) supported(errors, at.child(field), policy, ['Honor', 'Ignore']);
    }
    if (options.invalidSpreadLabelKeys) validateLegacyLabelKeys(constraint, at.child('matchLabelKeys'), errors);
    else validateLabelKeys({ matchLabelKeys, labelSelector }, at, errors);
    if (!options.invalidSpreadSelectors) validateLabelSelector(labelSelector, at.child('labelSelector'), errors);
  }
}

/** The rule before selectors were merged, for stored pods that broke the new one. */
function validateLegacyLabelKeys({ matchLabelKeys = [], labelSelector }: LabelKeys, path: FieldPath, errors: FieldErrors): void {
  if (!matchLabelKeys.length) return;
  if (!labelSelector) errors.forbidden(path, 'must not be specified when labelSelector is not set');
  const selected = new Set(Object.keys(labelSelector?.matchLabels ?? {}));
  for (const { key } of labelSelector?.matchExpressions ?? []) selected.add(key);
  matchLabelKeys.forEach((key, index) => {
    qualifiedName(errors, path.index(index), key);
    if (selected.has(key)) errors.invalid(path.index(index), key, 'exists in both matchLabelKeys and labelSelector');
  });
}
