import { X509Certificate } from 'node:crypto';
import type { ServiceReference, WebhookConversion } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { validateDns1035Label, validateDns1123Subdomain, validatePortNumber } from '../../../machinery/names.js';

const reviewVersions = ['v1', 'v1beta1'];
const form = '; desired format: https://host[/path]';

/** Source: apiextensions-apiserver validateCustomResourceConversion; apiserver pkg/util/webhook. */
export function validateConversionWebhook(webhook: WebhookConversion | undefined, path: FieldPath, errors: FieldErrors): void {
  const at = path.child('webhookClientConfig');
  const config = webhook?.clientConfig;
  if (!config) errors.required(at, 'required when strategy is set to Webhook');
  else if ((config.url === undefined) === (config.service === undefined)) {
    errors.required(at, 'exactly one of url or service is required');
  } else if (config.url !== undefined) validateUrl(config.url, at.child('url'), errors);
  else validateService(config.service!, at.child('service'), errors);
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

function validateUrl(text: string, path: FieldPath, errors: FieldErrors): void {
  const match = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is.exec(text)!;
  const [, scheme = '', authority = '', , query = '', fragment = ''] = match;
  const at = authority.lastIndexOf('@');
  if (scheme !== 'https') errors.invalid(path, scheme, `'https' is the only allowed URL scheme${form}`);
  if (authority.slice(at + 1) === '') errors.invalid(path, '', `host must be specified${form}`);
  if (at >= 0) errors.invalid(path, authority.slice(0, at), 'user information is not permitted in the URL');
  if (fragment) errors.invalid(path, fragment, 'fragments are not permitted in the URL');
  if (query) errors.invalid(path, query, 'query parameters are not permitted in the URL');
}

function validateService(
  { name, namespace, path: urlPath, port = 443 }: ServiceReference,
  path: FieldPath,
  errors: FieldErrors,
): void {
  // Upstream hands the two over the wrong way round.
  if (!namespace) errors.required(path.child('name'));
  if (!name) errors.required(path.child('namespace'));
  const faults = validatePortNumber(port);
  if (faults.length) errors.invalid(path.child('port'), port, `port is not valid: ${faults.join(', ')}`);
  if (!urlPath || urlPath === '/') return;
  const at = path.child('path');
  if (urlPath === '//') return errors.invalid(at, urlPath, 'segment[0] may not be empty');
  if (!urlPath.startsWith('/')) errors.invalid(at, urlPath, "must start with a '/'");
  for (const [index, segment] of urlPath.slice(1).replace(/\/$/, '').split('/').entries()) {
    if (segment === '') errors.invalid(at, urlPath, `segment[${index}] may not be empty`);
    else for (const text of validateDns1123Subdomain(segment)) errors.invalid(at, urlPath, `segment[${index}]: ${text}`);
  }
}
