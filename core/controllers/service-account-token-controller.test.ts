import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Secrets, ServiceAccounts } from '../api/generated/resources.js';
import type { Secret, ServiceAccount } from '../api/generated/types.js';
import { internalError } from '../machinery/status-error.js';
import { serviceAccountTokenController } from './service-account-token-controller.js';
import { ControllerHarness } from './testing/harness.js';

const type = 'kubernetes.io/service-account-token';
const decoded = ({ data = {} }: Secret): Record<string, string> =>
  Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]));

describe('service account tokens in secrets', () => {
  let harness: ControllerHarness;
  beforeEach(() => {
    harness = new ControllerHarness();
  });
  afterEach(() => harness.stop());

  const start = (): Promise<void> => harness.start(serviceAccountTokenController);
  const createAccount = (name: string, more: object = {}): Promise<ServiceAccount> =>
    harness.resource(ServiceAccounts).create({ metadata: { name }, ...more } as ServiceAccount);
  const createSecret = (name: string, account: string, more: object = {}): Promise<Secret> =>
    harness.resource(Secrets).create({
      metadata: { name, annotations: { 'kubernetes.io/service-account.name': account } },
      type,
      ...more,
    } as unknown as Secret);
  const names = async (): Promise<string[]> =>
    (await harness.resource(Secrets).objects()).map(({ metadata }) => metadata.name!).sort();

  it('fills a secret, old or new, and leaves it alone then', async () => {
    const account = await createAccount('builder');
    await createSecret('old', 'builder');
    await start();
    await createSecret('new', 'builder', { data: { extra: 'eA==' } });
    await createSecret('plain', 'builder', { type: 'Opaque' });
    await harness.settle();
    for (const name of ['old', 'new']) {
      const secret = await harness.resource(Secrets).get(name);
      const extra = name === 'new' ? { extra: 'x' } : {};
      const token = `TOKEN ${account.metadata.uid} ${name}`;
      expect(decoded(secret)).toEqual({ ...extra, 'ca.crt': 'CA', namespace: 'default', token });
      expect(secret.metadata.annotations).toEqual({
        'kubernetes.io/service-account.name': 'builder',
        'kubernetes.io/service-account.uid': account.metadata.uid,
      });
    }
    expect((await harness.resource(Secrets).get('plain')).data).toBeUndefined();
    expect(harness.transport.writes().filter(write => write === 'update secrets')).toHaveLength(2);
  });

  it('renews what somebody took out and keeps the token that is there', async () => {
    await start();
    await createAccount('builder');
    await createSecret('s', 'builder');
    await harness.settle();
    const before = decoded(await harness.resource(Secrets).get('s'));
    await harness.resource(Secrets).patch('s', 'merge', { data: { 'ca.crt': 'b2xk', namespace: null } });
    await harness.settle();
    expect(decoded(await harness.resource(Secrets).get('s'))).toEqual(before);
    await harness.resource(Secrets).patch('s', 'merge', { data: { token: 'b3du' } });
    await harness.settle();
    expect(decoded(await harness.resource(Secrets).get('s'))).toEqual({ ...before, token: 'own' });
  });

  it('deletes the secrets of accounts that are gone or were never there', async () => {
    await start();
    await createSecret('stray', 'nobody');
    await createAccount('builder');
    await createAccount('other');
    await createSecret('s', 'builder');
    await createSecret('kept', 'other');
    await harness.settle();
    expect(await names()).toEqual(['kept', 's']);
    await harness.resource(ServiceAccounts).delete('builder');
    await harness.settle();
    expect(await names()).toEqual(['kept']);
  });

  it('deletes the secret of an account that was replaced by one of the same name', async () => {
    await createAccount('builder');
    await createSecret('s', 'builder', {
      metadata: {
        name: 's',
        annotations: { 'kubernetes.io/service-account.name': 'builder', 'kubernetes.io/service-account.uid': 'earlier' },
      },
    });
    await start();
    expect(await names()).toEqual([]);
  });

  it('takes a deleted secret out of its account', async () => {
    await start();
    await createAccount('builder', { secrets: [{ name: 'a' }, { name: 'b' }] });
    await createSecret('a', 'builder');
    await createSecret('b', 'builder');
    await harness.settle();
    await harness.resource(Secrets).delete('a');
    await harness.settle();
    expect((await harness.resource(ServiceAccounts).get('builder')).secrets).toEqual([{ name: 'b' }]);
    await harness.resource(Secrets).delete('b');
    await harness.settle();
    expect((await harness.resource(ServiceAccounts).get('builder')).secrets).toBeUndefined();
  });

  it('tries again when a write fails', async () => {
    let failures = 0;
    harness.transport.reactors.push(({ verb, resource }) => {
      if (verb === 'update' && resource === 'secrets' && failures++ < 2) throw internalError('no disk');
    });
    await start();
    await createAccount('builder');
    await createSecret('s', 'builder');
    await harness.settle();
    expect((await harness.resource(Secrets).get('s')).data).toBeUndefined();
    await harness.advance(1000);
    await harness.advance(1000);
    expect(decoded(await harness.resource(Secrets).get('s'))['namespace']).toBe('default');
  });
});
