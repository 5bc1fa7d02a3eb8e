import { chmod, mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Disposable } from '../../base/disposable.js';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import type { Container, EmptyDirVolumeSource, Pod, Volume, VolumeMount } from '../../api/generated/types.js';
import type { Mount } from '../../contracts/container-runtime.js';
import type { Commands } from '../../host/commands.js';
import { mountPoints } from '../../host/mounts.js';
import type { KubeletContext } from '../kubelet-context.js';
import { isWritten, stampOf, writeAtomically } from './atomic-writer.js';
import type { VolumeFile } from './atomic-writer.js';
import { emptyDirMount, memoryMount, memoryVolumeBytes } from './empty-dir.js';
import { hostPath } from './host-path.js';
import { nestedMountPoints } from './nested-mounts.js';
import { claimName, claimedVolume } from './persistent-claim.js';
import { usedVolumes } from './pod-containers.js';
import { podFiles } from './pod-files.js';
import { bindSubPath, makeSubPath, subPathOf } from './sub-path.js';
import type { SubPathHost } from './sub-path.js';
import type { ReferencedObjects } from './referenced-objects.js';
import { ReferenceVolumeManager } from './reference-volume-manager.js';
import { VolumeContent } from './volume-content.js';
import type { VolumeContentOptions } from './volume-content.js';
import { isReadOnly, volumeNotReady, volumesNotReady } from './volume-manager.js';
import type { VolumeManager } from './volume-manager.js';
import { belongsToGroup, giveToGroup } from './volume-ownership.js';

export interface HostVolumeManagerOptions {
  readonly context: KubeletContext;
  readonly objects: ReferencedObjects;
  readonly commands: Commands;
  readonly downward: VolumeContentOptions['downward'];
  /** A token falls due, so the pod's volumes have to be looked at again. */
  wake(podUid: string): void;
  /** For tests. Absent: this machine's. */
  readonly mountPoints?: (directory: string) => Promise<string[]>;
}

/** A volume that is set up. */
interface SetUpVolume {
  readonly path: string;
  /** No container may write to it, whatever its mount says. */
  readonly readOnly: boolean;
  /** Of the files that were written, for volumes made of API objects; '' for those of an earlier kubelet. */
  readonly stamp?: string;
  /** It is the place of a `local` persistent volume, which several pods may share. */
  readonly shared?: boolean;
  /** It is of an image: nothing can be made in it. */
  readonly ofImage?: boolean;
}

/** A volume's content could not be brought up to date: tried again after this, unless an event comes first. */
const retryMs = 60_000;
const imagePlugin = 'image';
const blockDevices = 'block devices of persistent volumes are not supported';

/** Volumes on this machine, under `<root>/pods/<uid>/volumes`. Layout and names: pkg/kubelet, pkg/volume. */
export class HostVolumeManager implements VolumeManager {
  readonly #options: HostVolumeManagerOptions;
  readonly #host: SubPathHost;
  readonly #references: ReferenceVolumeManager;
  readonly #content: VolumeContent;
  readonly #timers = new Map<string, Disposable>();
  /** What is set up of a pod, by the volume's name. */
  readonly #volumes = new Map<string, Map<string, SetUpVolume>>();

  constructor(options: HostVolumeManagerOptions) {
    this.#options = options;
    this.#host = { commands: options.commands, mountPoints: options.mountPoints ?? mountPoints };
    this.#references = new ReferenceVolumeManager(options.context, options.objects);
    this.#content = new VolumeContent(options);
  }

  register(pod: Pod): void {
    this.#references.register(pod);
  }

  async mount(pod: Pod): Promise<void> {
    const uid = pod.metadata.uid ?? '';
    let volumes = this.#volumes.get(uid);
    if (!volumes) this.#volumes.set(uid, (volumes = new Map<string, SetUpVolume>()));
    const failures: Error[] = [];
    let stale = false;
    for (const volume of usedVolumes(pod)) {
      // Their images are pulled when a container starts, whose failure it is.
      if (volume.image) continue;
      const known = volumes.get(volume.name);
      try {
        const plugin = contentPlugin(volume);
        if (plugin !== undefined) volumes.set(volume.name, await this.#bringUpToDate(pod, volume, plugin, known));
        else if (!known) volumes.set(volume.name, await this.#setUp(pod, volume));
      } catch (error) {
        this.#references.tell(pod, volume, errorText(error));
        // Containers that run, or start again, do with what was there before.
        if (volumes.has(volume.name)) stale = true;
        else failures.push(volumeNotReady(volume, error));
      }
    }
    this.#lookLater(uid, stale);
    if (failures.length > 0) throw volumesNotReady(failures);
  }

  /** Each image has a folder of its own: containers that run keep what they have when the name means another image by now. */
  async mountImage(pod: Pod, volume: Volume, imageId: string): Promise<void> {
    const { runtime } = this.#options.context;
    if (!runtime.mountImage) throw new CodedError('VOLUME_UNSUPPORTED', 'the container runtime cannot mount images');
    const path = join(this.#volumeDirectory(pod, imagePlugin, volume.name), imageId.replace(':', '-'));
    await runtime.mountImage(imageId, path);
    this.#remember(pod, volume, { path, readOnly: true, ofImage: true });
  }

  async imageIds(): Promise<string[]> {
    const ids: string[] = [];
    for (const uid of await this.podUids()) {
      for (const path of await this.#imageDirectories(uid)) ids.push(basename(path).replace('-', ':'));
    }
    return ids;
  }

  async mountsFor(pod: Pod, container: Container, environment: ReadonlyMap<string, string>): Promise<Mount[]> {
    const uid = pod.metadata.uid ?? '';
    const volumes = this.#volumes.get(uid);
    const mounts: Mount[] = [];
    if (container.volumeDevices?.length) {
      throw new CodedError('VOLUME_UNSUPPORTED', blockDevices);
    }
    for (const [index, mount] of (container.volumeMounts ?? []).entries()) {
      const volume = volumes?.get(mount.name);
      if (!volume) {
        const text = `cannot find volume "${mount.name}" to mount into container "${container.name}"`;
        throw new CodedError('VOLUME_NOT_READY', text);
      }
      checkRecursiveReadOnly(mount);
      const subPath = subPathOf(mount, environment);
      const target = join(this.#podDirectory(uid), 'volume-subpaths', mount.name, container.name, String(index));
      mounts.push({
        containerPath: mount.mountPath.startsWith('/') ? mount.mountPath : `/${mount.mountPath}`,
        hostPath: subPath === '' ? volume.path : await this.#subPath(volume, subPath, { target, mount, container }),
        readOnly: (mount.readOnly ?? false) || volume.readOnly,
        propagation:
          mount.mountPropagation === 'Bidirectional'
            ? 'bidirectional'
            : mount.mountPropagation === 'HostToContainer'
              ? 'host-to-container'
              : 'private',
      });
    }
    const { podIps } = this.#options.downward(pod);
    const { clusterDomain } = this.#options.context.settings;
    mounts.push(...(await podFiles({ pod, container, directory: this.#podDirectory(uid), podIps, clusterDomain })));
    return mounts;
  }

  async unmount(podUid: string): Promise<void> {
    await this.#timers.get(podUid)?.dispose();
    this.#timers.delete(podUid);
    this.#content.forget(podUid);
    this.#volumes.delete(podUid);
    await this.#references.unmount(podUid);
    const directory = this.#podDirectory(podUid);
    // What is mounted below goes first, the deepest before what holds it; a mount that stays must keep its files.
    for (const point of (await this.#host.mountPoints(directory)).reverse()) {
      await this.#options.commands.run({ command: 'umount', arguments: [point] });
    }
    // What the runtime made for them, also before a reboot took the mounts away.
    for (const path of await this.#imageDirectories(podUid)) await this.#options.context.runtime.unmountImage?.(path);
    await rm(directory, { recursive: true, force: true });
  }

  podUids(): Promise<string[]> {
    return namesIn(join(this.#options.context.settings.rootDir, 'pods'));
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers.values()) await timer.dispose();
    this.#timers.clear();
    await this.#references.stop();
  }

  #podDirectory(uid: string): string {
    return join(this.#options.context.settings.rootDir, 'pods', uid);
  }

  async #imageDirectories(uid: string): Promise<string[]> {
    const volumes = join(this.#podDirectory(uid), 'volumes', `kubernetes.io~${imagePlugin}`);
    const paths: string[] = [];
    for (const name of await namesIn(volumes)) {
      for (const image of await namesIn(join(volumes, name))) paths.push(join(volumes, name, image));
    }
    return paths;
  }

  #volumeDirectory(pod: Pod, plugin: string, name: string): string {
    return join(this.#podDirectory(pod.metadata.uid ?? ''), 'volumes', `kubernetes.io~${plugin}`, name);
  }

  /** When a token falls due, or when what failed is tried again. */
  #lookLater(uid: string, failed: boolean): void {
    void this.#timers.get(uid)?.dispose();
    this.#timers.delete(uid);
    const { clock } = this.#options.context;
    const dueMs = Math.min(this.#content.refreshAtMs(uid) ?? Infinity, failed ? clock.now() + retryMs : Infinity);
    if (dueMs === Infinity) return;
    this.#timers.set(
      uid,
      clock.setTimer(Math.max(1000, dueMs - clock.now()), () => this.#options.wake(uid)),
    );
  }

  /** A volume that is set up once. */
  async #setUp(pod: Pod, volume: Volume): Promise<SetUpVolume> {
    const readOnly = isReadOnly(volume);
    if (volume.hostPath) return { path: await hostPath(volume.hostPath), readOnly };
    if (volume.emptyDir) return { path: await this.#emptyDir(pod, volume.name, volume.emptyDir), readOnly };
    if (claimName(pod, volume) !== undefined) return { ...(await this.#claim(pod, volume)), readOnly };
    const kind = Object.keys(volume).find(key => key !== 'name') ?? 'unknown';
    throw new CodedError('VOLUME_UNSUPPORTED', `volumes of kind ${kind} are not supported`);
  }

  /** A volume made of API objects: nothing is touched while they are as they were. */
  async #bringUpToDate(pod: Pod, volume: Volume, plugin: string, known: SetUpVolume | undefined): Promise<SetUpVolume> {
    const path = known?.path ?? this.#volumeDirectory(pod, plugin, volume.name);
    const groupId = pod.spec.securityContext?.fsGroup;
    let files: ReadonlyMap<string, VolumeFile>;
    try {
      files = await this.#content.files(pod, volume);
    } catch (error) {
      // Containers of an earlier kubelet have what it wrote.
      if (!known && (await isWritten(path))) this.#remember(pod, volume, { path, readOnly: isReadOnly(volume), stamp: '' });
      throw error;
    }
    const stamp = stampOf(files, groupId);
    if (known?.stamp === stamp) return known;
    if (!known) {
      await makeDirectory(path);
      if (plugin !== 'configmap') {
        const { allocatable } = this.#options.downward(pod);
        await this.#mountOnce(path, memoryMount(memoryVolumeBytes(undefined, pod, allocatable)));
      }
    }
    for (const nested of nestedMountPoints(pod, volume.name)) await mkdir(join(path, nested), { recursive: true, mode: 0o755 });
    await writeAtomically(path, files, { groupId });
    return { path, readOnly: isReadOnly(volume), stamp };
  }

  #remember(pod: Pod, volume: Volume, found: SetUpVolume): void {
    this.#volumes.get(pod.metadata.uid ?? '')?.set(volume.name, found);
  }

  /** What a container did to modes and owners stays as it is, also over a restart of the kubelet. */
  async #emptyDir(pod: Pod, name: string, source: EmptyDirVolumeSource): Promise<string> {
    const path = this.#volumeDirectory(pod, 'empty-dir', name);
    const words = emptyDirMount(source, pod, this.#options.downward(pod).allocatable);
    const mark = this.#readyMark(pod, 'empty-dir', name);
    const there = words ? (await this.#host.mountPoints(path)).includes(path) : await exists(path);
    if (there && (await exists(mark))) return path;
    await makeDirectory(path);
    if (words) await this.#mountOnce(path, words);
    const groupId = pod.spec.securityContext?.fsGroup;
    if (groupId !== undefined) await giveToGroup(path, groupId);
    await makeMark(mark);
    return path;
  }

  async #claim(pod: Pod, volume: Volume): Promise<Omit<SetUpVolume, 'readOnly'>> {
    const persistent = await claimedVolume(this.#options.context.client, pod, volume);
    const { hostPath: source, local, volumeMode } = persistent.spec;
    if (volumeMode === 'Block') throw new CodedError('VOLUME_UNSUPPORTED', blockDevices);
    // Of a path of the node nothing is changed: it is not the pod's.
    if (source) return { path: await hostPath(source) };
    if (!local) {
      const text = `persistent volume ${persistent.metadata.name} is of a kind that is not supported`;
      throw new CodedError('VOLUME_UNSUPPORTED', text);
    }
    const path = await hostPath({ path: local.path, type: 'Directory' });
    const { fsGroup, fsGroupChangePolicy } = pod.spec.securityContext ?? {};
    const mark = this.#readyMark(pod, 'local-volume', volume.name);
    if (fsGroup !== undefined && !isReadOnly(volume) && !(await exists(mark))) {
      if (this.#usedByOthers(pod, path)) await this.#warnOfGroup(pod, path, fsGroup, persistent.metadata.name ?? '');
      else if (fsGroupChangePolicy !== 'OnRootMismatch' || !(await belongsToGroup(path, fsGroup))) {
        await giveToGroup(path, fsGroup);
      }
    }
    await makeMark(mark);
    return { path, shared: true };
  }

  #usedByOthers(pod: Pod, path: string): boolean {
    for (const [uid, volumes] of this.#volumes) {
      if (uid === pod.metadata.uid) continue;
      for (const volume of volumes.values()) if (volume.shared && volume.path === path) return true;
    }
    return false;
  }

  async #warnOfGroup(pod: Pod, path: string, groupId: number, name: string): Promise<void> {
    const { gid } = await stat(path);
    if (gid === groupId) return;
    const text = `The requested fsGroup is ${groupId}, but the volume ${name} has GID ${gid}. The volume may not be shareable.`;
    this.#options.context.recorder.event(pod, 'Warning', 'AlreadyMountedVolume', text);
  }

  async #subPath(
    { path: root, ofImage }: SetUpVolume,
    subPath: string,
    { target, mount, container }: { target: string; mount: VolumeMount; container: Container },
  ): Promise<string> {
    const which = `volumeMount "${mount.name}" of container "${container.name}"`;
    const { logger } = this.#options.context;
    try {
      if (!ofImage) await makeSubPath(root, subPath);
    } catch (error) {
      // The user does not learn how the node's files are laid out.
      logger.warn('the directory of a subPath could not be made', { root, subPath, error });
      throw new CodedError('VOLUME_SUB_PATH', `failed to create subPath directory for ${which}`);
    }
    try {
      return await bindSubPath(this.#host, { root, subPath, target });
    } catch (error) {
      logger.warn('a subPath could not be bound', { root, subPath, error });
      throw new CodedError('VOLUME_SUB_PATH', `failed to prepare subPath for ${which}`);
    }
  }

  async #mountOnce(path: string, words: readonly string[]): Promise<void> {
    if ((await this.#host.mountPoints(path)).includes(path)) return;
    await this.#options.commands.run({ command: 'mount', arguments: [...words, path] });
  }

  /** A file that says that a volume was set up to its end. */
  #readyMark(pod: Pod, plugin: string, name: string): string {
    return join(this.#podDirectory(pod.metadata.uid ?? ''), 'plugins', `kubernetes.io~${plugin}`, name, 'ready');
  }
}

async function namesIn(directory: string): Promise<string[]> {
  try {
    return await readdir(directory);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** The name of a volume's directory, for those that are made of API objects. */
function contentPlugin({ configMap, secret, projected, downwardAPI }: Volume): string | undefined {
  return configMap ? 'configmap' : secret ? 'secret' : projected ? 'projected' : downwardAPI ? 'downward-api' : undefined;
}

/** The runtimes that we know cannot make what is mounted below a volume read-only too. Texts: pkg/kubelet resolveRecursiveReadOnly. */
function checkRecursiveReadOnly({ name, recursiveReadOnly }: VolumeMount): void {
  if (recursiveReadOnly !== 'Enabled') return;
  const text = `volume "${name}" requested recursive read-only mode, but it is not supported by the runtime`;
  throw new CodedError('VOLUME_UNSUPPORTED', `failed to resolve recursive read-only mode: ${text}`);
}

/** Containers of any user may come in. */
async function makeDirectory(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await mkdir(path, { recursive: true, mode: 0o755 });
  await chmod(path, 0o777);
}

async function makeMark(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
  await writeFile(path, '');
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false;
    throw error;
  }
}
