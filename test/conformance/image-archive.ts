import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { pack } from 'tar-stream';
import type { Pack } from 'tar-stream';

const run = promisify(execFile);

/** What one layer adds. Folders end with `/`. */
export interface LayerEntry {
  readonly name: string;
  /** 0755 when absent. */
  readonly mode?: number;
  readonly content?: Buffer;
  readonly link?: string;
  readonly owner?: number;
}

/** A layer in a file. */
export interface Layer {
  readonly file: string;
  readonly digest: string;
}

/** What containers of an image run by themselves. */
export interface ImageConfig {
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly Env?: readonly string[];
  readonly User?: string;
  readonly WorkingDir?: string;
}

export interface Image {
  readonly reference: string;
  readonly layers: readonly Layer[];
  readonly config: ImageConfig;
}

/** Writes a layer from entries: the same bytes every time. */
export async function writeLayer(file: string, entries: readonly LayerEntry[]): Promise<Layer> {
  const archive = pack();
  const written = pipeline(archive, createWriteStream(file));
  for (const { name, mode = 0o755, content, link, owner = 0 } of entries) {
    const common = { name, mode, mtime: new Date(0), uid: owner, gid: owner };
    if (link !== undefined) archive.entry({ ...common, type: 'symlink', linkname: link });
    else if (name.endsWith('/')) archive.entry({ ...common, type: 'directory' });
    else archive.entry(common, content ?? Buffer.alloc(0));
  }
  archive.finalize();
  await written;
  return { file, digest: await digestOf(file) };
}

/** Writes a layer from a folder; owners and modes are the folder's. */
export async function writeFolderLayer(file: string, folder: string): Promise<Layer> {
  await run('tar', ['--create', '--file', file, '--sort=name', '--mtime=@0', '--numeric-owner', '--directory', folder, '.']);
  return { file, digest: await digestOf(file) };
}

/** Writes several images to one archive in docker's layout; layers that they share are in it once. */
export async function writeImages(file: string, images: readonly Image[]): Promise<void> {
  const archive = pack();
  const written = pipeline(archive, createWriteStream(file));
  const manifest = [];
  const layers = new Map(images.flatMap(image => image.layers.map(layer => [layerName(layer), layer.file])));
  for (const [name, layerFile] of layers) await addFile(archive, name, layerFile);
  for (const { reference, layers: own, config } of images) {
    const content = Buffer.from(
      JSON.stringify({
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
        os: 'linux',
        created: '1970-01-01T00:00:00Z',
        // Two images with the same content would be one to the runtime, with two names.
        config: { ...config, Labels: { 'org.opencontainers.image.ref.name': reference } },
        rootfs: { type: 'layers', diff_ids: own.map(layer => `sha256:${layer.digest}`) },
      }),
    );
    const name = `${createHash('sha256').update(content).digest('hex')}.json`;
    archive.entry({ name, mode: 0o644, mtime: new Date(0) }, content);
    manifest.push({ Config: name, RepoTags: [reference], Layers: own.map(layerName) });
  }
  archive.entry({ name: 'manifest.json', mode: 0o644, mtime: new Date(0) }, JSON.stringify(manifest));
  archive.finalize();
  await written;
}

function layerName(layer: Layer): string {
  return `${layer.digest}.tar`;
}

async function addFile(archive: Pack, name: string, file: string): Promise<void> {
  const { size } = await stat(file);
  const entry = archive.entry({ name, size, mode: 0o644, mtime: new Date(0) });
  await pipeline(createReadStream(file), entry);
}

async function digestOf(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}
