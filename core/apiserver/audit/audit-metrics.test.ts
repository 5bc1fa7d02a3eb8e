import { expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import { SinkLogger } from '../../base/logger.js';
import { AuditMetrics } from './audit-metrics.js';
import type { AuditEvent } from './audit-event.js';

it('tells of what is lost at once, then every ten seconds at most, and counts all of it', async () => {
  const clock = new FakeClock();
  const told: string[] = [];
  const metrics = new AuditMetrics(new SinkLogger(({ message }) => told.push(message)), clock);
  const lose = (count: number): void =>
    metrics.failed('log', new Error('no space left on device'), Array<AuditEvent>(count).fill({ line: 'x' } as AuditEvent));
  lose(1);
  lose(2);
  await clock.advance(9000);
  lose(3);
  expect(told).toEqual(['1 audit events are lost']);
  await clock.advance(1000);
  lose(4);
  expect(told).toEqual(['1 audit events are lost', '9 audit events are lost']);
  expect(metrics.text()).toContain('apiserver_audit_error_total{plugin="log"} 10');
});
