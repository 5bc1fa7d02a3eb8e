import { describe, expect, it } from '@jest/globals';
import { CodedError, errorText } from '../base/errors.js';
import { formatRecord, SinkLogger } from '../base/logger.js';
import type { LogRecord } from '../base/logger.js';
import { definePlugin } from '../plugin-api/descriptor.js';
import type { ConfigValues } from '../../config/index.js';
import { collectSecrets, hideSecrets, hideUser, HidingLogger, shownOptions, withoutSecrets } from './secrets.js';

it.each([
  ['postgres://user:p/w@host:5432/db', 'postgres://***@host:5432/db'],
  ['mysql://user:word@tcp(host:3306)/db', 'mysql://***@tcp(host:3306)/db'],
  ['memory://', 'memory://'],
  ['https://a:2379,https://b:2379', 'https://a:2379,https://b:2379'],
])('of %s is shown %s', (text, shown) => expect(hideUser(text)).toBe(shown));

it('tokens and keys are shown to nobody', () => {
  const values = { token: 'hunter2', 'etcd-s3-secret-key': 'hunter2-key' } as unknown as ConfigValues;
  const secrets = collectSecrets({ config: { values }, catalogue: [], plugins: [] });
  expect(hideSecrets('no hunter2 with hunter2-key at postgres://a:b@c', secrets)).toBe('no *** with *** at postgres://***@c');
});

describe("a plugin's secret options", () => {
  const descriptor = definePlugin({
    id: 'shop',
    slot: 'controllers',
    contract: 1,
    aliases: ['store'],
    options: { password: secret(''), port: { default: 1 }, login: { key: secret('') }, keys: secret([]) } as never,
    load: async () => ({}),
  });
  const values = {} as unknown as ConfigValues;
  const pluginOptions = new Map([['store', { password: 'of-alias' }]]);
  const given = { password: 'hunter2', port: 12_345, login: { key: 4711 }, keys: ['first-key', 'abc'] };
  const secrets = collectSecrets({
    config: { values, pluginOptions },
    catalogue: [{ descriptor, origin: 'test' }],
    plugins: [{ id: 'shop', by: 'test', options: given }],
  });

  it('are found wherever they stand, but for what is too short to be one', () => {
    expect([...secrets].sort()).toEqual(['4711', 'first-key', 'hunter2', 'of-alias']);
    expect(shownOptions(descriptor.options, given)).toEqual({
      password: '***',
      port: 12_345,
      login: { key: '***' },
      keys: '***',
    });
  });

  it('are taken out of errors, their causes and their parts', () => {
    const inner = new Error('refused hunter2');
    const error = new AggregateError([new CodedError('X', 'key 4711', { mend: 'not hunter2' })], 'all', { cause: inner });
    inner.cause = 'hunter2 as a text';
    const shown = withoutSecrets(error, secrets);
    expect(shown).toBe(error);
    expect(errorText(shown)).toBe('all: key ***: refused ***: *** as a text');
    expect(inner.stack).not.toContain('hunter2');
    expect((error.errors[0] as CodedError).mend).toBe('not ***');
    expect(() => withoutSecrets(Object.freeze(new Error('hunter2')), secrets)).not.toThrow();
  });

  it('are taken out of what any part logs', () => {
    const records: LogRecord[] = [];
    const logger = new HidingLogger(new SinkLogger(record => records.push(record), 'debug'), secrets).child('other');
    logger.debug('with hunter2', { error: new Error('of hunter2', { cause: new Error('4711') }), list: { a: ['first-key'] } });
    for (const level of ['info', 'warn', 'error'] as const) logger[level]('hunter2', { port: 12_345 });
    expect(records.map(formatRecord).join('\n')).not.toMatch(/hunter2|4711|first-key/);
    expect(records[1]).toMatchObject({ name: 'other', message: '***', fields: { port: 12_345 } });
  });
});

function secret(value: unknown): object {
  return { default: value, secret: true };
}
