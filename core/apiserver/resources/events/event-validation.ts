import type { Event } from '../../../api/generated/types.js';
import type { PrintedType } from '../../../api/internal-value.js';
import { internalValue } from '../../../api/internal-value.js';
import type { BadValue, FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { dnsSubdomain, immutable, qualifiedName } from '../core/checks.js';

const maximumWordBytes = 128;
const maximumNoteBytes = 1024;

/** What events of every version must fulfil; with an event time more is asked. Source: legacyValidateEvent. */
export function validateAnyEvent(event: Readonly<Event>, errors: FieldErrors, reportingField: string): void {
  const { namespace = '' } = event.metadata;
  const involved = event.involvedObject?.namespace ?? '';
  const at = fieldPath('involvedObject', 'namespace');
  const mismatch = (): void => errors.invalid(at, involved, 'does not match event.namespace');
  if (!event.eventTime) {
    if (involved === '' ? namespace !== '' && namespace !== 'default' : namespace !== involved) mismatch();
  } else {
    if (involved === '' && namespace !== 'default' && namespace !== 'kube-system') mismatch();
    const controller = event.reportingComponent ?? '';
    if (!controller) errors.required(fieldPath(reportingField));
    qualifiedName(errors, fieldPath(reportingField), controller);
    word(errors, 'reportingInstance', event.reportingInstance);
    word(errors, 'action', event.action);
    word(errors, 'reason', event.reason);
    if (Buffer.byteLength(event.message ?? '') > maximumNoteBytes) tooMany(errors, 'message', maximumNoteBytes);
  }
  dnsSubdomain(errors, fieldPath('namespace'), namespace);
}

function word(errors: FieldErrors, field: string, value: string | undefined): void {
  if (!value) errors.required(fieldPath(field));
  else if (Buffer.byteLength(value) > maximumWordBytes) tooMany(errors, field, maximumWordBytes);
}

function tooMany(errors: FieldErrors, field: string, maximum: number): void {
  errors.invalid(fieldPath(field), '', `can have at most ${maximum} characters`);
}

function validateSeries(event: Readonly<Event>, errors: FieldErrors): void {
  if (!event.series) return;
  if ((event.series.count ?? 0) < 2) errors.invalid(fieldPath('series.count'), '', 'should be at least 2');
  if (!event.series.lastObservedTime) errors.required(fieldPath('series.lastObservedTime'));
}

/** What events.k8s.io/v1 asks of a new event beside that. */
export function validateNewEvent(event: Readonly<Event>, errors: FieldErrors): void {
  validateSeries(event, errors);
  if (!event.eventTime) errors.required(fieldPath('eventTime'));
  if (event.type !== 'Normal' && event.type !== 'Warning')
    errors.invalid(fieldPath('type'), '', `has invalid value: ${event.type ?? ''}`);
  const unset = (field: string, isSet: boolean): void => {
    if (isSet) errors.invalid(fieldPath(field), '', 'needs to be unset');
  };
  unset('firstTimestamp', !!event.firstTimestamp);
  unset('lastTimestamp', !!event.lastTimestamp);
  unset('count', !!event.count);
  unset('source', !!event.source?.component || !!event.source?.host);
}

const fixedFields = [
  'involvedObject',
  'reason',
  'message',
  'source',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  // Twice in upstream's list, and so twice in its causes.
  'reason',
  'type',
  'eventTime',
  'action',
  'related',
] as const;

/** Only the series of an event may change through events.k8s.io/v1. */
export function validateEventChange(event: Readonly<Event>, old: Readonly<Event>, errors: FieldErrors): void {
  if (!semanticEqual(event.series, old.series)) validateSeries(event, errors);
  for (const field of fixedFields)
    if (!semanticEqual(event[field], old[field])) immutable(errors, fieldPath(field), shown(event, field));
  if (event.reportingComponent !== old.reportingComponent)
    immutable(errors, fieldPath('reportingController'), event.reportingComponent);
  if (event.reportingInstance !== old.reportingInstance)
    immutable(errors, fieldPath('reportingInstance'), event.reportingInstance);
}

const fieldTypes: Readonly<Partial<Record<(typeof fixedFields)[number], PrintedType>>> = {
  involvedObject: 'core.ObjectReference',
  related: '*core.ObjectReference',
  source: 'core.EventSource',
};

function shown(event: Readonly<Event>, field: (typeof fixedFields)[number]): BadValue {
  const type = fieldTypes[field];
  const value = event[field];
  return type ? internalValue(type, value as object | undefined) : ((value ?? '') as BadValue);
}
