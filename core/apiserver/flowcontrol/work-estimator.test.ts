import { describe, expect, it } from '@jest/globals';
import { FlowControlBench, user } from './testing/flow-control-bench.js';
import { oneSeat } from './seat-request.js';
import { WorkEstimator } from './work-estimator.js';
import type { WorkEstimate } from './seat-request.js';

describe('how many seats a request takes', () => {
  const bench = new FlowControlBench(600);
  const account = user('system:serviceaccount:default:x', 'system:serviceaccounts');
  const schemaFor = (who = account): Parameters<WorkEstimator['estimate']>[2] =>
    bench.levels.matcher.match(who, bench.request('GET', '/api/v1/pods')).schema;
  const estimate = (
    stored: { count: number; bytes: number } | undefined,
    url: string,
    { method = 'GET', name = '', who = account } = {},
  ): WorkEstimate =>
    new WorkEstimator({ stored: () => stored, watches: bench.watches }).estimate(
      bench.request(method, url),
      name,
      schemaFor(who),
    );
  const pods = { count: 1000, bytes: 5_000_000 };
  const seats = (url: string, more?: Parameters<typeof estimate>[2]): number => estimate(pods, url, more).initialSeats;

  it('is one for most', () => {
    for (const method of ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'OPTIONS'])
      expect(estimate(pods, '/api/v1/namespaces/default/pods/x', { method })).toBe(oneSeat);
    expect(estimate(undefined, '/api/v1/nothings')).toBe(oneSeat);
    expect(estimate({ count: 0, bytes: 0 }, '/api/v1/pods')).toBe(oneSeat);
    expect(estimate({ count: 10, bytes: 50_000 }, '/api/v1/pods')).toBe(oneSeat);
    expect(seats('/api/v1/namespaces/default/pods', { method: 'DELETE' })).toBe(1);
  });

  it('grows with what a list holds at a time', () => {
    expect(seats('/api/v1/pods')).toBe(10);
    expect(seats('/api/v1/pods?limit=100')).toBe(5);
    expect(seats('/api/v1/pods?limit=2000')).toBe(10);
    expect(seats('/api/v1/pods?fieldSelector=metadata.name%3Dx', { name: 'x' })).toBe(1);
    expect(seats('/api/v1/pods?resourceVersion=5&resourceVersionMatch=NotOlderThan')).toBe(10);
  });

  it('is more for a state that the cache may not have, up to a part of the level', () => {
    // 50, were it not for what its neighbours need: 15 % of 245 seats.
    expect(seats('/api/v1/pods?resourceVersion=5&resourceVersionMatch=Exact')).toBe(37);
    expect(seats('/api/v1/pods?limit=500&continue=x')).toBe(25);
    expect(seats('/api/v1/pods?limit=100&resourceVersion=5')).toBe(5);
    expect(seats('/api/v1/pods?limit=100&continue=x&labelSelector=a')).toBe(25);
    // A level without queues has no such part.
    expect(seats('/api/v1/pods?resourceVersion=5&resourceVersionMatch=Exact', { who: { name: 'nobody', groups: [] } })).toBe(50);
  });

  it('counts a watch by what it shows first', () => {
    expect(seats('/api/v1/pods?watch=true')).toBe(10);
    expect(seats('/api/v1/pods?watch=true&resourceVersion=0')).toBe(10);
    expect(seats('/api/v1/pods?watch=true&resourceVersion=7')).toBe(1);
    expect(seats('/api/v1/pods?watch=true&resourceVersion=7&sendInitialEvents=true')).toBe(10);
  });

  it('counts the watchers of a change, of its kind, its namespace and itself', () => {
    const { watches } = bench;
    const open = (count: number, url: string, name = ''): (() => void) => {
      const held = Array.from({ length: count }, () => watches.register(bench.request('GET', url), name));
      return () => held.forEach(each => each.dispose());
    };
    const change = (url: string, method = 'PUT'): WorkEstimate => estimate(pods, url, { method });
    const x = '/api/v1/namespaces/default/configmaps/x';
    const closers = [
      open(4, '/api/v1/configmaps?watch=true'),
      open(3, '/api/v1/namespaces/default/configmaps?watch=true'),
      open(2, '/api/v1/namespaces/default/configmaps?watch=true', 'x'),
      open(50, '/api/v1/namespaces/other/configmaps?watch=true'),
      open(50, '/api/v1/secrets?watch=true'),
      open(50, '/api/v1/pods?watch=true&fieldSelector=spec.nodeName%3Dn'),
    ];
    expect(change(x)).toBe(oneSeat);
    closers.push(open(1, '/api/v1/configmaps?watch=true'));
    expect(change(x)).toEqual({ initialSeats: 1, finalSeats: 1, additionalLatencyMs: 5 });
    expect(change('/api/v1/namespaces/default/configmaps/y')).toBe(oneSeat);
    expect(change('/api/v1/namespaces/other/configmaps/y')).toEqual({ initialSeats: 1, finalSeats: 6, additionalLatencyMs: 5 });
    expect(change('/api/v1/namespaces/other/pods/y')).toBe(oneSeat);
    closers.push(open(500, '/api/v1/serviceaccounts?watch=true'));
    expect(change('/api/v1/namespaces/default/serviceaccounts', 'POST')).toEqual({
      initialSeats: 1,
      finalSeats: 10,
      additionalLatencyMs: 25,
    });
    expect(change('/api/v1/namespaces/default/serviceaccounts/y/token', 'POST')).toBe(oneSeat);
    for (const close of closers) close();
    expect(watches.interested(bench.request('PUT', x))).toBe(0);
  });
});
