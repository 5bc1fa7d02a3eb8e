import type {
  CertificateSigningRequest,
  CertificateSigningRequestCondition,
  CertificateSigningRequestSpec,
} from '../../../api/generated/types.js';
import { CertificateSigningRequests } from '../../../api/generated/resources.js';
import { errorText } from '../../../base/errors.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath, quote } from '../../../machinery/field-errors.js';
import { humanDuration } from '../../../machinery/human-duration.js';
import { cloneJson, jsonEqual } from '../../../machinery/object.js';
import { formatTime } from '../../../machinery/time.js';
import { readCertificate } from '../../../pki/certificate.js';
import { age } from '../../handlers/table.js';
import type { RequestContext } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { supported } from '../core/checks.js';
import { jsonDiff } from '../core/line-diff.js';
import { validateSignerName } from '../core/projected-volume-validation.js';
import { certificateRequestFault } from './request-check.js';

type Csr = CertificateSigningRequest;

const usages = [
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
const knownUsages = new Set(usages);
const finalTypes = ['Approved', 'Denied', 'Failed'];
const decisions = ['Approved', 'Denied'];
const legacySigner = 'kubernetes.io/legacy-unknown';
const shortestSeconds = 600;
const specPath = fieldPath('spec');
const conditionsPath = fieldPath('status', 'conditions');
const certificatePath = fieldPath('status', 'certificate');

/** What an endpoint may change. */
interface Rights {
  readonly decide?: boolean;
  readonly certify?: boolean;
}

export const certificateSigningRequest = defineResource<Csr>({
  reference: CertificateSigningRequests,
  generation: false,
  // Any name will do.
  validateName: () => [],
  prepareForCreate(object, { caller }) {
    const spec: CertificateSigningRequestSpec = { ...object.spec };
    for (const field of ['username', 'uid', 'groups', 'extra'] as const) delete spec[field];
    if (caller.name) spec.username = caller.name;
    if (caller.uid) spec.uid = caller.uid;
    if (caller.groups.length) spec.groups = [...caller.groups];
    const extra = Object.entries(caller.extra ?? {}).map(([key, values]) => [key, [...values]] as [string, string[]]);
    if (extra.length) spec.extra = Object.fromEntries(extra);
    object.spec = spec;
    object.status = {};
  },
  prepareForUpdate(object, old) {
    object.spec = cloneJson(old.spec);
    object.status = cloneJson(old.status);
  },
  validate: (object, errors) => validateRequest(object, undefined, errors),
  validateUpdate: (object, old, errors) => validateChange(object, old, errors, {}),
  row: (object, context) => [
    object.metadata.name,
    age(object, context),
    object.spec.signerName || '<none>',
    object.spec.username ?? '',
    object.spec.expirationSeconds === undefined ? '<none>' : humanDuration(object.spec.expirationSeconds * 1000),
    stateCell(object),
  ],
  selectableFields: { 'spec.signerName': object => object.spec.signerName },
  subresources: {
    approval: {
      type: 'update',
      prepareForUpdate(object, old, context) {
        stampConditions(object, old, context);
        const { conditions } = object.status ?? {};
        object.spec = cloneJson(old.spec);
        object.status = { ...(conditions ? { conditions } : {}), ...without(cloneJson(old.status), 'conditions') };
      },
      validateUpdate: (object, old, errors) => validateChange(object, old, errors, { decide: true }),
    },
    status: {
      type: 'update',
      prepareForUpdate(object, old, context) {
        object.spec = cloneJson(old.spec);
        object.status ??= {};
        for (const type of decisions) keepConditions(object, old, type);
        stampConditions(object, old, context);
      },
      validateUpdate: (object, old, errors) => validateChange(object, old, errors, { certify: true }),
    },
  },
  resetFields: {
    '': ['spec', 'status'],
    approval: ['spec', 'status.certificate'],
    status: ['spec', 'status.conditions'],
  },
});

function without<T extends object>(object: T | undefined, key: keyof T): Partial<T> {
  const copy = { ...object } as Partial<T>;
  delete copy[key];
  return copy;
}

function conditionsOf({ status }: Readonly<Csr>, type?: string): CertificateSigningRequestCondition[] {
  return (status?.conditions ?? []).filter(condition => type === undefined || condition.type === type);
}

/** Decisions stand in the status as they were; that one was added or taken away shows in validation. */
function keepConditions(object: Csr, old: Readonly<Csr>, type: string): void {
  const before = conditionsOf(old, type);
  if (conditionsOf(object, type).length !== before.length) return;
  const rest = before.values();
  const kept = (object.status.conditions ?? []).map(condition =>
    condition.type === type ? cloneJson(rest.next().value!) : condition,
  );
  if (kept.length > 0) object.status.conditions = kept;
}

function stampConditions(object: Csr, old: Readonly<Csr>, { nowMs }: RequestContext): void {
  const now = formatTime(nowMs);
  for (const condition of object.status?.conditions ?? []) {
    condition.lastUpdateTime ||= now;
    if (condition.lastTransitionTime) continue;
    const same = conditionsOf(old, condition.type).find(
      ({ status, lastTransitionTime }) => status === condition.status && lastTransitionTime,
    );
    condition.lastTransitionTime = same?.lastTransitionTime ?? now;
  }
}

function validateRequest(object: Csr, old: Readonly<Csr> | undefined, errors: FieldErrors): void {
  const { spec } = object;
  const fault = certificateRequestFault(spec.request ?? '');
  if (fault) errors.invalid(specPath.child('request'), spec.request ?? null, fault);
  validateUsages(spec.usages ?? [], old?.spec.usages, errors);
  const signer = specPath.child('signerName');
  if (spec.signerName === legacySigner && old?.spec.signerName !== legacySigner)
    errors.invalid(signer, spec.signerName, 'the legacy signerName is not allowed via this API version');
  else validateSignerName(spec.signerName, signer, errors);
  if (spec.expirationSeconds !== undefined && spec.expirationSeconds < shortestSeconds) {
    const text = 'may not specify a duration less than 600 seconds (10 minutes)';
    errors.invalid(specPath.child('expirationSeconds'), spec.expirationSeconds, text);
  }
  validateConditions(object, old, errors);
  const certificate = object.status?.certificate ?? '';
  if (old && (certificate === (old.status?.certificate ?? '') || certificateFault(old.status?.certificate ?? ''))) return;
  const wrong = certificateFault(certificate);
  if (wrong) errors.invalid(certificatePath, '<certificate data>', wrong);
}

function validateUsages(given: readonly string[], before: readonly string[] | undefined, errors: FieldErrors): void {
  const path = specPath.child('usages');
  if (given.length === 0) errors.required(path);
  if (!before?.some(usage => !knownUsages.has(usage))) {
    for (const [index, usage] of given.entries())
      if (!knownUsages.has(usage)) errors.notSupported(path.index(index), usage, usages);
  }
  if (before && new Set(before).size < before.length) return;
  const seen = new Set<string>();
  for (const [index, usage] of given.entries()) {
    if (seen.has(usage)) errors.duplicate(path.index(index), usage);
    seen.add(usage);
  }
}

function validateConditions(object: Csr, old: Readonly<Csr> | undefined, errors: FieldErrors): void {
  const before = old ? conditionsOf(old) : [];
  const types = before.map(condition => condition.type);
  const mayBeBoth = decisions.every(type => types.includes(type));
  const mayRepeat = new Set(types).size < types.length;
  const seen = new Set<string>();
  for (const [index, { type, status }] of conditionsOf(object).entries()) {
    const at = conditionsPath.index(index);
    if (!type && !types.includes('')) errors.required(at.child('type'));
    if (!status) errors.required(at.child('status'));
    else supported(errors, at.child('status'), status, finalTypes.includes(type) ? ['True'] : ['False', 'True', 'Unknown']);
    const other = type === 'Approved' ? 'Denied' : type === 'Denied' ? 'Approved' : undefined;
    if (!mayBeBoth && other !== undefined && seen.has(other))
      errors.invalid(conditionsPath, type, 'Approved and Denied conditions are mutually exclusive');
    if (!mayRepeat && seen.has(type)) errors.duplicate(at.child('type'), type);
    seen.add(type);
  }
}

function validateChange(object: Csr, old: Readonly<Csr>, errors: FieldErrors, rights: Rights): void {
  validateRequest(object, old, errors);
  for (const type of finalTypes) {
    if (conditionsOf(object, type).length < conditionsOf(old, type).length)
      errors.forbidden(conditionsPath, `updates may not remove a condition of type ${quote(type)}`);
  }
  for (const type of rights.decide ? [] : decisions) {
    const [now, before] = [conditionsOf(object, type), conditionsOf(old, type)];
    if (now.length > before.length) errors.forbidden(conditionsPath, `updates may not add a condition of type ${quote(type)}`);
    else if (now.length === before.length && !jsonEqual(now, before)) {
      const change = jsonDiff(before, now);
      errors.forbidden(conditionsPath, `updates may not modify a condition of type ${quote(type)}\n${change}`);
    }
  }
  const before = old.status?.certificate ?? '';
  if ((object.status?.certificate ?? '') === before) return;
  if (!rights.certify) errors.forbidden(certificatePath, 'updates may not set certificate content');
  else if (before) errors.forbidden(certificatePath, 'updates may not modify existing certificate content');
}

const block = /-----BEGIN ([^-]+)-----([\s\S]*?)-----END \1-----/g;

/** What is wrong with a chain of certificates in PEM; nothing is fine too. */
function certificateFault(certificate: string): string | undefined {
  if (!certificate) return undefined;
  const text = Buffer.from(certificate, 'base64').toString('latin1');
  let blocks = 0;
  for (const [pem, type = '', body = ''] of text.matchAll(block)) {
    if (type !== 'CERTIFICATE') return `only CERTIFICATE PEM blocks are allowed, found ${quote(type)}`;
    if (body.includes(':')) return 'no PEM block headers are permitted';
    if (body.trim() === '') return 'found CERTIFICATE PEM block containing 0 certificates';
    blocks++;
    try {
      readCertificate(pem);
    } catch (error) {
      return errorText(error);
    }
  }
  return blocks === 0 ? 'must contain at least one CERTIFICATE PEM block' : undefined;
}

function stateCell(object: Readonly<Csr>): string {
  const types = new Set(conditionsOf(object).map(condition => condition.type));
  const decision = types.has('Denied') ? 'Denied' : types.has('Approved') ? 'Approved' : 'Pending';
  return `${decision}${types.has('Failed') ? ',Failed' : ''}${object.status?.certificate ? ',Issued' : ''}`;
}
