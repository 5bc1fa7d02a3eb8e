import { unescape } from 'node:querystring';
import type { WebhookClientConfig } from '../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../machinery/field-errors.js';
import { validateDns1123Subdomain, validatePortNumber } from '../../machinery/names.js';

const form = '; desired format: https://host[/path]';

/** Where an admission or a conversion webhook is called. Source: apiserver pkg/util/webhook/validation.go. */
export function validateWebhookClient(config: WebhookClientConfig, path: FieldPath, errors: FieldErrors): void {
  const { url, service } = config;
  if ((url === undefined) === (service === undefined)) errors.required(path, 'exactly one of url or service is required');
  else if (url !== undefined) validateUrl(url, path.child('url'), errors);
  else validateService(service!, path.child('service'), errors);
}

function validateUrl(text: string, path: FieldPath, errors: FieldErrors): void {
  const fault = goUrlFault(text);
  if (fault !== undefined)
    return errors.required(path, `url must be a valid URL: parse ${JSON.stringify(text)}: ${fault}${form}`);
  const [, scheme = '', authority = '', , query = '', fragment = ''] = urlPattern.exec(text)!;
  const at = authority.lastIndexOf('@');
  if (scheme.toLowerCase() !== 'https')
    errors.invalid(path, scheme.toLowerCase(), `'https' is the only allowed URL scheme${form}`);
  if (authority.slice(at + 1) === '') errors.invalid(path, '', `host must be specified${form}`);
  if (at >= 0) errors.invalid(path, authority.slice(0, at), 'user information is not permitted in the URL');
  if (fragment) errors.invalid(path, unescape(fragment), 'fragments are not permitted in the URL');
  if (query) errors.invalid(path, query, 'query parameters are not permitted in the URL');
}

const urlPattern = /^(?:([a-z][a-z0-9+.-]*):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/is;

/** What Go's parser says of text that is no URL; undefined for what it takes. Source: Go's net/url. */
function goUrlFault(text: string): string | undefined {
  if (/[\u0000-\u0020\u007f]/.test(text.replace(/ /g, ''))) return 'net/url: invalid control character in URL';
  if (text.startsWith(':')) return 'missing protocol scheme';
  const escape = /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(text);
  if (escape) return `invalid URL escape ${JSON.stringify(escape[0])}`;
  const match = urlPattern.exec(text);
  if (!match) return 'invalid URL';
  const [, scheme, authority, path = ''] = match;
  if (scheme === undefined && authority === undefined && path.split('/')[0]!.includes(':'))
    return 'first path segment in URL cannot contain colon';
  if (authority === undefined) return undefined;
  const host = authority.slice(authority.lastIndexOf('@') + 1);
  if (host.includes(' ')) return `invalid character " " in host name`;
  if (host.startsWith('[') && !host.includes(']')) return "missing ']' in host";
  const port = /:([^:\]]*)$/.exec(host)?.[1];
  if (port !== undefined && !/^\d*$/.test(port)) return `invalid port ${JSON.stringify(`:${port}`)} after host`;
  return undefined;
}

function validateService(
  { name, namespace, path: urlPath, port = 443 }: NonNullable<WebhookClientConfig['service']>,
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
