import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { CodedError, errorCode } from '../../../core/plugin-api/index.js';
import type { Commands } from '../../../core/host/commands.js';
import { isNotFound, runtimeError } from './runtime-errors.js';
import type { TypesMount as Mount } from './wire/generated/tables.js';
import type { GrpcChannel } from './wire/grpc-channel.js';

export interface ImageMountsOptions {
  readonly channel: Pick<GrpcChannel, 'call'>;
  snapshotter(): string;
  readonly commands: Commands;
  readonly mountPoints: (directory: string) => Promise<string[]>;
}

/**
 * Images as folders: a snapshot that nobody can write to, on the image's layers, mounted by ourselves. containerd before 2.1 cannot
 * mount images into containers. The snapshot's label keeps the layers, whatever becomes of the image.
 */
export class ImageMounts {
  readonly #options: ImageMountsOptions;

  constructor(options: ImageMountsOptions) {
    this.#options = options;
  }

  async mount(imageId: string, target: string): Promise<void> {
    const { commands, mountPoints } = this.#options;
    await mkdir(target, { recursive: true, mode: 0o755 });
    if ((await mountPoints(target)).includes(target)) return;
    const mounts = await this.#view(await this.#chainId(imageId), target);
    for (const mount of mounts) await commands.run({ command: 'env', arguments: mountWords(mount, target) });
  }

  async unmount(target: string): Promise<void> {
    const { channel, commands, mountPoints, snapshotter } = this.#options;
    for (const point of (await mountPoints(target)).reverse()) await commands.run({ command: 'umount', arguments: [point] });
    try {
      await channel.call('snapshots.Remove', { snapshotter: snapshotter(), key: keyOf(target) });
    } catch (error) {
      if (!isNotFound(error)) throw runtimeError(error, 'container');
    }
  }

  /** What the image's layers are called together, which CRI tells who asks for all that it knows. */
  async #chainId(imageId: string): Promise<string> {
    try {
      const { image, info } = await this.#options.channel.call('ImageStatus', { image: { image: imageId }, verbose: true });
      if (!image?.id) throw new CodedError('RUNTIME_NOT_FOUND', `image "${imageId}" not found`);
      const { chainID } = JSON.parse(info?.['info'] ?? '{}') as { readonly chainID?: string };
      if (chainID) return chainID;
    } catch (error) {
      throw runtimeError(error, 'image');
    }
    throw new CodedError('RUNTIME_FAILED', `containerd does not tell the layers of image "${imageId}"`);
  }

  async #view(parent: string, target: string): Promise<readonly Mount[]> {
    const { channel, snapshotter } = this.#options;
    const key = keyOf(target);
    // Its value is of no meaning to containerd; the label keeps the snapshot from its garbage collection.
    const labels = { 'containerd.io/gc.root': 'k3s' };
    try {
      try {
        return (await channel.call('snapshots.View', { snapshotter: snapshotter(), key, parent, labels })).mounts ?? [];
      } catch (error) {
        // Of before a reboot, or of a call whose answer was lost.
        if (errorCode(error) !== 'GRPC_ALREADY_EXISTS') throw error;
        return (await channel.call('snapshots.Mounts', { snapshotter: snapshotter(), key })).mounts ?? [];
      }
    } catch (error) {
      throw runtimeError(error, 'container');
    }
  }
}

function keyOf(target: string): string {
  return `k3s-image-mount-${createHash('sha256').update(target).digest('hex')}`;
}

/**
 * The kernel takes a page of options, fewer than the paths of many layers need: these are named from the folder that holds all of
 * them. The environment's word is for newer tools, which would give each layer to the kernel by itself, and not from there.
 */
function mountWords({ type = '', source = '', options = [] }: Mount, target: string): string[] {
  const layers = options
    .find(option => option.startsWith('lowerdir='))
    ?.slice('lowerdir='.length)
    .split(':');
  // Layers lie in DIRECTORY/NUMBER/fs.
  const directory = layers && dirname(dirname(layers[0]!));
  const short = layers?.every(layer => layer.startsWith(`${directory}/`))
    ? `lowerdir=${layers.map(layer => layer.slice(directory!.length + 1)).join(':')}`
    : undefined;
  const words = options.map(option => (short !== undefined && option.startsWith('lowerdir=') ? short : option));
  if (!words.includes('ro')) words.push('ro');
  const place = short === undefined ? [] : ['-C', directory!];
  const kind = type === 'bind' ? [] : ['-t', type];
  return [...place, 'LIBMOUNT_FORCE_MOUNT2=always', 'mount', ...kind, '-o', words.join(','), source, target];
}
