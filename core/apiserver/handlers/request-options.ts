import type { IncomingMessage } from 'node:http';
import type { DeleteOptions, PatchType } from '../../contracts/api-transport.js';
import type { BadValue } from '../../machinery/field-errors.js';
import { FieldErrors, fieldPath } from '../../machinery/field-errors.js';
import type { StatusError } from '../../machinery/status-error.js';
import { badRequest, invalid } from '../../machinery/status-error.js';
import type { RequestInfo } from './request-info.js';
import { isTrue } from './request-info.js';

const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;

export function mediaTypeOf(request: IncomingMessage): string {
  const header = request.headers['content-type'];
  if (!header) return 'application/json';
  const end = header.indexOf(';');
  return (end < 0 ? header : header.slice(0, end)).trim().toLowerCase();
}

export function isDryRun(query: URLSearchParams): boolean {
  return query.getAll('dryRun').includes('All');
}

export function numberOf(text: string | null): number | undefined {
  return text === null ? undefined : Number(integerOf(text));
}

/** A whole number of 64 bits: a BigInt where no number holds it. */
export function wideNumberOf(text: string | null): number | bigint | undefined {
  if (text === null) return undefined;
  const exact = integerOf(text);
  const value = Number(exact);
  return Number.isSafeInteger(value) ? value : exact;
}

function integerOf(text: string): bigint {
  const fault = (reason: string): StatusError => badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: ${reason}`);
  if (!/^[-+]?\d+$/.test(text)) throw fault('invalid syntax');
  const exact = BigInt(text.replace(/^\+/, ''));
  if (BigInt.asIntN(64, exact) !== exact) throw fault('value out of range');
  return exact;
}

export function listQuery(query: URLSearchParams): {
  labelSelector: string | undefined;
  fieldSelector: string | undefined;
  resourceVersion: string | undefined;
  resourceVersionMatch: string | undefined;
  limit: number | undefined;
  continue: string | undefined;
  sendInitialEvents: boolean | undefined;
  timeoutSeconds: number | undefined;
} {
  return {
    labelSelector: query.get('labelSelector') ?? undefined,
    fieldSelector: query.get('fieldSelector') ?? undefined,
    resourceVersion: query.get('resourceVersion') ?? undefined,
    resourceVersionMatch: query.get('resourceVersionMatch') ?? undefined,
    limit: numberOf(query.get('limit')),
    continue: query.get('continue') ?? undefined,
    sendInitialEvents: query.has('sendInitialEvents') ? isTrue(query.get('sendInitialEvents')) : undefined,
    timeoutSeconds: numberOf(query.get('timeoutSeconds')),
  };
}

/** Source: apimachinery ValidateCreateOptions and its like. */
export function validateWriteQuery(info: RequestInfo, fieldManager: string | undefined): void {
  const errors = new FieldErrors();
  for (const value of info.query.getAll('dryRun')) {
    if (value !== 'All') errors.notSupported(fieldPath('dryRun'), info.query.getAll('dryRun'), ['All']);
  }
  if (fieldManager !== undefined) {
    if (Buffer.byteLength(fieldManager) > 128) errors.tooLong(fieldPath('fieldManager'), 128);
    let position = 0;
    for (const character of fieldManager) {
      if (!printable.test(character)) {
        const code = character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0');
        errors.invalid(fieldPath('fieldManager'), fieldManager, `invalid character U+${code} (at position ${position})`);
      }
      position += Buffer.byteLength(character);
    }
  }
  const validation = info.query.get('fieldValidation');
  if (validation && !['Ignore', 'Strict', 'Warn'].includes(validation)) {
    errors.notSupported(fieldPath('fieldValidation'), validation, ['', 'Ignore', 'Strict', 'Warn']);
  }
  if (!errors.empty) throw invalid('meta.k8s.io', optionsKind(info.verb), '', errors);
}

function optionsKind(verb: string): string {
  return verb === 'patch'
    ? 'PatchOptions'
    : verb === 'update'
      ? 'UpdateOptions'
      : verb === 'delete'
        ? 'DeleteOptions'
        : 'CreateOptions';
}

export function validatePatchOptions(info: RequestInfo, type: PatchType, force: string | null): void {
  const errors = new FieldErrors();
  if (type === 'apply') {
    if (!info.query.get('fieldManager')) errors.required(fieldPath('fieldManager'), 'is required for apply patch');
  } else if (force !== null) errors.forbidden(fieldPath('force'), 'may not be specified for non-apply patch');
  if (!errors.empty) throw invalid('meta.k8s.io', 'PatchOptions', '', errors);
}

/** Source: apimachinery ValidateDeleteOptions. */
export function checkDeleteOptions(options: Record<string, unknown>): DeleteOptions & { dryRun: boolean } {
  const errors = new FieldErrors();
  const { propagationPolicy, orphanDependents, gracePeriodSeconds, preconditions, dryRun } = options;
  if (propagationPolicy !== undefined && orphanDependents !== undefined) {
    errors.invalid(
      fieldPath('propagationPolicy'),
      propagationPolicy as BadValue,
      'orphanDependents and deletionPropagation cannot be both set',
    );
  }
  if (propagationPolicy !== undefined && !['Foreground', 'Background', 'Orphan'].includes(String(propagationPolicy))) {
    errors.notSupported(fieldPath('propagationPolicy'), propagationPolicy as BadValue, [
      'Foreground',
      'Background',
      'Orphan',
      'nil',
    ]);
  }
  if (!errors.empty) throw invalid('meta.k8s.io', 'DeleteOptions', '', errors);
  return {
    gracePeriodSeconds: gracePeriodSeconds as number | undefined,
    orphanDependents: orphanDependents as boolean | undefined,
    propagationPolicy: propagationPolicy as DeleteOptions['propagationPolicy'],
    preconditions: preconditions as DeleteOptions['preconditions'],
    dryRun: Array.isArray(dryRun) && dryRun.includes('All'),
  };
}
