import { describe, expect, it } from '@jest/globals';
import { coredns } from './index.js';

describe("coredns' option upstream", () => {
  const { format: check } = coredns.options!['upstream'] as { format: (value: unknown) => void };

  it.each(['', '192.0.2.53', '192.0.2.53:5353', 'fd00::53', '[fd00::53]:53'])('takes "%s"', value => {
    expect(() => check(value)).not.toThrow();
  });

  it.each(['dns.example.com', '192.0.2.53:', '/etc/resolv.conf', '192.0.2:53', '[dns]:53', '192.0.2.53:123456'])(
    'refuses "%s"',
    value => {
      expect(() => check(value)).toThrow('must be address:port of a DNS server');
    },
  );
});
