import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { clientAuthUsage, readCertificate, verifyChain } from './certificate.js';
import { createAuthority } from './certificate-authority.js';
import type { ClusterCertificates, ClusterCertificatesOptions } from './cluster-certificates.js';
import { ensureClusterCertificates } from './cluster-certificates.js';
import { generatePrivateKeyPem } from './private-key.js';

const dayMs = 24 * 60 * 60 * 1000;
const nowMs = Date.UTC(2026, 0, 1);
let root: string;
let options: ClusterCertificatesOptions;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'pki-'));
  options = {
    directory: join(root, 'server/tls'),
    clusterDomain: 'cluster.local',
    serviceAddresses: ['10.43.0.1'],
    nodeName: 'node-1',
    nodeAddresses: ['192.0.2.10', '2001:DB8:0::10'],
    tlsSans: ['api.example.com', '*.k3s.example.com', '203.0.113.7'],
    nowMs,
  };
});
afterEach(() => rm(root, { recursive: true, force: true }));

describe('ensureClusterCertificates', () => {
  it('makes all files under their K3s names, readable by the owner only', async () => {
    const made = await ensureClusterCertificates(options);
    const files = await readdir(options.directory);
    expect(files.sort()).toEqual(
      [
        ...['client-ca', 'server-ca'].flatMap(name => [`${name}.crt`, `${name}.key`, `${name}.nochain.crt`]),
        ...['request-header-ca', 'client-admin', 'client-supervisor', 'client-controller', 'client-scheduler'],
        ...['client-kube-apiserver', 'client-kube-proxy', 'client-k3s-controller', 'client-k3s-cloud-controller'],
        ...['client-auth-proxy', 'serving-kube-apiserver'],
        'client-kubelet.key',
        'serving-kubelet.key',
        'service.key',
        'service.current.key',
      ]
        .flatMap(name => (name.includes('.') ? [name] : [`${name}.crt`, `${name}.key`]))
        .sort(),
    );
    for (const file of files) expect((await stat(join(options.directory, file))).mode & 0o777).toBe(0o600);
    expect((await stat(options.directory)).mode & 0o777).toBe(0o700);
    expect(made.written.length).toBe(files.length);
    expect(await readFile(join(options.directory, 'client-admin.crt'), 'utf8')).toBe(made.clients['client-admin'].certPem);
  });

  it('gives names, groups, usages and life times as K3s does', async () => {
    const made = await ensureClusterCertificates(options);
    const admin = readCertificate(made.clients['client-admin'].certPem);
    expect(admin.subject).toEqual({ commonName: 'system:admin', organizations: ['system:masters'], userUids: [] });
    expect(admin.extendedKeyUsages).toEqual([clientAuthUsage]);
    expect(admin.notAfterMs).toBe(nowMs + 365 * dayMs);
    expect(admin.isAuthority).toBe(false);
    const authority = made.serverAuthority.certificate;
    expect(authority.subject.commonName).toBe(`k3s-server-ca@${nowMs / 1000}`);
    expect(authority.notAfterMs).toBe(nowMs + 3650 * dayMs);
    expect(authority.isAuthority).toBe(true);
    const serving = readCertificate(made.serving.certPem);
    expect(serving.dnsNames).toEqual([
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      'kubernetes.default.svc.cluster.local',
      'localhost',
      'node-1',
      'api.example.com',
      '*.k3s.example.com',
    ]);
    expect(serving.ipAddresses).toEqual(['127.0.0.1', '::1', '192.0.2.10', '2001:db8::10', '10.43.0.1', '203.0.113.7']);
  });

  it('writes nothing the second time', async () => {
    const first = await ensureClusterCertificates(options);
    const second = await ensureClusterCertificates({ ...options, nowMs: nowMs + 244 * dayMs });
    expect(second.written).toEqual([]);
    expect(second.serving).toEqual(first.serving);
    expect(second.serviceKeyPem).toBe(first.serviceKeyPem);
  });

  it('renews leaves with less than 120 days left and keeps their keys and the authorities', async () => {
    const first = await ensureClusterCertificates(options);
    const second = await ensureClusterCertificates({ ...options, nowMs: nowMs + 246 * dayMs });
    expect(second.written.every(name => name.endsWith('.crt'))).toBe(true);
    expect(second.written).toContain('client-admin.crt');
    expect(second.written).not.toContain('server-ca.crt');
    expect(second.clients['client-admin'].keyPem).toBe(first.clients['client-admin'].keyPem);
    expect(readCertificate(second.serving.certPem).notAfterMs).toBe(nowMs + (246 + 365) * dayMs);
  });

  it('replaces a leaf that is damaged, lacks a name, has a foreign key, or is of another authority', async () => {
    await ensureClusterCertificates(options);
    const path = (name: string): string => join(options.directory, name);
    await writeFile(path('client-admin.crt'), 'not a certificate');
    await writeFile(path('client-scheduler.key'), generatePrivateKeyPem());
    const foreign = await createAuthority('foreign', { nowMs });
    const controllerKey = await readFile(path('client-controller.key'), 'utf8');
    const names = { commonName: 'system:kube-controller-manager', usages: ['client'] as const };
    await writeFile(path('client-controller.crt'), await foreign.issue(controllerKey, { ...names, nowMs }));
    const second = await ensureClusterCertificates({ ...options, tlsSans: ['new.example.com'] });
    expect([...second.written].sort()).toEqual([
      'client-admin.crt',
      'client-controller.crt',
      'client-scheduler.crt',
      'serving-kube-apiserver.crt',
    ]);
    expect(readCertificate(second.serving.certPem).dnsNames).toContain('new.example.com');
  });

  it('refuses an authority whose key is another, and a service key file without a key', async () => {
    await ensureClusterCertificates(options);
    const serviceKey = join(options.directory, 'service.key');
    const before = await readFile(serviceKey, 'utf8');
    await writeFile(serviceKey, 'nothing');
    await expect(ensureClusterCertificates(options)).rejects.toMatchObject({ code: 'PKI_MALFORMED' });
    await writeFile(serviceKey, before);
    await writeFile(join(options.directory, 'server-ca.key'), generatePrivateKeyPem());
    await expect(ensureClusterCertificates(options)).rejects.toMatchObject({ code: 'PKI_KEY_MISMATCH' });
  });

  it('keeps old service keys for verifying and signs with the first', async () => {
    const first = await ensureClusterCertificates(options);
    const newKey = generatePrivateKeyPem();
    await writeFile(join(options.directory, 'service.key'), newKey + first.serviceKeyPem);
    const second = await ensureClusterCertificates(options);
    expect(second.serviceKeyPem).toBe(newKey + first.serviceKeyPem);
    expect(await readFile(join(options.directory, 'service.current.key'), 'utf8')).toBe(newKey);
  });

  it('repairs the directory mode', async () => {
    await ensureClusterCertificates(options);
    await chmod(options.directory, 0o755);
    await ensureClusterCertificates(options);
    expect((await stat(options.directory)).mode & 0o777).toBe(0o700);
  });

  it('issues kubelet certificates that are kept while good', async () => {
    const made = await ensureClusterCertificates(options);
    const keyPem = generatePrivateKeyPem();
    const client = await made.kubeletClient('node-1', keyPem, undefined, nowMs);
    const leaf = readCertificate(client);
    expect(leaf.subject).toEqual({ commonName: 'system:node:node-1', organizations: ['system:nodes'], userUids: [] });
    expect(verifyChain(leaf, { roots: [made.clientAuthority.certificate], usage: clientAuthUsage, nowMs })).toEqual({
      validUntilMs: nowMs + 365 * dayMs,
    });
    expect(await made.kubeletClient('node-1', keyPem, client, nowMs)).toBe(client);
    expect(await made.kubeletClient('node-2', keyPem, client, nowMs)).not.toBe(client);
    const serving = await made.kubeletServing({ name: 'node-1', addresses: ['192.0.2.10'] }, keyPem, undefined, nowMs);
    expect(readCertificate(serving).ipAddresses).toContain('192.0.2.10');
  });
});

describe('with others who read them', () => {
  const now = (): ClusterCertificatesOptions => ({ ...options, nowMs: Date.now() });

  it('openssl verifies the leaves', async () => {
    await ensureClusterCertificates(now());
    const verify = (purpose: string, ca: string, leaf: string): Promise<{ stdout: string }> =>
      promisify(execFile)('openssl', ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca, leaf], {
        cwd: options.directory,
      });
    expect((await verify('sslserver', 'server-ca.crt', 'serving-kube-apiserver.crt')).stdout).toContain('OK');
    expect((await verify('sslclient', 'client-ca.crt', 'client-admin.crt')).stdout).toContain('OK');
    await expect(verify('sslclient', 'server-ca.crt', 'client-admin.crt')).rejects.toThrow();
  });

  it('a TLS server and client accept each other', async () => {
    const made = await ensureClusterCertificates(now());
    expect(await mutualTls(made, made.clients['client-admin'])).toBe('system:admin');
    const foreign = await createAuthority('foreign');
    const keyPem = generatePrivateKeyPem();
    const certPem = await foreign.issue(keyPem, { commonName: 'system:admin', usages: ['client'] });
    await expect(mutualTls(made, { certPem, keyPem })).rejects.toThrow();
  });
});

async function mutualTls(made: ClusterCertificates, client: { certPem: string; keyPem: string }): Promise<string> {
  const server = createServer(
    {
      cert: made.serving.certPem,
      key: made.serving.keyPem,
      ca: made.clientCaPem,
      requestCert: true,
      rejectUnauthorized: true,
    },
    (incoming, response) => {
      const socket = incoming.socket as import('node:tls').TLSSocket;
      response.end(readCertificate(socket.getPeerX509Certificate()!.raw).subject.commonName);
    },
  );
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  try {
    return await new Promise<string>((resolve, reject) => {
      const port = (server.address() as AddressInfo).port;
      const tls = { ca: made.serverCaPem, cert: client.certPem, key: client.keyPem, agent: false as const };
      request({ host: '127.0.0.1', port, ...tls }, response => {
        let text = '';
        response.on('data', (chunk: Buffer) => (text += chunk.toString())).on('end', () => resolve(text));
      })
        .on('error', reject)
        .end();
    });
  } finally {
    await new Promise(resolve => server.close(resolve));
  }
}
