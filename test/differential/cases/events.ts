import type { Case, Step } from '../replay.js';

const at = '/apis/events.k8s.io/v1/namespaces/default/events';
const coreAt = '/api/v1/namespaces/default/events';
const named = (name: string): { metadata: object } => ({ metadata: { name } });
const note = {
  eventTime: '2026-01-02T03:04:05.678901Z',
  type: 'Normal',
  reason: 'Because',
  action: 'Act',
  reportingController: 'a.example/c',
  reportingInstance: 'i-1',
  regarding: { kind: 'Pod', name: 'p', namespace: 'default', fieldPath: 'spec.containers{c}' },
  note: ' hello ',
};
const create = (name: string, body: object): Step => ({ do: 'create', body: { ...named(name), ...body } });

export const eventCases: readonly Case[] = [
  {
    name: 'Event: what is refused',
    at,
    steps: [
      create('empty', {}),
      create('old-fields', {
        ...note,
        regarding: { kind: 'Pod', namespace: 'other' },
        type: 'Strange',
        series: { count: 1 },
        deprecatedCount: 2,
        deprecatedFirstTimestamp: '2026-01-02T03:04:05Z',
        deprecatedLastTimestamp: '2026-01-02T03:04:05Z',
        deprecatedSource: { component: 'c' },
      }),
      create('words', {
        ...note,
        action: 'a'.repeat(129),
        reason: undefined,
        reportingController: 'a b',
        reportingInstance: '',
        note: 'x'.repeat(1025),
        regarding: {},
      }),
    ],
  },
  {
    name: 'Event: series and nothing else may change',
    at,
    steps: [
      create('right', note),
      { do: 'table' },
      { do: 'update', patch: { series: { count: 2, lastObservedTime: '2026-01-02T03:05:05.678901Z' } } },
      { do: 'update', patch: { series: { count: 1 } } },
      {
        do: 'update',
        patch: {
          note: 'other',
          type: 'Warning',
          reason: 'Else',
          action: 'b',
          reportingController: 'x',
          reportingInstance: 'y',
          eventTime: '2026-01-02T03:04:06.678901Z',
          regarding: { kind: 'Node' },
          related: { kind: 'Pod' },
        },
      },
      { do: 'table' },
    ],
  },
  {
    name: 'Event: what one group writes the other shows',
    at: coreAt,
    steps: [
      create('shared', {
        involvedObject: { kind: 'Pod', name: 'q', namespace: 'default' },
        reason: 'Started',
        message: 'm',
        source: { component: 'kubelet', host: 'n' },
        firstTimestamp: '2026-01-02T03:04:05Z',
        lastTimestamp: '2026-01-02T03:04:06Z',
        count: 3,
        type: 'Normal',
      }),
      { do: 'table' },
      { do: 'get' },
    ],
  },
];
