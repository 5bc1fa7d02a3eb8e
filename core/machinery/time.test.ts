import { describe, expect, it } from '@jest/globals';
import {
  canonicalTime,
  durationToMs,
  formatDuration,
  formatMicroTime,
  formatTime,
  parseDuration,
  timeToMs,
  wrappedDurationMs,
} from './time.js';

describe('canonicalTime', () => {
  it.each<[string, string | null]>([
    ['2020-01-01T00:00:00Z', '2020-01-01T00:00:00Z'],
    ['2020-01-01T00:00:00.5Z', '2020-01-01T00:00:00Z'],
    ['2020-01-01T00:00:00+02:00', '2019-12-31T22:00:00Z'],
    ['2000-02-29T23:59:59Z', '2000-02-29T23:59:59Z'],
    ['1960-05-05T05:05:05Z', '1960-05-05T05:05:05Z'],
    ['2020-01-01T1:00:00Z', '2020-01-01T01:00:00Z'],
    ['0001-01-01T00:00:00Z', null],
    ['9999-12-31T23:59:59-01:00', '10000-01-01T00:59:59Z'],
  ])('%s', (text, expected) => expect(canonicalTime(text, false)).toBe(expected));

  it('keeps six digits where asked', () => {
    expect(canonicalTime('2020-01-01T00:00:00.123456+01:00', true)).toBe('2019-12-31T23:00:00.123456Z');
    expect(() => canonicalTime('2020-01-01T00:00:00Z', true)).toThrow('cannot parse "Z" as ".000000"');
  });

  it.each([
    ['abc', 'parsing time "abc" as "2006-01-02T15:04:05Z07:00": cannot parse "abc" as "2006"'],
    ['2020-01-01', 'parsing time "2020-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"'],
    ['2020-13-01T00:00:00Z', 'parsing time "2020-13-01T00:00:00Z": month out of range'],
    ['2020-02-30T00:00:00Z', 'parsing time "2020-02-30T00:00:00Z": day out of range'],
    ['2020-01-01T00:00:00Zx', 'parsing time "2020-01-01T00:00:00Zx": extra text: "x"'],
    ['2020-01-01T00:00:00', 'parsing time "2020-01-01T00:00:00" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00"'],
  ])('refuses %s in the words of Go', (text, message) => expect(() => canonicalTime(text, false)).toThrow(message));

  it('agrees with Date over four centuries', () => {
    for (let ms = Date.UTC(1800, 0, 1); ms < Date.UTC(2200, 0, 1); ms += 86400000 * 37 + 12345678) {
      const text = new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');
      expect(formatTime(ms)).toBe(text);
      expect(timeToMs(text)).toBe(Math.floor(ms / 1000) * 1000);
    }
    expect(formatMicroTime(new Date('2020-01-01T00:00:00.123Z'))).toBe('2020-01-01T00:00:00.123000Z');
  });
});

describe('durations', () => {
  it.each([
    ['1h30m', '1h30m0s'],
    ['-1.5s', '-1.5s'],
    ['1.5h', '1h30m0s'],
    ['1500ms', '1.5s'],
    ['1us500ns', '1.5µs'],
    ['0.000000001s', '1ns'],
    ['.5s', '500ms'],
    ['0', '0s'],
    ['36h', '36h0m0s'],
    ['-9223372036854775808ns', '-2562047h47m16.854775808s'],
  ])('%s prints as %s', (text, expected) => expect(formatDuration(parseDuration(text))).toBe(expected));

  it.each([
    ['', 'time: invalid duration ""'],
    ['1', 'time: missing unit in duration "1"'],
    ['1d', 'time: unknown unit "d" in duration "1d"'],
    ['9223372036854775808ns', 'time: invalid duration "9223372036854775808ns"'],
  ])('refuses %j', (text, message) => expect(() => parseDuration(text)).toThrow(message));

  it('gives milliseconds', () => expect(durationToMs('1m0.5s')).toBe(60500));
});

describe('wrappedDurationMs', () => {
  it.each([
    [30, 30_000],
    [9_223_372_036, 9_223_372_036_000],
    [-9_223_372_036, -9_223_372_036_000],
    // time.Second * time.Duration(x) as Go computes it.
    [2n ** 63n - 1n, -1000],
    [-(2n ** 63n), 0],
    [9_223_372_037, -9_223_372_036_709.55],
  ])('of %s s is %s ms', (seconds, expected) => expect(wrappedDurationMs(seconds)).toBeCloseTo(expected, 2));
});
