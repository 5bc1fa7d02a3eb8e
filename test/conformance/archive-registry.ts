import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { Server } from 'node:http';

/** Where a member's content lies in an archive. */
interface Member {
  readonly offset: number;
  readonly size: number;
}

/** Content that is served, by its digest. */
interface Blob {
  readonly type: string;
  readonly size: number;
  readonly member?: Member;
  readonly content?: Buffer;
}

const types = {
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layer: 'application/vnd.oci.image.layer.v1.tar',
};

/**
 * Serves the images of an archive (docker's layout, as image-archive.ts writes it) as their registry would: a container whose image is
 * always pulled needs one. References are asked for without the registry's host.
 * Source: https://github.com/opencontainers/distribution-spec, pulling.
 */
export async function startArchiveRegistry(archive: string, port: number): Promise<Server> {
  const { blobs, references } = await readArchive(archive);
  const server = createServer((request, response) => {
    // Mirrors are asked with ?ns= of the registry that they stand for.
    const path = decodeURIComponent((request.url ?? '/').split('?')[0]!);
    const match = /^\/v2\/(.+)\/(manifests|blobs)\/([^/]+)$/.exec(path);
    const digest = match && (references.get(`${match[1]}:${match[3]}`) ?? match[3]!);
    const blob = digest ? blobs.get(digest) : undefined;
    if (path === '/v2/') response.end('{}');
    else if (!blob) response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
    else {
      response.writeHead(200, {
        'content-type': blob.type,
        'content-length': blob.size,
        'docker-content-digest': digest!,
      });
      if (request.method === 'HEAD') response.end();
      else if (blob.member) {
        const { offset, size } = blob.member;
        const stream = createReadStream(archive, { start: offset, end: offset + size - 1 });
        stream.on('error', error => response.destroy(error)).pipe(response);
      } else response.end(blob.content);
    }
  });
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve));
  return server;
}

async function readArchive(archive: string): Promise<{ blobs: Map<string, Blob>; references: Map<string, string> }> {
  const blobs = new Map<string, Blob>();
  const references = new Map<string, string>();
  const file = await open(archive);
  try {
    const members = await membersOf(file);
    const content = async (name: string): Promise<Buffer> => {
      const { offset, size } = members.get(name)!;
      return (await file.read(Buffer.alloc(size), 0, size, offset)).buffer;
    };
    const images = JSON.parse((await content('manifest.json')).toString()) as {
      readonly Config: string;
      readonly RepoTags: readonly string[];
      readonly Layers: readonly string[];
    }[];
    for (const { Config, RepoTags, Layers } of images) {
      // The names are the digests: see image-archive.ts.
      const parts = [Config, ...Layers].map((name, at) => {
        const type = at === 0 ? types.config : types.layer;
        const member = members.get(name)!;
        const digest = `sha256:${name.split('.')[0]}`;
        blobs.set(digest, { type, size: member.size, member });
        return { mediaType: type, digest, size: member.size };
      });
      const manifest = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType: types.manifest, config: parts[0], layers: parts.slice(1) }),
      );
      const digest = `sha256:${createHash('sha256').update(manifest).digest('hex')}`;
      blobs.set(digest, { type: types.manifest, size: manifest.length, content: manifest });
      for (const tag of RepoTags) references.set(tag.slice(tag.indexOf('/') + 1), digest);
    }
  } finally {
    await file.close();
  }
  return { blobs, references };
}

/** Walks the headers of a tar archive; its members have short names and are smaller than 8 GiB. */
async function membersOf(file: FileHandle): Promise<Map<string, Member>> {
  const members = new Map<string, Member>();
  const header = Buffer.alloc(512);
  for (let at = 0; ;) {
    const { bytesRead } = await file.read(header, 0, 512, at);
    const name = header.toString('latin1', 0, 100).split('\0')[0]!;
    if (bytesRead < 512 || name === '') return members;
    const size = parseInt(header.toString('latin1', 124, 136), 8);
    members.set(name, { offset: at + 512, size });
    at += 512 + Math.ceil(size / 512) * 512;
  }
}
