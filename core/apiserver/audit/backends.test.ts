import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { silentLogger } from '../../base/logger.js';
import type { AuditBackend } from './audit-backend.js';
import { UnionBackend } from './audit-backend.js';
import { AuditEvent } from './audit-event.js';
import { AuditMetrics } from './audit-metrics.js';
import type { BatchSettings } from './buffered-backend.js';
import { BufferedBackend } from './buffered-backend.js';
import type { LogFormat } from './log-backend.js';
import { ForgivingBackend, LogBackend } from './log-backend.js';
import { TruncatingBackend } from './truncating-backend.js';
import { WebhookSender } from './webhook-sender.js';

function event(id: string, bodyBytes = 0, level = 'Request'): AuditEvent {
  return new AuditEvent({
    head: {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level,
      auditID: id,
      stage: 'ResponseComplete',
      requestURI: '/',
      verb: 'get',
      user: {},
      responseStatus: undefined,
    },
    requestText: bodyBytes ? JSON.stringify('x'.repeat(bodyBytes)) : undefined,
    responseText: undefined,
    receivedMs: 0,
    stageMs: 0,
    annotations: undefined,
  });
}

const idOf = ({ json }: AuditEvent): string => (JSON.parse(json) as { auditID: string }).auditID;
const metricsOf = (): AuditMetrics => new AuditMetrics(silentLogger, new FakeClock());

class Collector implements AuditBackend {
  readonly batches: string[][] = [];
  isStopped = false;
  isTaken = true;

  process(events: readonly AuditEvent[]): boolean {
    this.batches.push(events.map(idOf));
    return this.isTaken;
  }

  async stop(): Promise<void> {
    this.isStopped = true;
  }
}

describe('the log backend', () => {
  const written = (format: LogFormat): { lines: string[]; backend: LogBackend } => {
    const lines: string[] = [];
    const output = { write: (line: string) => void lines.push(line), close: async () => undefined };
    return { lines, backend: new LogBackend({ output, format, metrics: metricsOf() }) };
  };

  it('writes a line an event, in either format', () => {
    for (const format of ['json', 'legacy'] as const) {
      const { lines, backend } = written(format);
      expect(backend.process([event('a'), event('b')])).toBe(true);
      expect(lines.map(line => line.split('\n').length)).toEqual([2, 2]);
      expect(lines[1]).toContain(format === 'json' ? '"auditID":"b"' : 'AUDIT: id="b"');
    }
  });

  it('counts what cannot be written; requests go on, unless it is strict', () => {
    const metrics = metricsOf();
    const fails = (): never => {
      throw new Error('ENOSPC: no space left on device');
    };
    const strict = new LogBackend({ output: { write: fails, close: async () => undefined }, format: 'json', metrics });
    expect(strict.process([event('a'), event('b')])).toBe(false);
    expect(new ForgivingBackend(strict).process([event('c')])).toBe(true);
    expect(metrics.text()).toContain('apiserver_audit_error_total{plugin="log"} 3\n');
  });
});

describe('several backends', () => {
  it('all get every event, and each may say no', async () => {
    const [first, second] = [new Collector(), new Collector()];
    const union = new UnionBackend([first, second]);
    first.isTaken = false;
    expect(union.process([event('a')])).toBe(false);
    first.isTaken = true;
    expect(union.process([event('b')])).toBe(true);
    await union.stop();
    expect([first.batches, second.batches]).toEqual([
      [['a'], ['b']],
      [['a'], ['b']],
    ]);
    expect([first.isStopped, second.isStopped]).toEqual([true, true]);
  });
});

describe('the mode batch', () => {
  const settings: BatchSettings = { bufferSize: 5, maxBatchSize: 2, maxBatchWaitMs: 1000, throttle: undefined };
  const buffered = (more: Partial<BatchSettings> = {}) => {
    const [clock, receiver, metrics] = [new FakeClock(), new Collector(), metricsOf()];
    const backend = new BufferedBackend({ ...settings, ...more, receiver, clock, metrics });
    return { clock, receiver, metrics, backend };
  };

  it('hands over full batches at once, and others when the first has waited long enough', async () => {
    const { clock, receiver, backend } = buffered();
    for (const id of ['a', 'b', 'c']) expect(backend.process([event(id)])).toBe(true);
    expect(receiver.batches).toEqual([]);
    await clock.advance(0);
    expect(receiver.batches).toEqual([['a', 'b']]);
    await clock.advance(999);
    expect(receiver.batches).toHaveLength(1);
    await clock.advance(1);
    expect(receiver.batches).toEqual([['a', 'b'], ['c']]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('loses what does not fit, and what comes too late', async () => {
    const { backend, metrics, receiver } = buffered();
    expect(backend.process(Array.from({ length: 7 }, (_, index) => event(`${index}`)))).toBe(true);
    await backend.stop();
    expect(receiver.batches).toEqual([['0', '1'], ['2', '3'], ['4']]);
    expect(receiver.isStopped).toBe(true);
    expect(backend.process([event('late')])).toBe(true);
    expect(metrics.text()).toContain('apiserver_audit_error_total{plugin="buffered"} 3\n');
  });

  it('sends no more batches than it may', async () => {
    const { clock, receiver, backend } = buffered({ bufferSize: 100, maxBatchSize: 1, throttle: { perSecond: 2, burst: 3 } });
    for (let index = 0; index < 6; index++) backend.process([event(`${index}`)]);
    await clock.advance(0);
    expect(receiver.batches).toHaveLength(3);
    await clock.advance(499);
    expect(receiver.batches).toHaveLength(3);
    await clock.advance(1);
    expect(receiver.batches).toHaveLength(4);
    await clock.advance(1000);
    expect(receiver.batches).toHaveLength(6);
  });
});

describe('truncation', () => {
  it('takes the bodies out of what is too large, splits batches, and loses what is too large even so', () => {
    const [inner, metrics] = [new Collector(), metricsOf()];
    const texts: string[] = [];
    const seen: AuditBackend = {
      process: events => (texts.push(...events.map(({ json }) => json)), inner.process(events)),
      stop: () => inner.stop(),
    };
    const small = Buffer.byteLength(event('a').truncated().json) + 10;
    const backend = new TruncatingBackend({ inner: seen, metrics, maxEventBytes: small, maxBatchBytes: 2 * small });
    const huge = event('x'.repeat(500), 0, 'Metadata');
    expect(backend.process([event('a', 500), event('b'), huge, event('c'), event('d')])).toBe(true);
    expect(inner.batches).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(texts[0]).toContain('"audit.k8s.io/truncated":"true"');
    expect(texts[1]).not.toContain('truncated');
    expect(metrics.text()).toContain('apiserver_audit_error_total{plugin="truncate"} 1\n');
  });
});

describe('the audit webhook', () => {
  const sender = (answers: ('good' | 'bad')[]) => {
    const [clock, metrics] = [new FakeClock(), metricsOf()];
    const bodies: string[] = [];
    let closed = 0;
    const endpoint = {
      post: async (body: string): Promise<void> => {
        bodies.push(body);
        if (answers.shift() === 'bad') throw new Error('refused');
      },
      close: () => void closed++,
    };
    const webhook = new WebhookSender({ endpoint, initialBackoffMs: 1000, clock, metrics });
    return { webhook, clock, metrics, bodies, closed: () => closed };
  };

  it('is sent a list whose items do not say what they are', async () => {
    const { webhook, bodies } = sender(['good']);
    expect(await webhook.process([event('a'), event('b')])).toBe(true);
    const { items, ...rest } = JSON.parse(bodies[0]!) as { items: object[] };
    expect(rest).toEqual({ kind: 'EventList', apiVersion: 'audit.k8s.io/v1', metadata: {} });
    expect(items.map(item => Object.keys(item)[0])).toEqual(['level', 'level']);
  });

  it('is tried five times, each time after a longer while', async () => {
    const { webhook, clock, bodies, metrics } = sender(['bad', 'bad', 'bad', 'bad', 'bad']);
    const sent = webhook.process([event('a'), event('b')]);
    await clock.advance(0);
    await clock.advance(999);
    expect(bodies).toHaveLength(1);
    await clock.advance(201);
    expect(bodies).toHaveLength(2);
    await clock.advance(20_000);
    expect(await sent).toBe(false);
    expect(bodies).toHaveLength(5);
    expect(metrics.text()).toContain('apiserver_audit_error_total{plugin="webhook"} 2\n');
  });

  it('is tried once more at the end, without waiting', async () => {
    const { webhook, clock, bodies, closed } = sender(['bad', 'good']);
    const sent = webhook.process([event('a')]);
    await clock.advance(0);
    await webhook.stop();
    expect(await sent).toBe(true);
    expect(bodies).toHaveLength(2);
    expect([closed(), clock.pendingTimers]).toEqual([1, 0]);
    const other = sender(['bad', 'bad', 'good']);
    const lost = other.webhook.process([event('a')]);
    await other.clock.advance(0);
    await other.webhook.stop();
    expect(await lost).toBe(false);
  });
});
