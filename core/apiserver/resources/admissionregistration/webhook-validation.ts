import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import type { FieldPath } from '../../../machinery/field-errors.js';
import { validateLabelSelector } from '../../../machinery/label-selector.js';
import { validateDns1035Label, validateDns1123Subdomain } from '../../../machinery/names.js';
import { jsonEqual } from '../../../machinery/object.js';
import type { MatchExpressionEngine } from '../../match-expressions.js';
import { supported } from '../core/checks.js';
import { validateWebhookClient } from '../webhook-client-validation.js';
import { validateConditions } from './condition-validation.js';
import { failurePolicies, matchPolicies, reinvocationPolicies, validateRule } from './rule-validation.js';
import type { Webhook } from './webhook-configuration.js';

const harmless = ['None', 'NoneOnDryRun'];
const sideEffectClasses = ['None', 'NoneOnDryRun', 'Some', 'Unknown'];
const reviewVersions = ['v1', 'v1beta1'];
const longestTimeoutSeconds = 30;

/** What an update need not hold because the old object does not hold it either. */
export interface WebhookRules {
  readonly sameConditions: boolean;
  readonly anySideEffects: boolean;
  readonly anyReviewVersion: boolean;
  readonly sameNames: boolean;
  readonly anySelectorValue: boolean;
}

const strict: WebhookRules = {
  sameConditions: false,
  anySideEffects: false,
  anyReviewVersion: false,
  sameNames: false,
  anySelectorValue: false,
};

export function updateRules(webhooks: readonly Webhook[], old: readonly Webhook[]): WebhookRules {
  return {
    sameConditions:
      webhooks.length === old.length &&
      webhooks.every((webhook, index) => jsonEqual(webhook.matchConditions, old[index]!.matchConditions)),
    anySideEffects: old.some(({ sideEffects = '' }) => !harmless.includes(sideEffects)),
    anyReviewVersion: old.some(
      ({ admissionReviewVersions: versions = [] }) => versions.length > 0 && !versions.some(isKnownVersion),
    ),
    sameNames: new Set(old.map(({ name }) => name)).size < old.length,
    anySelectorValue: old.some(hasOddSelector),
  };
}

const isKnownVersion = (version: string): boolean => reviewVersions.includes(version);

function hasOddSelector({ namespaceSelector, objectSelector }: Webhook): boolean {
  const errors = new FieldErrors();
  validateLabelSelector(namespaceSelector, fieldPath(), errors);
  validateLabelSelector(objectSelector, fieldPath(), errors);
  return !errors.empty;
}

/** Source: kubernetes pkg/apis/admissionregistration/validation. */
export async function validateWebhooks(
  webhooks: readonly Webhook[],
  errors: FieldErrors,
  expressions: MatchExpressionEngine,
  rules = strict,
): Promise<void> {
  const names = new Set<string>();
  for (const [index, webhook] of webhooks.entries()) {
    const path = fieldPath('webhooks').index(index);
    validateWebhook(webhook, path, errors, rules);
    if (!rules.sameConditions) {
      await validateConditions(webhook.matchConditions ?? [], path.child('matchConditions'), errors, expressions);
    }
    validateReviewVersions(webhook.admissionReviewVersions ?? [], path.child('admissionReviewVersions'), errors, rules);
    if (!rules.sameNames && webhook.name) {
      if (names.has(webhook.name)) errors.duplicate(path.child('name'), webhook.name);
      names.add(webhook.name);
    }
  }
}

function validateWebhook(webhook: Webhook, path: FieldPath, errors: FieldErrors, rules: WebhookRules): void {
  validateName(webhook.name, path.child('name'), errors);
  for (const [index, rule] of (webhook.rules ?? []).entries()) validateRule(rule, path.child('rules').index(index), errors);
  supported(errors, path.child('failurePolicy'), webhook.failurePolicy, failurePolicies);
  supported(errors, path.child('matchPolicy'), webhook.matchPolicy, matchPolicies);
  const classes = rules.anySideEffects ? sideEffectClasses : harmless;
  const { sideEffects, timeoutSeconds } = webhook;
  if (sideEffects === undefined || sideEffects === null)
    errors.required(path.child('sideEffects'), `must specify one of ${classes.join(', ')}`);
  else supported(errors, path.child('sideEffects'), sideEffects, classes);
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > longestTimeoutSeconds)) {
    const text = 'the timeout value must be between 1 and 30 seconds';
    errors.invalid(path.child('timeoutSeconds'), timeoutSeconds, text);
  }
  const selectors = { allowInvalidValues: rules.anySelectorValue };
  validateLabelSelector(webhook.namespaceSelector, path.child('namespaceSelector'), errors, selectors);
  validateLabelSelector(webhook.objectSelector, path.child('objectSelector'), errors, selectors);
  if (webhook.reinvocationPolicy !== undefined)
    supported(errors, path.child('reinvocationPolicy'), webhook.reinvocationPolicy, reinvocationPolicies);
  validateWebhookClient(webhook.clientConfig, path.child('clientConfig'), errors);
}

/** Source: apimachinery IsFullyQualifiedName. */
function validateName(name: string, path: FieldPath, errors: FieldErrors): void {
  if (!name) return errors.required(path);
  const faults = validateDns1123Subdomain(name);
  if (faults.length) errors.invalid(path, name, faults.join(','));
  else if (name.split('.').length < 3)
    errors.invalid(path, name, 'should be a domain with at least three segments separated by dots');
}

function validateReviewVersions(versions: readonly string[], path: FieldPath, errors: FieldErrors, rules: WebhookRules): void {
  if (versions.length === 0) return errors.required(path, `must specify one of ${reviewVersions.join(', ')}`);
  for (const [index, version] of versions.entries()) {
    if (versions.indexOf(version) < index) errors.invalid(path.index(index), version, 'duplicate version');
    else for (const text of validateDns1035Label(version)) errors.invalid(path.index(index), version, text);
  }
  if (!rules.anyReviewVersion && !versions.some(isKnownVersion))
    errors.invalid(path, versions, `must include at least one of ${reviewVersions.join(', ')}`);
}
