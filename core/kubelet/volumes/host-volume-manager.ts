import { chmod, lchown, lstat, mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Disposable } from '../../base/disposable.js';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import { PersistentVolumeClaims, PersistentVolumes } from '../../api/generated/resources.js';
import type { Container, HostPathVolumeSource, PersistentVolume, Pod, Volume } from '../../api/generated/types.js';
import type { Mount } from '../../contracts/container-runtime.js';
import type { Commands } from '../../host/commands.js';
import { mountPoints } from '../../host/mounts.js';
import { parseQuantity } from '../../machinery/quantity.js';
import type { KubeletContext } from '../kubelet-context.js';
import { expand } from '../runtime/expansion.js';
import { writeAtomically } from './atomic-writer.js';
import { podFiles } from './pod-files.js';
import { bindSubPath } from './sub-path.js';
import type { ReferencedObjects } from './referenced-objects.js';
import { ReferenceVolumeManager } from './reference-volume-manager.js';
import { VolumeContent } from './volume-content.js';
import type { VolumeContentOptions } from './volume-content.js';
import type { VolumeManager } from './volume-manager.js';

export interface HostVolumeManagerOptions {
  readonly context: KubeletContext;
  readonly objects: ReferencedObjects;
  readonly commands: Commands;
  readonly downward: VolumeContentOptions['downward'];
  /** A token falls due, so the pod's volumes have to be looked at again. */
  wake(podUid: string): void;
}

/** Volumes on this machine, under `<root>/pods/<uid>/volumes`. Layout and names: pkg/kubelet, pkg/volume. */
export class HostVolumeManager implements VolumeManager {
  readonly #options: HostVolumeManagerOptions;
  readonly #references: ReferenceVolumeManager;
  readonly #content: VolumeContent;
  readonly #timers = new Map<string, Disposable>();
  /** Where each volume of a pod lies, by name. */
  readonly #paths = new Map<string, Map<string, string>>();

  constructor(options: HostVolumeManagerOptions) {
    this.#options = options;
    this.#references = new ReferenceVolumeManager(options.context, options.objects);
    this.#content = new VolumeContent(options);
  }

  register(pod: Pod): void {
    this.#references.register(pod);
  }

  async mount(pod: Pod): Promise<void> {
    await this.#references.mount(pod);
    const uid = pod.metadata.uid ?? '';
    const paths = this.#paths.get(uid) ?? new Map<string, string>();
    this.#paths.set(uid, paths);
    const failures: Error[] = [];
    for (const volume of pod.spec.volumes ?? []) {
      try {
        paths.set(volume.name, await this.#setUp(pod, volume));
      } catch (error) {
        this.#references.tell(pod, volume, errorText(error));
        failures.push(new CodedError('VOLUME_NOT_READY', `volume ${volume.name}: ${errorText(error)}`, { cause: error }));
      }
    }
    this.#renewLater(uid);
    if (failures.length === 0) return;
    throw new CodedError('VOLUME_NOT_READY', `${failures.length} volumes are not ready`, { cause: new AggregateError(failures) });
  }

  async mountsFor(pod: Pod, container: Container): Promise<Mount[]> {
    const uid = pod.metadata.uid ?? '';
    const paths = this.#paths.get(uid);
    const mounts: Mount[] = [];
    for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
      const root = paths?.get(mount.name);
      if (root === undefined)
        throw new CodedError('VOLUME_NOT_READY', `volume ${mount.name} of pod ${pod.metadata.name} is not mounted`);
      const subPath = mount.subPath || (mount.subPathExpr ? this.#expandSubPath(container, mount.subPathExpr) : '');
      const hostPath = subPath
        ? await bindSubPath(this.#options.commands, {
            root,
            subPath,
            target: join(this.#podDirectory(uid), 'volume-subpaths', mount.name, container.name, String(index)),
            groupId: pod.spec.securityContext?.fsGroup,
          })
        : root;
      mounts.push({
        containerPath: mount.mountPath,
        hostPath,
        readOnly: mount.readOnly ?? false,
        propagation:
          mount.mountPropagation === 'Bidirectional'
            ? 'bidirectional'
            : mount.mountPropagation === 'HostToContainer'
              ? 'host-to-container'
              : 'private',
        ...(mount.recursiveReadOnly === 'Enabled' || mount.recursiveReadOnly === 'IfPossible' ? { recursiveReadOnly: true } : {}),
      });
    }
    mounts.push(
      ...(await podFiles({ pod, container, directory: this.#podDirectory(uid), podIps: this.#options.downward(pod).podIps })),
    );
    return mounts;
  }

  async unmount(podUid: string): Promise<void> {
    await this.#timers.get(podUid)?.dispose();
    this.#timers.delete(podUid);
    this.#content.forget(podUid);
    this.#paths.delete(podUid);
    await this.#references.unmount(podUid);
    const directory = this.#podDirectory(podUid);
    // What is mounted below goes first, the deepest before what holds it; a mount that stays must keep its files.
    for (const point of (await mountPoints(directory)).reverse()) {
      await this.#options.commands.run({ command: 'umount', arguments: [point] });
    }
    await rm(directory, { recursive: true, force: true });
  }

  async podUids(): Promise<string[]> {
    try {
      return await readdir(join(this.#options.context.settings.rootDir, 'pods'));
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers.values()) await timer.dispose();
    this.#timers.clear();
    await this.#references.stop();
  }

  #podDirectory(uid: string): string {
    return join(this.#options.context.settings.rootDir, 'pods', uid);
  }

  #renewLater(uid: string): void {
    void this.#timers.get(uid)?.dispose();
    this.#timers.delete(uid);
    const dueMs = this.#content.refreshAtMs(uid);
    if (dueMs === undefined) return;
    const { clock } = this.#options.context;
    this.#timers.set(
      uid,
      clock.setTimer(Math.max(1000, dueMs - clock.now()), () => this.#options.wake(uid)),
    );
  }

  /** Resolves where the volume lies. Running it again brings the content up to date and changes nothing else. */
  async #setUp(pod: Pod, volume: Volume): Promise<string> {
    const uid = pod.metadata.uid ?? '';
    const own = (plugin: string): string => join(this.#podDirectory(uid), 'volumes', `kubernetes.io~${plugin}`, volume.name);
    const groupId = pod.spec.securityContext?.fsGroup;
    if (volume.hostPath) return hostPath(volume.hostPath);
    if (volume.emptyDir) {
      const path = own('empty-dir');
      const inMemory = volume.emptyDir.medium === 'Memory';
      const limit = volume.emptyDir.sizeLimit === undefined ? undefined : parseQuantity(volume.emptyDir.sizeLimit).value();
      if (inMemory) await this.#memory(path, limit);
      else await makeDirectory(path);
      await openTo(path, 0o777, groupId);
      return path;
    }
    const files = await this.#content.files(pod, volume);
    if (files) {
      const secret = !!volume.secret || !!volume.projected;
      const path = own(
        volume.configMap ? 'configmap' : volume.secret ? 'secret' : volume.projected ? 'projected' : 'downward-api',
      );
      if (secret) await this.#memory(path, undefined);
      else await makeDirectory(path);
      await openTo(path, 0o777, groupId);
      await writeAtomically(path, files, { groupId });
      return path;
    }
    const claim =
      volume.persistentVolumeClaim?.claimName ?? (volume.ephemeral ? `${pod.metadata.name}-${volume.name}` : undefined);
    if (claim !== undefined) return this.#claim(pod, claim, groupId);
    const kind = Object.keys(volume).find(key => key !== 'name') ?? 'unknown';
    throw new CodedError('VOLUME_UNSUPPORTED', `volumes of kind ${kind} are not built`);
  }

  async #claim(pod: Pod, claimName: string, groupId: number | undefined): Promise<string> {
    const { client } = this.#options.context;
    const claim = await client.resource(PersistentVolumeClaims, pod.metadata.namespace).get(claimName);
    const volume: PersistentVolume = await client.resource(PersistentVolumes).get(claim.spec.volumeName!);
    const { hostPath: source, local } = volume.spec;
    const path = source ? await hostPath(source) : local ? await hostPath({ path: local.path, type: 'Directory' }) : undefined;
    if (path === undefined)
      throw new CodedError('VOLUME_UNSUPPORTED', `volume ${volume.metadata.name} is of a kind that is not built`);
    if (groupId !== undefined && pod.spec.securityContext?.fsGroupChangePolicy !== 'OnRootMismatch')
      await giveToGroup(path, groupId);
    else if (groupId !== undefined && (await stat(path)).gid !== groupId) await giveToGroup(path, groupId);
    return path;
  }

  async #memory(path: string, limitBytes: number | undefined): Promise<void> {
    await makeDirectory(path);
    if ((await mountPoints(path)).includes(path)) return;
    const options = ['-t', 'tmpfs', ...(limitBytes ? ['-o', `size=${limitBytes}`] : []), 'tmpfs', path];
    await this.#options.commands.run({ command: 'mount', arguments: options });
  }

  #expandSubPath(container: Container, expression: string): string {
    const values = new Map((container.env ?? []).map(({ name, value }) => [name, value]));
    return expand(expression, name => values.get(name));
  }
}

async function makeDirectory(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await mkdir(path, { recursive: true, mode: 0o755 });
}

/** Containers of any user may come in; with a group of the pod its members, and what is made inside belongs to the group too. */
async function openTo(path: string, mode: number, groupId: number | undefined): Promise<void> {
  if (groupId === undefined) {
    await chmod(path, mode);
    return;
  }
  await lchown(path, 0, groupId);
  await chmod(path, mode | 0o2000);
}

/** Source: pkg/volume SetVolumeOwnership. Links are given, never followed. */
async function giveToGroup(path: string, groupId: number): Promise<void> {
  const { mode, uid } = await lstat(path);
  await lchown(path, uid, groupId);
  const type = mode & 0o170000;
  if (type === 0o120000) return;
  if (type !== 0o040000) {
    await chmod(path, (mode & 0o7777) | 0o660);
    return;
  }
  await chmod(path, (mode & 0o7777) | 0o2770);
  for (const name of await readdir(path)) await giveToGroup(join(path, name), groupId);
}

/** Checks a path of the node as its type demands. Texts: pkg/volume/hostpath. */
async function hostPath({ path, type }: HostPathVolumeSource): Promise<string> {
  const found = await stat(path).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  const refuse = (what: string): CodedError =>
    new CodedError('VOLUME_HOST_PATH', `hostPath type check failed: ${path} is not a ${what}`);
  switch (type) {
    case 'DirectoryOrCreate':
      if (!found) await mkdir(path, { recursive: true, mode: 0o755 });
      else if (!found.isDirectory()) throw refuse('directory');
      break;
    case 'Directory':
      if (!found?.isDirectory()) throw refuse('directory');
      break;
    case 'FileOrCreate':
      if (!found) await (await open(path, 'a', 0o644)).close();
      else if (!found.isFile()) throw refuse('file');
      break;
    case 'File':
      if (!found?.isFile()) throw refuse('file');
      break;
    case 'Socket':
      if (!found?.isSocket()) throw refuse('socket file');
      break;
    case 'CharDevice':
      if (!found?.isCharacterDevice()) throw refuse('character device');
      break;
    case 'BlockDevice':
      if (!found?.isBlockDevice()) throw refuse('block device');
      break;
    default:
      // The runtime of other systems makes a missing path a directory; containers rely on it.
      if (!found) await mkdir(path, { recursive: true, mode: 0o755 });
  }
  return path;
}
