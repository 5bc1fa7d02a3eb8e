import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Secret } from '../../../api/generated/types.js';
import { Secrets } from '../../../api/generated/resources.js';
import { goSyntaxError } from '../../../machinery/codec/json-text.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateConfigMapKey } from '../../../machinery/names.js';
import { isJsonObject, jsonEqual } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { addInvalid, immutable } from './checks.js';

const maximumBytes = 1024 * 1024;
const dataPath = fieldPath('data');
const accountAnnotation = 'kubernetes.io/service-account.name';
const immutableText = 'field is immutable when `immutable` is set';
const redacted = '<secret contents redacted>';

export const secret = defineResource<Secret>({
  reference: Secrets,
  generation: false,
  defaults(object) {
    object.type ||= 'Opaque';
    if (!object.stringData) return;
    const strings = Object.entries(object.stringData).map(([key, text]) => [key, Buffer.from(text).toString('base64')] as const);
    delete object.stringData;
    if (strings.length) object.data = sorted({ ...object.data, ...Object.fromEntries(strings) });
  },
  validate: validateSecret,
  checks: { update: ['change', 'validateUpdate', 'object', 'validate'] },
  validateUpdate(object, old, errors) {
    if (object.type !== old.type) immutable(errors, fieldPath('type'), object.type ?? '');
    if (old.immutable) {
      if (!object.immutable) errors.forbidden(fieldPath('immutable'), immutableText);
      if (!jsonEqual(object.data, old.data)) errors.forbidden(dataPath, immutableText);
    }
  },
  warnings: object => (object.type === 'kubernetes.io/tls' ? tlsWarnings(object.data ?? {}) : []),
  row: (object, context) => [
    object.metadata.name,
    object.type ?? '',
    Object.keys(object.data ?? {}).length,
    age(object, context),
  ],
  selectableFields: { type: object => object.type ?? '' },
});

const sorted = (data: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(data).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Source: ValidateSecret. */
function validateSecret({ metadata, data = {}, type }: Secret, errors: FieldErrors): void {
  let bytes = 0;
  for (const [key, value] of Object.entries(data)) {
    addInvalid(errors, dataPath.key(key), key, validateConfigMapKey(key));
    bytes += Buffer.byteLength(value, 'base64');
  }
  if (bytes > maximumBytes) errors.tooLong(dataPath, maximumBytes);
  const need = (key: string): boolean => {
    if (data[key] !== undefined) return true;
    errors.required(dataPath.key(key));
    return false;
  };
  switch (type) {
    case 'kubernetes.io/service-account-token':
      if (!metadata.annotations?.[accountAnnotation])
        errors.required(fieldPath('metadata', 'annotations').key(accountAnnotation));
      break;
    case 'kubernetes.io/dockercfg':
      if (need('.dockercfg')) validateJsonObject('.dockercfg', data['.dockercfg']!, errors);
      break;
    case 'kubernetes.io/dockerconfigjson':
      if (need('.dockerconfigjson')) validateJsonObject('.dockerconfigjson', data['.dockerconfigjson']!, errors);
      break;
    case 'kubernetes.io/basic-auth':
      if (data['username'] === undefined && data['password'] === undefined) {
        need('username');
        need('password');
      }
      break;
    case 'kubernetes.io/ssh-auth':
      if (!data['ssh-privatekey']) errors.required(dataPath.key('ssh-privatekey'));
      break;
    case 'kubernetes.io/tls':
      need('tls.crt');
      need('tls.key');
      break;
  }
}

function validateJsonObject(key: string, value: string, errors: FieldErrors): void {
  const text = Buffer.from(value, 'base64').toString();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Worded as Go's parser words it.
    return errors.invalid(dataPath.key(key), redacted, goSyntaxError(text));
  }
  if (parsed === null || isJsonObject(parsed)) return;
  const kind = Array.isArray(parsed) ? 'array' : typeof parsed === 'boolean' ? 'bool' : typeof parsed;
  errors.invalid(dataPath.key(key), redacted, `json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`);
}

/** What is wrong with a certificate and its key, in the words of Go's crypto/tls. */
function tlsWarnings(data: Readonly<Record<string, string>>): string[] {
  const certificate = Buffer.from(data['tls.crt'] ?? '', 'base64').toString();
  const key = Buffer.from(data['tls.key'] ?? '', 'base64').toString();
  if (!certificate.includes('-----BEGIN')) return ['tls: failed to find any PEM data in certificate input'];
  if (!certificate.includes('-----BEGIN CERTIFICATE-----')) {
    return ['tls: failed to find certificate PEM data in certificate input'];
  }
  if (!key.includes('-----BEGIN')) return ['tls: failed to find any PEM data in key input'];
  try {
    const isPair = new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
    return isPair ? [] : ['tls: private key does not match public key'];
  } catch {
    // The library's words are its own; clients only show them.
    return ['tls: failed to parse private key'];
  }
}
