import type { Event, EventsEvent } from '../../../api/generated/types.js';
import { Events, EventsEvents } from '../../../api/generated/resources.js';
import { withoutUndefined } from '../../../api/objects.js';
import { ageOf } from '../../../machinery/human-duration.js';
import type { ViewOf } from '../../registry/resource-definition.js';
import { validateMetadata, validateMetadataUpdate } from '../../registry/object-metadata.js';
import { defineResource } from '../../registry/resource-definition.js';
import { validateAnyEvent, validateEventChange, validateNewEvent } from './event-validation.js';

const timeToLiveSeconds = 3600;
const reportingField = 'reportingController';

/** The same objects as core/v1 Events, with the names of KEP-383. */
const viewOfCoreEvent: ViewOf<EventsEvent, Event> = {
  reference: Events,
  toView: stored =>
    withoutUndefined({
      kind: 'Event',
      apiVersion: 'events.k8s.io/v1',
      metadata: stored.metadata,
      eventTime: stored.eventTime as string,
      series: stored.series && {
        count: stored.series.count ?? 0,
        lastObservedTime: stored.series.lastObservedTime as string,
      },
      reportingController: stored.reportingComponent || undefined,
      reportingInstance: stored.reportingInstance || undefined,
      action: stored.action,
      reason: stored.reason,
      regarding: stored.involvedObject,
      related: stored.related,
      note: stored.message,
      type: stored.type,
      deprecatedSource: stored.source,
      deprecatedFirstTimestamp: stored.firstTimestamp,
      deprecatedLastTimestamp: stored.lastTimestamp,
      deprecatedCount: stored.count,
    }),
  fromView: view =>
    withoutUndefined({
      kind: 'Event',
      apiVersion: 'v1',
      metadata: view.metadata,
      involvedObject: view.regarding,
      reason: view.reason,
      message: view.note,
      source: view.deprecatedSource,
      firstTimestamp: view.deprecatedFirstTimestamp,
      lastTimestamp: view.deprecatedLastTimestamp,
      count: view.deprecatedCount,
      type: view.type,
      eventTime: view.eventTime,
      series:
        view.series &&
        withoutUndefined({ count: view.series.count || undefined, lastObservedTime: view.series.lastObservedTime }),
      action: view.action,
      related: view.related,
      reportingComponent: view.reportingController ?? '',
      reportingInstance: view.reportingInstance ?? '',
    }),
};

export const event = defineResource<EventsEvent>({
  reference: EventsEvents,
  viewOf: viewOfCoreEvent,
  generation: false,
  allowCreateOnUpdate: true,
  timeToLiveSeconds: () => timeToLiveSeconds,
  checks: { create: ['validate'], update: ['validateUpdate'] },
  validate(object, errors) {
    const stored = viewOfCoreEvent.fromView(object, undefined);
    validateAnyEvent(stored, errors, reportingField);
    validateMetadata(object, event, errors);
    validateNewEvent(stored, errors);
  },
  validateUpdate(object, old, errors) {
    const stored = viewOfCoreEvent.fromView(object, undefined);
    validateAnyEvent(stored, errors, reportingField);
    validateMetadataUpdate(object, old, event, errors);
    validateEventChange(stored, viewOfCoreEvent.fromView(old, undefined), errors);
  },
  row(object, { nowMs }) {
    const firstSeen = ageOf(object.deprecatedFirstTimestamp || object.eventTime, nowMs);
    const { series } = object;
    const lastSeen = series
      ? ageOf(series.lastObservedTime, nowMs)
      : object.deprecatedLastTimestamp
        ? ageOf(object.deprecatedLastTimestamp, nowMs)
        : firstSeen;
    const { kind = '', name, fieldPath = '' } = object.regarding;
    return [
      lastSeen,
      object.type ?? '',
      object.reason ?? '',
      name ? `${kind.toLowerCase()}/${name}` : kind.toLowerCase(),
      fieldPath,
      sourceCell(object),
      (object.note ?? '').trim(),
      firstSeen,
      series ? series.count : object.deprecatedCount || 1,
      object.metadata.name,
    ];
  },
  selectableFields: {
    'regarding.kind': object => object.regarding.kind ?? '',
    'regarding.namespace': object => object.regarding.namespace ?? '',
    'regarding.name': object => object.regarding.name ?? '',
    'regarding.uid': object => object.regarding.uid ?? '',
    'regarding.apiVersion': object => object.regarding.apiVersion ?? '',
    'regarding.resourceVersion': object => object.regarding.resourceVersion ?? '',
    'regarding.fieldPath': object => object.regarding.fieldPath ?? '',
    reason: object => object.reason ?? '',
    reportingController: object => object.reportingController ?? '',
    type: object => object.type ?? '',
  },
});

function sourceCell(object: Readonly<EventsEvent>): string {
  const { component = '', host = '' } = object.deprecatedSource ?? {};
  const who = component || (object.reportingController ?? '');
  const where = host || (object.reportingInstance ?? '');
  return where ? `${who}, ${where}` : who;
}
