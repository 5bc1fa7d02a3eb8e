import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { extract } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';
import type { Tool } from '../support/kubectl.js';
import { realTool, toolsRunHere } from '../support/kubectl.js';

const root = join(import.meta.dirname, '../../..');
const everyKind = [
  'configmap',
  'secret',
  'persistentvolumeclaim',
  'deployment.apps',
  'service',
  'service',
  'ingress.networking.k8s.io',
  'job.batch',
  'cronjob.batch',
].sort();

(toolsRunHere ? describe : describe.skip)('the examples', () => {
  let server: RunningApiServer;
  let kubectl: Tool;
  let helm: Tool;

  beforeAll(async () => {
    server = await startApiServer();
    kubectl = await realTool('kubectl', server.kubeconfig, server.directory);
    helm = await realTool('helm', server.kubeconfig, server.directory);
  });
  afterAll(() => server.stop());

  const dryRunKinds = async (argumentList: readonly string[], input?: string): Promise<string[]> => {
    const result = await kubectl(['apply', '--dry-run=server', ...argumentList], { input });
    expect(result).toMatchObject({ code: 0, stderr: '' });
    const lines = result.stdout.trim().split('\n');
    for (const line of lines) expect(line).toMatch(/ created \(server dry run\)$/);
    return lines.map(line => line.split('/')[0]!).sort();
  };

  it('app is accepted as it stands, without a warning', async () => {
    expect(await dryRunKinds(['-f', join(root, 'examples/app')])).toEqual(everyKind);
  });

  it('chart renders to the same kinds, which are accepted, and honours its values', async () => {
    const chart = join(root, 'examples/chart');
    const rendered = await helm(['template', 'web', chart]);
    expect(rendered).toMatchObject({ code: 0, stderr: '' });
    expect(await dryRunKinds(['-f', '-'], rendered.stdout)).toEqual(everyKind);
    expect(rendered.stdout).toContain('helm.sh/hook: post-install,post-upgrade');
    const changed = await helm(['template', 'web', chart, '--set', 'ingress.enabled=false,greeting=ciao,replicas=3']);
    expect(changed.stdout).toContain('greeting: "ciao"');
    expect(changed.stdout).toContain('replicas: 3');
    expect(changed.stdout).not.toContain('kind: Ingress');
    expect(await helm(['lint', '--strict', chart])).toMatchObject({ code: 0 });
  });
});

describe('the image of the examples', () => {
  it('is an archive in docker layout whose digests are true, the same each time', async () => {
    const { buildImage, imageName } = (await import(pathToFileURL(join(root, 'scripts/example-image.mjs')).href)) as {
      buildImage(busybox: Buffer): Buffer;
      imageName: string;
    };
    const archive = buildImage(Buffer.from('not really busybox'));
    expect(buildImage(Buffer.from('not really busybox')).equals(archive)).toBe(true);
    const files = await unpack(archive);
    const [manifest] = JSON.parse(files.get('manifest.json')!.content.toString()) as [
      { Config: string; RepoTags: string[]; Layers: string[] },
    ];
    expect(manifest.RepoTags).toEqual([imageName]);
    const config = files.get(manifest.Config)!.content;
    expect(manifest.Config).toBe(`${sha256(config)}.json`);
    const layer = files.get(manifest.Layers[0]!)!.content;
    expect((JSON.parse(config.toString()) as { rootfs: object }).rootfs).toEqual({
      type: 'layers',
      diff_ids: [`sha256:${sha256(layer)}`],
    });
    const inside = await unpack(layer);
    expect(inside.get('bin/busybox')).toMatchObject({ mode: 0o755, type: 'file', content: Buffer.from('not really busybox') });
    expect(inside.get('bin/sh')).toMatchObject({ type: 'symlink', link: 'busybox' });
    expect(inside.get('www/cgi-bin/index.cgi')).toMatchObject({ mode: 0o755 });
    expect(inside.get('www/cgi-bin/index.cgi')!.content.toString()).toMatch(/^#!\/bin\/sh\n/);
  });
});

interface TarFile {
  readonly type: string | null | undefined;
  readonly mode: number | undefined;
  readonly link: string | null | undefined;
  readonly content: Buffer;
}

async function unpack(archive: Buffer): Promise<Map<string, TarFile>> {
  const files = new Map<string, TarFile>();
  const stream = extract();
  stream.end(archive);
  for await (const entry of stream) {
    const { name, type, mode, linkname: link } = entry.header;
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    files.set(name, { type, mode, link, content: Buffer.concat(chunks) });
  }
  return files;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
