import { expect, it } from '@jest/globals';
import type { Node } from '../api/generated/types.js';
import type { Moment } from './node-health.js';
import { observeHealth, silentConditions } from './node-health.js';

const at = (ms: number): Moment => ({ nowMs: ms, monotonicMs: ms });

it('a node may be silent as long as upstream, or as the user, lets it', () => {
  const ready = { type: 'Ready', status: 'True', lastHeartbeatTime: '2026-01-01T00:00:00Z' };
  const running = { metadata: { name: 'a' }, status: { conditions: [ready] } } as unknown as Node;
  const fresh = { metadata: { name: 'b', creationTimestamp: '1970-01-01T00:00:00Z' } } as unknown as Node;
  const isSilent = (node: Node, afterMs: number, tuning?: Parameters<typeof silentConditions>[3]): boolean =>
    silentConditions(node, observeHealth(undefined, node, undefined, at(0)), at(afterMs), tuning) !== undefined;
  expect([isSilent(running, 50_000), isSilent(running, 50_001)]).toEqual([false, true]);
  expect([isSilent(fresh, 60_000), isSilent(fresh, 60_001)]).toEqual([false, true]);
  const tuning = { nodeMonitorGraceMs: 2000, nodeStartupGraceMs: 3000 };
  expect([isSilent(running, 2000, tuning), isSilent(running, 2001, tuning)]).toEqual([false, true]);
  expect([isSilent(fresh, 3000, tuning), isSilent(fresh, 3001, tuning)]).toEqual([false, true]);
});
