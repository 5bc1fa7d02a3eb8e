import { createHash } from 'node:crypto';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startArchiveRegistry } from './archive-registry.js';
import { writeImages, writeLayer } from './image-archive.js';

describe('the registry of an archive', () => {
  let folder: string;
  let server: Server;
  const get = (path: string, method = 'GET'): Promise<Response> =>
    fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/v2/${path}`, { method });

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'archive-registry-'));
    const base = await writeLayer(join(folder, 'base'), [{ name: 'a', content: Buffer.from('one') }]);
    const top = await writeLayer(join(folder, 'top'), [{ name: 'b/' }, { name: 'c', link: 'a' }]);
    const config = { Cmd: ['a'] };
    await writeImages(join(folder, 'images.tar'), [
      { reference: 'registry.test/team/one:1', layers: [base], config },
      { reference: 'registry.test/team/two:1', layers: [base, top], config },
    ]);
    server = await startArchiveRegistry(join(folder, 'images.tar'), 0);
  });

  afterAll(async () => {
    await new Promise(resolve => server.close(resolve));
    await rm(folder, { recursive: true });
  });

  it('serves manifests by tag and digest, and what they name', async () => {
    const byTag = await get('team/two/manifests/1');
    const digest = byTag.headers.get('docker-content-digest')!;
    const manifest = (await byTag.json()) as { config: { digest: string }; layers: { digest: string; size: number }[] };
    expect(manifest.layers).toHaveLength(2);
    expect(await (await get(`team/two/manifests/${digest}`)).json()).toEqual(manifest);
    for (const part of [manifest.config, ...manifest.layers]) {
      const bytes = Buffer.from(await (await get(`team/two/blobs/${part.digest}`)).arrayBuffer());
      expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(part.digest);
    }
  });

  it('answers questions for a manifest without its content', async () => {
    const response = await get('team/one/manifests/1?ns=registry.example.com', 'HEAD');
    expect([response.status, Number(response.headers.get('content-length')) > 0]).toEqual([200, true]);
  });

  it.each(['team/three/manifests/1', 'team/one/manifests/2', 'team/one/blobs/sha256:00'])('does not know %s', async path => {
    expect((await get(path)).status).toBe(404);
  });
});
