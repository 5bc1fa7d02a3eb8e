import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { CodedError } from '../../../core/plugin-api/index.js';
import type { ImageState, PullOptions } from '../../../core/plugin-api/index.js';
import type { RuntimeBinaries } from './binaries.js';
import { checkArchive, decompressed } from './image-archive.js';
import { authConfig, imageState, sandboxConfig } from './cri-mapping.js';
import { isNotFound, runtimeError } from './runtime-errors.js';
import type { GrpcChannel } from './wire/grpc-channel.js';

export interface ImageServiceOptions {
  readonly channel: GrpcChannel;
  readonly socket: string;
  snapshotter(): string;
  /** containerd's client program. Throws before it is there. */
  program(): Pick<RuntimeBinaries, 'ctr' | 'environment' | 'importArguments'>;
  /** Whether the image of this name is never collected. */
  isPinned(name: string): boolean;
}

const pullLimitMs = 60 * 60_000;
/** How containerd's client says that containerd does not answer (any more). */
const isAway = /unavailable|connection refused|transport is closing|error reading from server|failed to dial/i;

/** Images by CRI; archives by containerd's own client program, which knows both layouts and unpacks what it imports. */
export class ImageService {
  readonly #options: ImageServiceOptions;

  constructor(options: ImageServiceOptions) {
    this.#options = options;
  }

  async pull(reference: string, options: PullOptions): Promise<string> {
    try {
      const { imageRef = '' } = await this.#options.channel.call(
        'PullImage',
        {
          image: { image: reference, ...(options.runtimeHandler && { runtimeHandler: options.runtimeHandler }) },
          ...(options.auth && { auth: authConfig(options.auth) }),
          ...(options.sandbox && { sandboxConfig: sandboxConfig(options.sandbox) }),
        },
        { timeoutMs: pullLimitMs, signal: options.signal },
      );
      return imageRef;
    } catch (error) {
      throw runtimeError(error, 'image');
    }
  }

  async find(reference: string): Promise<ImageState | undefined> {
    try {
      const { image } = await this.#options.channel.call('ImageStatus', { image: { image: reference } });
      return image?.id ? this.#state(imageState(image)) : undefined;
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw runtimeError(error, 'image');
    }
  }

  async list(): Promise<ImageState[]> {
    const { images = [] } = await this.#options.channel.call('ListImages', {}).catch((error: unknown) => {
      throw runtimeError(error, 'image');
    });
    return images.map(image => this.#state(imageState(image)));
  }

  async remove(reference: string): Promise<void> {
    try {
      await this.#options.channel.call('RemoveImage', { image: { image: reference } });
    } catch (error) {
      if (!isNotFound(error)) throw runtimeError(error, 'image');
    }
  }

  async filesystem(): Promise<{ path: string; usedBytes: number; usedInodes: number }> {
    const { imageFilesystems = [] } = await this.#options.channel.call('ImageFsInfo', {}).catch((error: unknown) => {
      throw runtimeError(error, 'image');
    });
    const first = imageFilesystems[0];
    return {
      path: first?.fsId?.mountpoint ?? '',
      usedBytes: first?.usedBytes?.value ?? 0,
      usedInodes: first?.inodesUsed?.value ?? 0,
    };
  }

  /** Throws `RUNTIME_IMAGE_INVALID` for what is no image archive, or one cut short; nothing is imported of it. */
  async importArchive(archivePath: string): Promise<string[]> {
    await checkArchive(archivePath);
    const source = decompressed(createReadStream(archivePath), archivePath);
    return this.#import(stdin => pipeline(source, stdin));
  }

  async importBytes(archive: Buffer): Promise<string[]> {
    return this.#import(stdin => pipeline([archive], stdin));
  }

  async #import(feed: (stdin: NodeJS.WritableStream) => Promise<void>): Promise<string[]> {
    const { socket, snapshotter } = this.#options;
    const { ctr, environment, importArguments } = this.#options.program();
    const args = [
      '--address',
      socket,
      '--namespace',
      'k8s.io',
      'images',
      'import',
      ...importArguments,
      '--snapshotter',
      snapshotter(),
      '-',
    ];
    const { child, done } = runProgram(ctr, args, environment);
    const [result, fed] = await Promise.allSettled([done, feed(child.stdin!)]);
    if (result.status === 'rejected') throw result.reason;
    if (fed.status === 'rejected')
      throw new CodedError('RUNTIME_IMAGE_INVALID', 'the archive cannot be read', { cause: fed.reason });
    const names = Array.from(result.value.matchAll(/^unpacking (\S+) \(sha256:/gm), match => match[1]!);
    await this.#untilKnown(names);
    return names;
  }

  /** CRI learns of new images by an event: they are not told before it knows them. */
  async #untilKnown(names: readonly string[]): Promise<void> {
    const deadline = performance.now() + 5000;
    for (const name of names) {
      while (!(await this.find(name)) && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 10));
    }
  }

  #state(image: ImageState): ImageState {
    return image.tags.some(tag => this.#options.isPinned(tag)) ? { ...image, pinned: true } : image;
  }
}

function runProgram(program: string, args: readonly string[], env: Readonly<Record<string, string>>) {
  let child: ReturnType<typeof execFile> | undefined;
  const done = new Promise<string>((resolve, reject) => {
    child = execFile(program, args, { env, maxBuffer: 16 * 1024 * 1024 }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const reason =
        stderr
          .trim()
          .split('\n')
          .at(-1)
          ?.replace(/^ctr: /, '') || error.message;
      // Nothing is wrong with an archive during whose import containerd, or its client, was ended.
      const code = error.signal || isAway.test(reason) ? 'RUNTIME_UNAVAILABLE' : 'RUNTIME_IMAGE_INVALID';
      reject(new CodedError(code, `the archive cannot be imported: ${reason}`, { cause: error }));
    });
  });
  return { child: child!, done };
}
