import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../../api/generated/types.js';
import { StatusError } from '../../machinery/status-error.js';
import { pullCredentials } from './pull-credentials.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const file = (entries: object): string => base64(JSON.stringify(entries));

/** Users of the credentials for an image, in the order that they are tried. */
async function users(image: string, ...secrets: (Record<string, string> | Error)[]): Promise<(string | undefined)[]> {
  const names = secrets.map((_secret, at) => ({ name: `s${at}` }));
  const pod = { metadata: { namespace: 'n' }, spec: { imagePullSecrets: names } } as unknown as Pod;
  const get = async (_resource: unknown, _namespace: string, name: string): Promise<never> => {
    const secret = secrets[Number(name.slice(1))]!;
    if (secret instanceof Error) throw secret;
    return { metadata: { uid: name }, data: secret } as never;
  };
  return (await pullCredentials(pod, image, { get: get as never })).map(({ auth }) => auth.username);
}

const auths = (entries: Record<string, string>): Record<string, string> => ({
  '.dockerconfigjson': file({
    auths: Object.fromEntries(Object.entries(entries).map(([server, username]) => [server, { username, password: 'p' }])),
  }),
});

describe('credentials for an image', () => {
  it('are all that match, the longest path first and else as the pod has them', async () => {
    const first = auths({ 'r.example:5000': 'host', 'r.example:5000/team': 'team', 'other.example': 'other' });
    const second = auths({ 'https://r.example:5000/v2/': 'url', 'r.example:5000/team/app': 'app', 'r.example:5000/else': 'no' });
    expect(await users('r.example:5000/team/app:1', first, second)).toEqual(['app', 'team', 'host', 'url']);
    expect(await users('r.example:5000/x:1', first, second)).toEqual(['host', 'url']);
    expect(await users('r.example/team/app:1', first, second)).toEqual([]);
  });

  it('are those of Docker Hub for images without a registry', async () => {
    expect(await users('nginx', auths({ 'https://index.docker.io/v1/': 'hub', 'quay.io': 'quay' }))).toEqual(['hub']);
  });

  it('match one level with a star', async () => {
    const secret = auths({ '*.example.com': 'star', 'eu-*.example.com': 'eu' });
    expect(await users('eu-1.example.com/a', secret)).toEqual(['eu', 'star']);
    expect(await users('a.b.example.com/a', secret)).toEqual([]);
    expect(await users('example.com/a', secret)).toEqual([]);
  });

  it('are read from old files and from joined words', async () => {
    expect(await users('r.example/a', { '.dockercfg': file({ 'r.example': { auth: base64('old:pa:ss') } }) })).toEqual(['old']);
    expect(
      await users('r.example/a', { '.dockerconfigjson': file({ auths: { 'r.example': { auth: base64('broken') } } }) }),
    ).toEqual([undefined]);
  });

  it('are none where there is nothing usable; only a missing secret is passed over', async () => {
    const missing = new StatusError(404, 'NotFound', 'no such secret');
    expect(await users('r.example/a', { '.dockerconfigjson': base64('no json') }, {}, missing)).toEqual([]);
    expect(await users('NOT A NAME', auths({ x: 'x' }))).toEqual([]);
    await expect(users('r.example/a', new Error('forbidden'))).rejects.toThrow('forbidden');
  });
});
