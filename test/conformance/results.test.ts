import { describe, expect, it } from '@jest/globals';
import type { ConformanceTest } from './conformance-list.js';
import { Lines, assertionOf, parseResult, scoresOf, totalOf } from './results.js';
import type { Result } from './results.js';

const test = (area: string, name: string): ConformanceTest => ({ sig: 'sig-x', area, name, serial: false });
const result = (name: string, outcome: Result['outcome'], message = ''): Result => ({
  name,
  outcome,
  seconds: 1,
  message,
  location: '',
});

describe('lines of results', () => {
  it('are read with all that they tell', () => {
    const line = '{"name":"a","state":"failed","seconds":1.5,"message":"no","location":"node/a.go:1"}';
    expect(parseResult(line)).toEqual({ name: 'a', outcome: 'failed', seconds: 1.5, message: 'no', location: 'node/a.go:1' });
  });

  it('count every other end of a test as a failure and keep its word', () => {
    for (const state of ['panicked', 'timedout', 'interrupted', 'aborted']) {
      expect(parseResult(`{"name":"a","state":"${state}"}`)).toMatchObject({ outcome: 'failed', message: state });
    }
  });

  it.each(['', 'null', '[]', '{"name":1}', '{"name":"a"', '{"state":"passed"}'])('are no result: %s', line => {
    expect(parseResult(line)).toBeUndefined();
  });

  it('are put together from pieces', () => {
    const lines = new Lines();
    expect([lines.push('{"a"'), lines.push(':1}\n\n{"b"'), lines.push(':2}\n')]).toEqual([[], ['{"a":1}'], ['{"b":2}']]);
  });
});

describe('scores', () => {
  const list = [test('watch', 'w1'), test('watch', 'w2'), test('dns', 'd1'), test('dns', 'd2'), test('lease', 'l1')];

  it('count the chosen tests of each area, the last result of a test, and what did not run', () => {
    const results = [result('w1', 'failed'), result('w1', 'passed'), result('d1', 'skipped'), result('[BeforeSuite]', 'failed')];
    const scores = scoresOf(list.slice(0, 3), results, list);
    expect(scores).toEqual([
      { area: 'dns', passed: 0, failed: 0, skipped: 1, notRun: 0, listed: 2 },
      { area: 'watch', passed: 1, failed: 0, skipped: 0, notRun: 1, listed: 2 },
    ]);
    expect(totalOf(scores)).toMatchObject({ passed: 1, failed: 0, skipped: 1, notRun: 1, listed: 4 });
  });
});

describe('an assertion', () => {
  it('is on one line, without the objects that are printed after it', () => {
    const message =
      'creating it: Unexpected error:\n    <*errors.StatusError | 0xc0001>: \n    not found\n    {\n  ErrStatus: {}\n}';
    expect(assertionOf(result('a', 'failed', message))).toBe('creating it: Unexpected error: not found');
  });

  it('keeps values', () => {
    expect(assertionOf(result('a', 'failed', 'Expected\n    <int>: 1\nto equal\n    <int>: 2'))).toBe(
      'Expected <int>: 1 to equal <int>: 2',
    );
  });

  it('is cut when it is long', () => {
    expect(assertionOf(result('a', 'failed', 'x'.repeat(900)))).toHaveLength(300);
  });
});
