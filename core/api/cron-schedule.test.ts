import { describe, expect, it } from '@jest/globals';
import { parseCronSchedule } from './cron-schedule.js';
import { zoneClock } from './time-zone.js';

const next = (spec: string, after: string, zone = 'UTC'): string => {
  const at = parseCronSchedule(spec, zone).next(Date.parse(after));
  return at === undefined ? 'never' : new Date(at).toISOString();
};

describe('cron schedules', () => {
  it.each([
    ['* * * * *', '2026-01-01T00:00:00Z', '2026-01-01T00:01:00.000Z'],
    ['*/15 * * * *', '2026-01-01T00:15:00.500Z', '2026-01-01T00:30:00.000Z'],
    ['20-35/15 * * * *', '2026-07-09T14:45:00Z', '2026-07-09T15:20:00.000Z'],
    ['0 0 1 * *', '2026-12-15T00:00:00Z', '2027-01-01T00:00:00.000Z'],
    ['0 0 29 feb *', '2026-01-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['0 12 * * mon-fri', '2026-01-02T13:00:00Z', '2026-01-05T12:00:00.000Z'],
    ['0 0 13 * 5', '2026-01-03T00:00:00Z', '2026-01-09T00:00:00.000Z'],
    ['0 0 */5 * 5', '2026-01-03T00:00:00Z', '2026-01-06T00:00:00.000Z'],
    ['5/20 * * * ?', '2026-01-01T00:06:00Z', '2026-01-01T00:25:00.000Z'],
    ['@hourly', '2026-01-01T00:30:00Z', '2026-01-01T01:00:00.000Z'],
    ['@weekly', '2026-01-01T00:30:00Z', '2026-01-04T00:00:00.000Z'],
    ['@yearly', '2026-01-01T00:30:00Z', '2027-01-01T00:00:00.000Z'],
    ['@every 1h30m', '2026-01-01T00:00:10.700Z', '2026-01-01T01:30:10.000Z'],
    ['@every 10ms', '2026-01-01T00:00:10Z', '2026-01-01T00:00:11.000Z'],
    ['0 0 30 2 *', '2026-01-01T00:00:00Z', 'never'],
    ['TZ=America/New_York 0 9 * * *', '2026-01-01T00:00:00Z', '2026-01-01T14:00:00.000Z'],
  ])('%s after %s', (spec, after, expected) => {
    expect(next(spec, after)).toBe(expected);
  });

  it('leaves out times that a day leaves out and repeats those that come twice', () => {
    const zone = 'America/New_York';
    expect(next('30 2 * * *', '2026-03-08T00:00:00-05:00', zone)).toBe('2026-03-09T06:30:00.000Z');
    expect(next('30 1 * * *', '2026-11-01T00:00:00-04:00', zone)).toBe('2026-11-01T05:30:00.000Z');
    expect(next('30 1 * * *', '2026-11-01T01:30:00-04:00', zone)).toBe('2026-11-01T06:30:00.000Z');
    expect(next('0 0 * * *', '2026-03-08T12:00:00-04:00', zone)).toBe('2026-03-09T04:00:00.000Z');
  });

  it.each([
    ['', 'empty spec string'],
    ['* * * *', 'expected exactly 5 fields, found 4: [* * * *]'],
    ['60 * * * *', 'end of range (60) above maximum (59): 60'],
    ['* * 0 * *', 'beginning of range (0) below minimum (1): 0'],
    ['5-3 * * * *', 'beginning of range (5) beyond end of range (3): 5-3'],
    ['*/0 * * * *', 'step of range should be a positive number: */0'],
    ['1-2-3 * * * *', 'too many hyphens: 1-2-3'],
    ['1/2/3 * * * *', 'too many slashes: 1/2/3'],
    ['x * * * *', 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'],
    ['@never', 'unrecognized descriptor: @never'],
    ['TZ=Mars/Base * * * * *', 'provided bad location Mars/Base: unknown time zone Mars/Base'],
  ])('refuses "%s"', (spec, message) => {
    expect(() => parseCronSchedule(spec)).toThrow(message);
  });

  it('writes times with the zone of their clock', () => {
    const at = Date.parse('2026-01-01T00:00:00Z');
    expect(zoneClock('')?.format(at)).toBe('2026-01-01T00:00:00Z');
    expect(zoneClock('Asia/Kolkata')?.format(at)).toBe('2026-01-01T05:30:00+05:30');
    expect(zoneClock('America/New_York')?.format(at)).toBe('2025-12-31T19:00:00-05:00');
    expect(zoneClock('No/Where')).toBeUndefined();
  });
});
