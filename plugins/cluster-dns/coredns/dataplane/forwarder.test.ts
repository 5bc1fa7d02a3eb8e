import { expect, it } from '@jest/globals';
import { Forwarder } from './forwarder.js';
import { parseQuery } from './wire.js';
import type { Query } from './wire.js';

/** `example.com`, type A. */
const question = Buffer.from('123401000001000000000000076578616d706c6503636f6d0000010001', 'hex');

it('a server that cannot be reached at all is told of at once, and is nobody’s uncaught fault', async () => {
  const told: unknown[] = [];
  const forwarder = new Forwarder({ isOwn: () => false, log: (_level, _message, fields) => void told.push(fields?.['error']) });
  // The kernel refuses to connect to everybody at once, as it does to a server to which no route leads.
  const forward = { to: ['255.255.255.255'], policy: 'sequential', forceTcp: false } as const;
  expect(await forwarder.ask(parseQuery(question) as Query, forward as never)).toBeUndefined();
  expect(told).toHaveLength(2);
  expect(String(told[0])).toMatch(/EACCES|ENETUNREACH/);
});
