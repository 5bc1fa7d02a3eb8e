import { describe, expect, it } from '@jest/globals';
import { ageOf, humanDuration } from './human-duration.js';

const minute = 60;
const hour = 60 * minute;
const day = 24 * hour;

/** Seconds, text: what kubectl's users see. */
const known: [number, string][] = [
  [-2, '<invalid>'],
  [-1, '0s'],
  [119, '119s'],
  [2 * minute, '2m'],
  [190, '3m10s'],
  [70 * minute, '70m'],
  [3 * hour, '3h'],
  [3 * hour + 5 * minute, '3h5m'],
  [47 * hour, '47h'],
  [49 * hour, '2d1h'],
  [8 * day + 2 * hour, '8d'],
  [367 * day, '367d'],
  [(2 * 365 + 25) * day, '2y25d'],
  [3 * 365 * day, '3y'],
  [(8 * 365 + 2) * day, '8y'],
];

describe('humanDuration', () => {
  it.each(known)('%d seconds are %s', (seconds, text) => {
    expect(humanDuration(seconds * 1000)).toBe(text);
  });

  it('ageOf counts from the time given, and knows no age without one', () => {
    expect(ageOf('2020-01-01T00:00:00Z', Date.parse('2020-01-01T00:03:10Z'))).toBe('3m10s');
    expect(ageOf(undefined, 0)).toBe('<unknown>');
  });
});
