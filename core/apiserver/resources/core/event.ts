import type { Event } from '../../../api/generated/types.js';
import { Events } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { ageOf } from '../../../machinery/human-duration.js';
import { nameIsPathSegment } from '../../../machinery/names.js';
import type { RowContext } from '../../registry/resource-definition.js';
import { defineResource } from '../../registry/resource-definition.js';
import { dnsSubdomain, qualifiedName } from './checks.js';

const timeToLiveSeconds = 3600;
const maximumLengths = { reportingInstance: 128, action: 128, reason: 128, message: 1024 } as const;

export const event = defineResource<Event>({
  reference: Events,
  generation: false,
  allowCreateOnUpdate: true,
  validateName: nameIsPathSegment,
  timeToLiveSeconds: () => timeToLiveSeconds,
  checks: { create: ['validate'], update: ['validate'] },
  validate: validateEvent,
  row: eventRow,
  selectableFields: {
    'involvedObject.kind': object => object.involvedObject.kind ?? '',
    'involvedObject.namespace': object => object.involvedObject.namespace ?? '',
    'involvedObject.name': object => object.involvedObject.name ?? '',
    'involvedObject.uid': object => object.involvedObject.uid ?? '',
    'involvedObject.apiVersion': object => object.involvedObject.apiVersion ?? '',
    'involvedObject.resourceVersion': object => object.involvedObject.resourceVersion ?? '',
    'involvedObject.fieldPath': object => object.involvedObject.fieldPath ?? '',
    reason: object => object.reason ?? '',
    reportingComponent: object => object.reportingComponent ?? '',
    source: object => object.source?.component || (object.reportingComponent ?? ''),
    type: object => object.type ?? '',
  },
});

/** Source: legacyValidateEvent: the rules of core/v1, with stricter ones for events that have an `eventTime`. */
function validateEvent(object: Event, errors: FieldErrors): void {
  const namespace = object.metadata.namespace ?? '';
  const of = object.involvedObject?.namespace ?? '';
  const mismatch = (): void => errors.invalid(fieldPath('involvedObject', 'namespace'), of, 'does not match event.namespace');
  if (!object.eventTime) {
    if (of === '' ? namespace !== '' && namespace !== 'default' : namespace !== of) mismatch();
  } else {
    if (of === '' && namespace !== 'default' && namespace !== 'kube-system') mismatch();
    const controller = fieldPath('reportingComponent');
    if (!object.reportingComponent) errors.required(controller);
    qualifiedName(errors, controller, object.reportingComponent ?? '');
    for (const field of ['reportingInstance', 'action', 'reason', 'message'] as const) {
      const text = object[field] ?? '';
      if (!text && field !== 'message') errors.required(fieldPath(field));
      const maximum = maximumLengths[field];
      if (Buffer.byteLength(text) > maximum) errors.invalid(fieldPath(field), '', `can have at most ${maximum} characters`);
    }
  }
  dnsSubdomain(errors, fieldPath('namespace'), namespace);
}

/** Source: printEvent. */
function eventRow(object: Readonly<Event>, { nowMs }: RowContext): readonly unknown[] {
  const first = ageOf(object.firstTimestamp ?? object.eventTime, nowMs);
  const last = object.series
    ? ageOf(object.series.lastObservedTime, nowMs)
    : object.lastTimestamp
      ? ageOf(object.lastTimestamp, nowMs)
      : first;
  const { kind = '', name, fieldPath: path } = object.involvedObject;
  const component = object.source?.component || object.reportingComponent || '';
  const instance = object.source?.host || object.reportingInstance || '';
  return [
    last,
    object.type ?? '',
    object.reason ?? '',
    name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase(),
    path ?? '',
    instance ? `${component}, ${instance}` : component,
    (object.message ?? '').trim(),
    first,
    object.series ? (object.series.count ?? 0) : object.count || 1,
    object.metadata.name,
  ];
}
