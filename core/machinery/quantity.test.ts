import { describe, expect, it } from '@jest/globals';
import { Quantity, canonicalQuantity } from './quantity.js';

/** Text, canonical text, whole value, thousandths: what upstream's type answers. */
const known: [string, string, number, number][] = [
  ['0', '0', 0, 0],
  ['00', '0', 0, 0],
  ['1', '1', 1, 1000],
  ['.', '0', 0, 0],
  ['1.', '1.', 1, 1000],
  ['.5', '500m', 1, 500],
  ['1000m', '1', 1, 1000],
  ['1500m', '1500m', 2, 1500],
  ['1.5', '1500m', 2, 1500],
  ['1.123', '1.123', 2, 1123],
  ['0.100', '100m', 1, 100],
  ['+5', '+5', 5, 5000],
  ['-1.5', '-1500m', -2, -1500],
  ['1e3', '1e3', 1000, 1000000],
  ['1e1', '10', 10, 10000],
  ['12E6', '12E6', 12000000, 12000000000],
  ['1e-10', '1e-9', 1, 1],
  ['0.5n', '1n', 1, 1],
  ['1000k', '1M', 1000000, 1000000000],
  ['1024Ki', '1Mi', 1048576, 1048576000],
  ['1000Ki', '1000Ki', 1024000, 1024000000],
  ['8Mi', '8Mi', 8388608, 8388608000],
  ['1.5Gi', '1536Mi', 1610612736, 1610612736000],
  ['0.1Ki', '102400m', 103, 102400],
  ['0.5Ki', '512', 512, 512000],
  ['1536Mi', '1536Mi', 1610612736, 1610612736000],
  ['2048Mi', '2Gi', 2147483648, 2147483648000],
  ['-1Gi', '-1Gi', -1073741824, -1073741824000],
  ['1000E', '1', 2 ** 63, 2 ** 63],
];

describe('Quantity', () => {
  it.each(known)('reads %s as %s', (text, canonical, value, milli) => {
    const quantity = Quantity.parse(text);
    expect([quantity.toString(), quantity.value(), quantity.milliValue()]).toEqual([canonical, value, milli]);
    expect(canonicalQuantity(text)).toBe(canonical);
  });

  it('answers for every plain number and suffix as the long way does', () => {
    for (let number = 0; number < 3000; number++) {
      for (const suffix of ['', 'm', 'k', 'M', 'G', 'Ki', 'Mi', 'Gi']) {
        const text = `${number}${suffix}`;
        expect(canonicalQuantity(text)).toBe(Quantity.parse(text).toString());
      }
    }
  });

  it.each([
    ['', 'quantities must match'],
    ['abc', 'quantities must match'],
    ['1x', 'quantities must match'],
    ['1 ', 'quantities must match'],
    ['1..2', 'quantities must match'],
    ['1i', "unable to parse quantity's suffix"],
    ['1E5k', 'quantities must match'],
    ['1ee5', "unable to parse quantity's suffix"],
    ['1e', "unable to parse quantity's suffix"],
    ['1e99999', "unable to parse quantity's suffix"],
    ['1'.repeat(1001), 'unable to parse numeric part of quantity'],
  ])('refuses %j', (text, message) => {
    expect(() => Quantity.parse(text)).toThrow(message);
  });

  it('takes at most int64 for binary amounts', () => {
    expect(Quantity.parse('9Ei').scaledValue(0)).toBe(9223372036854775807n);
  });

  it('adds, subtracts and compares exactly', () => {
    const sum = Quantity.parse('0.1').add(Quantity.parse('200m'));
    expect(sum.toString()).toBe('300m');
    expect(sum.equals(Quantity.parse('0.3'))).toBe(true);
    expect(Quantity.parse('1Gi').add(Quantity.parse('1')).toString()).toBe('1073741825');
    expect(Quantity.zero.add(Quantity.parse('1Gi')).toString()).toBe('1Gi');
    expect(Quantity.parse('1').sub(Quantity.parse('1100m')).toString()).toBe('-100m');
    expect(Quantity.parse('1Gi').compare(Quantity.parse('1G'))).toBe(1);
    expect(Quantity.parse('1').compare(Quantity.parse('1001m'))).toBe(-1);
    expect(Quantity.parse('1500m').roundUp(0).toString()).toBe('2');
    expect(Quantity.ofMilli(2500).multiply(2).toString()).toBe('5');
    expect(Quantity.of(1048576, 'BinarySI').toString()).toBe('1Mi');
  });
});
