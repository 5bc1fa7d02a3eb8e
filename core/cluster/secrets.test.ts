import { expect, it } from '@jest/globals';
import type { ConfigValues } from '../../config/index.js';
import { hideSecrets, hideUser } from './secrets.js';

it.each([
  ['postgres://user:p/w@host:5432/db', 'postgres://***@host:5432/db'],
  ['mysql://user:word@tcp(host:3306)/db', 'mysql://***@tcp(host:3306)/db'],
  ['memory://', 'memory://'],
  ['https://a:2379,https://b:2379', 'https://a:2379,https://b:2379'],
])('of %s is shown %s', (text, shown) => expect(hideUser(text)).toBe(shown));

it('tokens and keys are shown to nobody', () => {
  const values = { token: 'hunter2', 'etcd-s3-secret-key': 'key' } as unknown as ConfigValues;
  expect(hideSecrets('no hunter2 with key at postgres://a:b@c', { values })).toBe('no *** with *** at postgres://***@c');
});
