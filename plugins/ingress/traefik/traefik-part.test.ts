import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../../core/base/fake-clock.js';
import { silentLogger } from '../../../core/base/logger.js';
import { FakeTransport } from '../../../core/client/testing/fake-transport.js';
import { Client, Resources } from '../../../core/plugin-api/index.js';
import type { Ingress, Secret } from '../../../core/plugin-api/index.js';
import { createAuthority } from '../../../core/pki/certificate-authority.js';
import { generatePrivateKeyPem } from '../../../core/pki/private-key.js';
import { TraefikPart } from './traefik-part.js';
import type { TraefikPartOptions } from './traefik-part.js';

let directory: string;
let part: TraefikPart;
let published: Set<string>;
const clock = new FakeClock();
const transport = new FakeTransport(clock);
const client = new Client(transport, { name: 'admin', groups: ['system:masters'] });

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'traefik-'));
  published = new Set();
  const channel = {
    set: (key: string) => void published.add(key),
    delete: (key: string) => void published.delete(key),
    settled: async () => undefined,
    close: () => undefined,
  };
  part = new TraefikPart({
    transport,
    dataplane: { channel: () => channel },
    settings: { nodeName: 'a', nodeIps: ['192.0.2.10'] },
    paths: { agent: { etcDir: directory } },
    options: { webPort: 80, websecurePort: 443, insecureSkipVerify: false, listenAddresses: ['192.0.2.10'] },
    clock,
    logger: silentLogger,
  } as unknown as TraefikPartOptions);
  await part.start(new AbortController().signal);
});
afterEach(async () => {
  await part.stop();
  await rm(directory, { recursive: true });
});

it('a certificate that comes while those of others are written is published too', async () => {
  const key = generatePrivateKeyPem();
  const chain = await (await createAuthority('test')).issue(key, { commonName: 'x', subjectAltNames: ['x'], usages: ['server'] });
  const data = { 'tls.crt': Buffer.from(chain).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') };
  const secrets = client.resource(Resources.Secrets, 'default');
  const secret = (name: string): Promise<unknown> =>
    secrets.create({ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name }, data } as Secret);
  const ingress = (name: string): Promise<unknown> => {
    const spec = { tls: [{ hosts: [name], secretName: name }] };
    const metadata = { name };
    const object = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', metadata, spec } as unknown as Ingress;
    return client.resource(Resources.Ingresses, 'default').create(object);
  };
  await secret('b');
  await ingress('a');
  await ingress('b');
  let late: Promise<unknown> | undefined;
  // The first is looked for and is not there: it comes before the second has been written.
  transport.reactors.push(({ verb, resource }) => {
    if (verb === 'create' && resource === 'events') late ??= secret('a');
  });
  // Files are written in real time.
  for (let turn = 0; turn < 500 && !published.has('certificate/default/a'); turn++) {
    await clock.advance(20);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  await late;
  expect([...published]).toEqual(expect.arrayContaining(['certificate/default/a', 'certificate/default/b']));
});
