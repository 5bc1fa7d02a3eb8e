import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import { notFound } from '../../machinery/status-error.js';
import { resourceAttributes } from '../auth/authorizer.js';
import type { AuditEvent } from './audit-event.js';
import { AuditMetrics } from './audit-metrics.js';
import type { AuditLevel, AuditStage } from './audit-policy.js';
import { AuditRecord } from './audit-record.js';

const receivedMs = Date.UTC(2026, 0, 2, 3, 4, 5, 60);

interface Written {
  readonly record: AuditRecord;
  readonly events: AuditEvent[];
  /** The last event. */
  last(): Record<string, unknown>;
}

function begun(level: AuditLevel, omitStages: readonly AuditStage[] = [], omitManagedFields = false): Written {
  const events: AuditEvent[] = [];
  const record = new AuditRecord({
    request: {
      attributes: resourceAttributes({ user: { name: 'jane', groups: ['a'] }, verb: 'create', resource: 'pods', namespace: 'n' }),
      auditId: 'id',
      uri: '/api/v1/namespaces/n/pods?a=1&b=2',
      userAgent: 'agent',
      sourceIps: ['192.0.2.1'],
      receivedMs,
    },
    decision: { level, omitStages: new Set(omitStages), omitManagedFields },
    backend: { process: all => (events.push(...all), true), stop: async () => undefined },
    metrics: new AuditMetrics(silentLogger, new FakeClock()),
    nowMs: () => receivedMs + 1,
  });
  return { record, events, last: () => JSON.parse(events.at(-1)!.json) as Record<string, unknown> };
}

const pod = { metadata: { name: 'p', uid: 'u', resourceVersion: '7', managedFields: [{}] }, spec: { a: '\u2028' } };

describe('what is written of a request', () => {
  it('is an Event on one line, with what HTML could take for its own escaped', () => {
    const { record, events } = begun('Metadata');
    record.stage('RequestReceived');
    expect(events[0]!.json).toBe(
      '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"id","stage":"RequestReceived",' +
        '"requestURI":"/api/v1/namespaces/n/pods?a=1\\u0026b=2","verb":"create","user":{"username":"jane","groups":["a"]},' +
        '"sourceIPs":["192.0.2.1"],"userAgent":"agent","objectRef":{"resource":"pods","namespace":"n"},' +
        '"requestReceivedTimestamp":"2026-01-02T03:04:05.060000Z","stageTimestamp":"2026-01-02T03:04:05.060000Z"}',
    );
    expect(events[0]!.line).toBe(
      '2026-01-02T03:04:05.06Z AUDIT: id="id" stage="RequestReceived" ip="192.0.2.1" method="create" user="jane" ' +
        'groups="\\"a\\"" as="<self>" asgroups="<lookup>" user-agent="agent" namespace="n" ' +
        'uri="/api/v1/namespaces/n/pods?a=1&b=2" response="<deferred>"',
    );
  });

  it('names the object that was sent; its body only where it is wanted', () => {
    const bodies = (level: AuditLevel, bare = false): unknown[] => {
      const { record, last } = begun(level, [], bare);
      record.request(pod);
      record.response(JSON.stringify({ kind: 'PodList', items: [pod] }));
      record.completed(201);
      const { objectRef, responseStatus, requestObject, responseObject } = last();
      expect(objectRef).toEqual({ resource: 'pods', namespace: 'n', name: 'p', uid: 'u', resourceVersion: '7' });
      expect(responseStatus).toEqual({ metadata: {}, code: 201 });
      return [requestObject, responseObject];
    };
    const { managedFields: _managed, ...metadata } = pod.metadata;
    expect(bodies('Metadata')).toEqual([undefined, undefined]);
    expect(bodies('Request')).toEqual([pod, undefined]);
    expect(bodies('RequestResponse')).toEqual([pod, { kind: 'PodList', items: [pod] }]);
    const bare = { ...pod, metadata };
    expect(bodies('RequestResponse', true)).toEqual([bare, { kind: 'PodList', items: [bare] }]);
  });

  it.each([
    ['{"a":1.0}', { a: 1 }],
    ['{\n "a": 9007199254740993\n}', 'text:{"a":9007199254740993}'],
    ['a: b\n', 'a: b\n'],
  ])('takes the patch %j as it is', (text, expected) => {
    const { record, events, last } = begun('Request');
    record.patch(Buffer.from(text));
    record.completed(200);
    expect(events[0]!.json).not.toContain('\n');
    if (typeof expected === 'string' && expected.startsWith('text:')) {
      expect(events[0]!.json).toContain(`"requestObject":${expected.slice('text:'.length)},`);
    } else expect(last()['requestObject']).toEqual(expected);
  });

  it('keeps what was annotated first, and what goes with bodies only where they are wanted', () => {
    const annotated = (level: AuditLevel): unknown => {
      const { record, last } = begun(level);
      record.annotate('z', '1');
      record.annotate('z', '2');
      record.annotate('__proto__', 'x');
      record.annotate('a', '3', 'Request');
      record.completed(200);
      return JSON.stringify(last()['annotations']);
    };
    expect(annotated('Metadata')).toBe('{"__proto__":"x","z":"1"}');
    expect(annotated('Request')).toBe('{"__proto__":"x","a":"3","z":"1"}');
  });

  it('ends once, whoever says so first', () => {
    const { record, events, last } = begun('Metadata', ['RequestReceived']);
    expect(record.stage('RequestReceived')).toBe(true);
    record.refused(notFound({ group: '', resource: 'pods', name: 'p' }));
    record.completed(404);
    record.completed(undefined);
    record.panicked(new Error('late'));
    expect(events).toHaveLength(1);
    expect(last()).toMatchObject({
      stage: 'ResponseComplete',
      responseStatus: { metadata: {}, status: 'Failure', message: 'pods "p" not found', reason: 'NotFound', code: 404 },
    });
  });

  it('says that a client left before there was an answer, and that a handler failed', () => {
    const gone = begun('Metadata');
    gone.record.completed(undefined, true);
    expect(gone.events.map(event => (JSON.parse(event.json) as { stage: string }).stage)).toEqual([
      'ResponseStarted',
      'ResponseComplete',
    ]);
    expect(gone.last()['responseStatus']).toEqual({
      metadata: {},
      status: 'Success',
      message: 'Connection closed early',
      code: 200,
    });
    const broken = begun('Metadata');
    broken.record.panicked(new Error('oh'));
    broken.record.completed(500);
    expect(broken.events).toHaveLength(1);
    expect(broken.last()).toMatchObject({
      stage: 'Panic',
      responseStatus: { status: 'Failure', message: "APIServer panic'd: oh", reason: 'InternalError', code: 500 },
    });
  });

  it('cuts long user agents, and bodies where an event is too large', () => {
    const { record, events } = begun('Request');
    record.request(pod);
    record.completed(201);
    expect(JSON.parse(events[0]!.truncated().json)).toMatchObject({ annotations: { 'audit.k8s.io/truncated': 'true' } });
    expect(events[0]!.truncated().json).not.toContain('requestObject');
  });
});
