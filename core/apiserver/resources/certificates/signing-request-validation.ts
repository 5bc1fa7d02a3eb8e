import { X509Certificate } from 'node:crypto';
import type { CertificateSigningRequest } from '../../../api/generated/types.js';
import { CodedError, errorText } from '../../../base/errors.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath, quote } from '../../../machinery/field-errors.js';
import { validateDns1123Label, validateDns1123Subdomain } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import { internalDiff } from '../core/line-diff.js';
import { pemBlocks, verifiedRequest } from './signing-request.js';

/** Source: pkg/apis/certificates/validation. */
type Request = Readonly<CertificateSigningRequest>;

const legacySigner = 'kubernetes.io/legacy-unknown';
const lowestSeconds = 600;
const maximumDomainBytes = 253;
/** A domain, a slash, and what takes a label and a domain. */
const maximumSignerBytes = 571;
const spec = fieldPath('spec');
const conditionsPath = fieldPath('status', 'conditions');
/** In the order of their bytes, as upstream lists them. */
const knownUsages = [
  'any',
  'cert sign',
  'client auth',
  'code signing',
  'content commitment',
  'crl sign',
  'data encipherment',
  'decipher only',
  'digital signature',
  'email protection',
  'encipher only',
  'ipsec end system',
  'ipsec tunnel',
  'ipsec user',
  'key agreement',
  'key encipherment',
  'microsoft sgc',
  'netscape sgc',
  'ocsp signing',
  's/mime',
  'server auth',
  'signing',
  'timestamping',
];
/** Conditions that are true or not there. */
const trueConditions = ['Approved', 'Denied', 'Failed'];

/** `old` is what is stored: faults that it has already are let through. */
export function validateRequest(object: Request, old: Request | undefined, errors: FieldErrors): void {
  const { request, signerName, expirationSeconds } = object.spec;
  try {
    verifiedRequest(Buffer.from(request ?? '', 'base64').toString('latin1'));
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    errors.invalid(spec.child('request'), request || null, errorText(error));
  }
  validateUsages(object.spec.usages ?? [], old?.spec.usages ?? [], errors);
  if (signerName === legacySigner && old?.spec.signerName !== legacySigner) {
    errors.invalid(spec.child('signerName'), signerName, 'the legacy signerName is not allowed via this API version');
  } else validateSignerName(signerName, spec.child('signerName'), errors);
  if (expirationSeconds !== undefined && expirationSeconds < lowestSeconds) {
    const text = 'may not specify a duration less than 600 seconds (10 minutes)';
    errors.invalid(spec.child('expirationSeconds'), expirationSeconds, text);
  }
  validateConditions(object, old, errors);
  const certificate = object.status.certificate ?? '';
  if (old && (certificate === (old.status.certificate ?? '') || certificateError(old.status.certificate ?? ''))) return;
  const text = certificateError(certificate);
  if (text) errors.invalid(fieldPath('status', 'certificate'), '<certificate data>', text);
}

function validateUsages(usages: readonly string[], before: readonly string[], errors: FieldErrors): void {
  const at = spec.child('usages');
  if (!usages.length) errors.required(at);
  if (before.every(usage => knownUsages.includes(usage))) {
    for (const [index, usage] of usages.entries()) {
      if (!knownUsages.includes(usage)) errors.notSupported(at.index(index), usage, knownUsages);
    }
  }
  if (new Set(before).size < before.length) return;
  for (const [index, usage] of usages.entries()) {
    if (usages.indexOf(usage) < index) errors.duplicate(at.index(index), usage);
  }
}

/** `example.com/signer`: a domain of two labels at least, and a path. */
export function validateSignerName(name: string, path: FieldPath, errors: FieldErrors): void {
  if (!name) return errors.required(path);
  const segments = name.split('/');
  const [domain, rest] = segments as [string, string];
  if (segments.length !== 2) {
    errors.invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
    return;
  }
  if (Buffer.byteLength(domain) > maximumDomainBytes) errors.tooLong(path, maximumDomainBytes);
  const labels = domain.split('.');
  firstFault(labels, validateDns1123Label, text => errors.invalid(path, domain, text));
  if (labels.length < 2) errors.invalid(path, domain, 'should be a domain with at least two segments separated by dots');
  firstFault(rest.split('.'), validateDns1123Subdomain, text => errors.invalid(path, rest, text));
  if (Buffer.byteLength(name) > maximumSignerBytes) errors.tooLong(path, maximumSignerBytes);
}

function firstFault(
  labels: readonly string[],
  check: (label: string) => readonly string[],
  report: (text: string) => void,
): void {
  for (const label of labels) {
    const texts = check(label);
    for (const text of texts) report(`validating label ${quote(label)}: ${text}`);
    if (texts.length) return;
  }
}

function validateConditions(object: Request, old: Request | undefined, errors: FieldErrors): void {
  const before = (old?.status.conditions ?? []).map(condition => condition.type);
  const seen = new Set<string>();
  const wasBoth = before.includes('Approved') && before.includes('Denied');
  const hadDuplicates = new Set(before).size < before.length;
  for (const [index, { type, status }] of (object.status.conditions ?? []).entries()) {
    const at = conditionsPath.index(index);
    if (!type && !before.includes('')) errors.required(at.child('type'));
    const allowed = trueConditions.includes(type) ? ['True'] : ['False', 'True', 'Unknown'];
    if (!status) errors.required(at.child('status'));
    else if (!allowed.includes(status)) errors.notSupported(at.child('status'), status, allowed);
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (other && !wasBoth && seen.has(other)) {
      errors.invalid(conditionsPath, type, 'Approved and Denied conditions are mutually exclusive');
    }
    if (seen.has(type) && !hadDuplicates) errors.duplicate(at.child('type'), type);
    seen.add(type);
  }
}

function certificateError(base64: string): string | undefined {
  if (!base64) return undefined;
  const blocks = pemBlocks(Buffer.from(base64, 'base64').toString('latin1'));
  if (!blocks.length) return 'must contain at least one CERTIFICATE PEM block';
  for (const { type, headers, der } of blocks) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${quote(type)}`;
    if (headers) return 'no PEM block headers are permitted';
    if (!der.length) return 'found CERTIFICATE PEM block containing 0 certificates';
    try {
      new X509Certificate(der);
    } catch {
      return 'x509: malformed certificate';
    }
  }
  return undefined;
}

export interface UpdateRights {
  readonly allowApproval?: boolean;
  readonly allowCertificate?: boolean;
}

export function validateRequestUpdate(object: Request, old: Request, errors: FieldErrors, rights: UpdateRights): void {
  validateRequest(object, old, errors);
  const ofType = ({ status }: Request, type: string): unknown[] =>
    (status.conditions ?? []).filter(condition => condition.type === type);
  for (const type of trueConditions) {
    if (ofType(object, type).length < ofType(old, type).length) {
      errors.forbidden(conditionsPath, `updates may not remove a condition of type ${quote(type)}`);
    }
  }
  for (const type of rights.allowApproval ? [] : ['Approved', 'Denied']) {
    const [now, before] = [ofType(object, type), ofType(old, type)];
    if (now.length > before.length) {
      errors.forbidden(conditionsPath, `updates may not add a condition of type ${quote(type)}`);
    } else if (now.length === before.length && !semanticEqual(now, before)) {
      const changed = internalDiff('[]certificates.CertificateSigningRequestCondition', before, now);
      errors.forbidden(conditionsPath, `updates may not modify a condition of type ${quote(type)}\n${changed}`);
    }
  }
  if ((object.status.certificate ?? '') === (old.status.certificate ?? '')) return;
  const at = fieldPath('status', 'certificate');
  if (!rights.allowCertificate) errors.forbidden(at, 'updates may not set certificate content');
  else if (old.status.certificate) errors.forbidden(at, 'updates may not modify existing certificate content');
}
