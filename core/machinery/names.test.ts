import { describe, expect, it } from '@jest/globals';
import * as names from './names.js';

describe('names', () => {
  it('takes what is right', () => {
    expect(names.validateDns1123Label('my-name')).toEqual([]);
    expect(names.validateDns1123Subdomain('a.b-c')).toEqual([]);
    expect(names.validateQualifiedName('example.com/My_name')).toEqual([]);
    expect(names.validateLabelValue('')).toEqual([]);
    expect(names.validatePortName('http-1')).toEqual([]);
    expect(names.validateEnvironmentVariableName('a.B-c_1')).toEqual([]);
    expect(names.validateWildcardDns1123Subdomain('*.example.com')).toEqual([]);
    expect(names.nameIsDnsSubdomain('prefix-', true)).toEqual([]);
  });

  it('says what is wrong in the words of upstream', () => {
    expect(names.validateDns1123Label('a.b')).toEqual(['must not contain dots']);
    expect(names.validateDns1123Label('A'.repeat(64))).toEqual([
      'must be no more than 63 characters',
      "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ]);
    expect(names.validateDns1123Subdomain('a_b')[0]).toContain("(e.g. 'example.com', regex used for validation is");
    expect(names.validateDns1123Label('a\n')).toHaveLength(1);
    expect(names.validateQualifiedName('a/b/c')[0]).toMatch(
      /^a valid label key must consist of .* \(e\.g\. 'example\.com\/MyName'\)$/,
    );
    expect(names.validateQualifiedName('/b')).toEqual(['prefix part must be non-empty']);
    expect(names.validateLabelValue('x'.repeat(64))).toEqual(['must be no more than 63 bytes']);
    expect(names.validatePortName('a--b-')).toEqual([
      'must not contain consecutive hyphens',
      'must not begin or end with a hyphen',
    ]);
    expect(names.validatePathSegmentName('a/b%')).toEqual(["may not contain '/'", "may not contain '%'"]);
    expect(names.validatePathSegmentName('..')).toEqual(["may not be '..'"]);
    expect(names.validateConfigMapKey('..x')).toEqual(["must not start with '..'"]);
    expect(names.validatePortNumber(0)).toEqual(['must be between 1 and 65535, inclusive']);
  });
});

describe('addresses', () => {
  it.each([
    ['1.2.3.4', []],
    ['2001:db8::1', []],
    ['01.2.3.4', ['must not have leading 0s']],
    ['::ffff:1.2.3.4', ['must not be an IPv4-mapped IPv6 address']],
    ['2001:DB8::1', ['must be in canonical form ("2001:db8::1")']],
    ['::1.2.3.4', ['must be in canonical form ("::102:304")']],
    ['1.2.3', ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']],
    ['fe80::1%eth0', ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']],
    ['12345::', ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)']],
  ])('%s', (text, expected) => expect(names.validateIp(text)).toEqual(expected));

  it.each([
    ['10.0.0.0/8', []],
    ['2001:db8::/32', []],
    ['10.0.0.1/8', ['must not have bits set beyond the prefix length']],
    ['10.0.0.0/08', ['must not have leading 0s in IP or prefix length']],
    ['10.0.0.0/33', ['must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)']],
    ['2001:DB8::/32', ['must be in canonical form ("2001:db8::/32")']],
  ])('%s', (text, expected) => expect(names.validateCidr(text)).toEqual(expected));

  it('takes what older fields took', () => {
    expect(names.validateIp('01.2.3.4', true)).toEqual([]);
    expect(names.parseAddress('01.2.3.4')?.canonical).toBe('1.2.3.4');
    expect(names.parseCidr('10.1.2.3/16')?.canonical).toBe('10.1.0.0/16');
  });
});
