import { X509Certificate } from 'node:crypto';
import type { WebhookConversion } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validateDns1035Label } from '../../../machinery/names.js';
import { validateWebhookClient } from '../webhook-client-validation.js';

const reviewVersions = ['v1', 'v1beta1'];

/** Source: apiextensions-apiserver validateCustomResourceConversion. */
export function validateConversionWebhook(webhook: WebhookConversion | undefined, path: FieldPath, errors: FieldErrors): void {
  const at = path.child('webhookClientConfig');
  const config = webhook?.clientConfig;
  if (!config) errors.required(at, 'required when strategy is set to Webhook');
  else validateWebhookClient(config, at, errors);
  validateReviewVersions(webhook?.conversionReviewVersions ?? [], path.child('conversionReviewVersions'), errors);
}

/** Whether a CA bundle (base64 of PEM) holds certificates. An empty one is none. */
export function isCaBundle(bundle: string | undefined): boolean {
  if (!bundle) return true;
  const pem = Buffer.from(bundle, 'base64').toString();
  try {
    return pem.includes('-----BEGIN CERTIFICATE-----') && new X509Certificate(pem).raw.length > 0;
  } catch {
    return false;
  }
}

function validateReviewVersions(versions: readonly string[], path: FieldPath, errors: FieldErrors): void {
  if (versions.length === 0) return errors.required(path);
  for (const [index, version] of versions.entries()) {
    if (versions.indexOf(version) < index) errors.invalid(path.index(index), version, 'duplicate version');
    else for (const text of validateDns1035Label(version)) errors.invalid(path.index(index), version, text);
  }
  if (!versions.some(version => reviewVersions.includes(version))) {
    errors.invalid(path, versions, `must include at least one of ${reviewVersions.join(', ')}`);
  }
}
