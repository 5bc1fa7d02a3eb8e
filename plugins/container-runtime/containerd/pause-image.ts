import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';

/** Name of the sandbox image that comes with k3s. */
export const pauseImage = 'k3s.local/pause:1';

/** An OCI archive of the pause program for this machine's architecture. The same bytes every time. */
export async function pauseArchive(): Promise<Buffer> {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const program = await readFile(new URL(`./pause/pause-${architecture}`, import.meta.url));
  return singleLayerArchive(pauseImage, architecture, [{ name: 'pause', mode: 0o755, content: program }]);
}

interface LayerFile {
  readonly name: string;
  readonly mode: number;
  readonly content: Buffer;
}

async function singleLayerArchive(reference: string, architecture: string, files: readonly LayerFile[]): Promise<Buffer> {
  const layer = await tar(files);
  const config = json({
    architecture,
    os: 'linux',
    config: { Entrypoint: ['/pause'], User: '65535:65535', WorkingDir: '/' },
    rootfs: { type: 'layers', diff_ids: [digestOf(layer)] },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: [descriptor('application/vnd.oci.image.layer.v1.tar', layer)],
  });
  const index = json({
    schemaVersion: 2,
    manifests: [
      {
        ...descriptor('application/vnd.oci.image.manifest.v1+json', manifest),
        annotations: { 'io.containerd.image.name': reference, 'org.opencontainers.image.ref.name': reference },
        platform: { architecture, os: 'linux' },
      },
    ],
  });
  const blobs = [layer, config, manifest].map(content => ({
    name: `blobs/sha256/${digestOf(content).slice(7)}`,
    mode: 0o644,
    content,
  }));
  const layout = { name: 'oci-layout', mode: 0o644, content: json({ imageLayoutVersion: '1.0.0' }) };
  return tar([layout, ...blobs, { name: 'index.json', mode: 0o644, content: index }]);
}

async function tar(files: readonly LayerFile[]): Promise<Buffer> {
  const archive = pack();
  const done = buffer(archive);
  for (const { name, mode, content } of files) archive.entry({ name, mode, mtime: new Date(0), uid: 0, gid: 0 }, content);
  archive.finalize();
  return done;
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function digestOf(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function descriptor(mediaType: string, content: Buffer): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: digestOf(content), size: content.length };
}
