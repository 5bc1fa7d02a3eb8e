import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { readDebianPackages } from '../../core/host/debian-packages.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

const applets =
  'sh cat dd echo env false head httpd id ip kill ls md5sum mount nc ps sleep stty tail touch true usleep wc wget whoami yes'.split(
    ' ',
  );

/** Brings the packages that a real node and its tests need. */
export async function fetchTestPackages(): Promise<void> {
  await promisify(execFile)(process.execPath, [join(root, 'scripts/runtime/fetch.mjs'), ...testPackages]);
}

const testPackages = ['containerd', 'runc', 'containernetworking-plugins', 'busybox-static'];

export interface BoxImage {
  readonly reference: string;
  readonly layout: 'docker' | 'oci';
  readonly compression?: 'gzip' | 'zstd';
  /** Makes one image differ from another. */
  readonly salt?: string;
  readonly stopSignal?: string;
}

export interface BoxParts {
  readonly layer: Buffer;
  readonly config: Buffer;
}

/** Layer and configuration of an image with Debian's static busybox. */
export async function boxParts(image: Pick<BoxImage, 'salt' | 'stopSignal'>): Promise<BoxParts> {
  const packages = readDebianPackages();
  const busybox = packages?.root('busybox-static');
  if (busybox === undefined) throw new Error('busybox-static was not fetched');
  const layer = await tar([
    { name: 'bin/busybox', mode: 0o755, content: await readFile(join(busybox, 'bin/busybox')) },
    ...applets.map(name => ({ name: `bin/${name}`, link: 'busybox' })),
    { name: 'etc/passwd', mode: 0o644, content: Buffer.from('root:x:0:0:root:/:/bin/sh\nbox:x:1000:1000:box:/:/bin/sh\n') },
    { name: 'etc/group', mode: 0o644, content: Buffer.from('root:x:0:\nbox:x:1000:\n') },
    { name: 'etc/salt', mode: 0o644, content: Buffer.from(image.salt ?? '') },
    { name: 'tmp/', mode: 0o1777 },
    { name: 'srv/', mode: 0o755 },
  ]);
  const config = json({
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Cmd: ['/bin/sh'], Env: ['PATH=/bin'], ...(image.stopSignal && { StopSignal: image.stopSignal }) },
    rootfs: { type: 'layers', diff_ids: [digest(layer)] },
  });
  return { layer, config };
}

/** The manifest as registries serve it. */
export function boxManifest({ layer, config }: BoxParts): Buffer {
  return json({
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor('application/vnd.oci.image.config.v1+json', config),
    layers: [descriptor('application/vnd.oci.image.layer.v1.tar', layer)],
  });
}

/** An archive of such an image. */
export async function boxArchive(image: BoxImage): Promise<Buffer> {
  const parts = await boxParts(image);
  const plain = await tar(image.layout === 'docker' ? dockerLayout(image.reference, parts) : ociLayout(image.reference, parts));
  return image.compression === 'gzip' ? gzipSync(plain) : image.compression === 'zstd' ? zstdCompressSync(plain) : plain;
}

export const manifestType = 'application/vnd.oci.image.manifest.v1+json';

function descriptor(mediaType: string, content: Buffer): { mediaType: string; digest: string; size: number } {
  return { mediaType, digest: digest(content), size: content.length };
}

interface Entry {
  readonly name: string;
  readonly mode?: number;
  readonly content?: Buffer;
  readonly link?: string;
}

function dockerLayout(reference: string, { config, layer }: BoxParts): Entry[] {
  const manifest = json([{ Config: 'config.json', RepoTags: [reference], Layers: ['layer.tar'] }]);
  return [file('manifest.json', manifest), file('config.json', config), file('layer.tar', layer)];
}

function ociLayout(reference: string, parts: BoxParts): Entry[] {
  const manifest = boxManifest(parts);
  const annotations = { 'io.containerd.image.name': reference };
  const index = json({ schemaVersion: 2, manifests: [{ ...descriptor(manifestType, manifest), annotations }] });
  const blobs = [parts.config, parts.layer, manifest].map(content => file(`blobs/sha256/${digest(content).slice(7)}`, content));
  return [file('oci-layout', json({ imageLayoutVersion: '1.0.0' })), ...blobs, file('index.json', index)];
}

function file(name: string, content: Buffer): Entry {
  return { name, content, mode: 0o644 };
}

async function tar(entries: readonly Entry[]): Promise<Buffer> {
  const archive = pack();
  const done = buffer(archive);
  for (const { name, mode = 0o755, content, link } of entries) {
    const common = { name, mode, mtime: new Date(0) };
    if (link !== undefined) archive.entry({ ...common, type: 'symlink', linkname: link });
    else if (name.endsWith('/')) archive.entry({ ...common, type: 'directory' });
    else archive.entry(common, content ?? Buffer.alloc(0));
  }
  archive.finalize();
  return done;
}

function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function digest(content: Buffer): string {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}
