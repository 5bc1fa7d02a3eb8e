import { lstat, readFile, readdir, statfs } from 'node:fs/promises';
import { uptime } from 'node:os';
import { dirname, join } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { errorCode } from '../../base/errors.js';
import { maximumThreads } from '../../host/host-facts.js';
import type { Pod } from '../../api/generated/types.js';
import type { ContainerRuntime } from '../../contracts/container-runtime.js';
import { HostUsage } from '../eviction/node-usage.js';
import type { KubeletSettings } from '../kubelet-context.js';
import { podUid } from '../kubelet-context.js';
import { podLogDirectory } from '../runtime/runtime-specs.js';

export interface FilesystemMeasure {
  readonly availableBytes: number;
  readonly capacityBytes: number;
  readonly usedBytes: number;
  readonly inodesFree: number;
  readonly inodes: number;
  readonly inodesUsed: number;
}

export interface InterfaceMeasure {
  readonly name: string;
  readonly rxBytes: number;
  readonly rxPackets: number;
  readonly rxErrors: number;
  readonly rxDropped: number;
  readonly txBytes: number;
  readonly txPackets: number;
  readonly txErrors: number;
  readonly txDropped: number;
}

export interface VolumeMeasure {
  readonly name: string;
  readonly claimName?: string;
  /** What it uses itself, and the room there is where it lies; inodes of the latter only. */
  readonly filesystem: FilesystemMeasure;
}

export interface PodMeasure {
  /** None for pods on the node's network. */
  readonly interfaces: readonly InterfaceMeasure[];
  readonly volumes: readonly VolumeMeasure[];
  /** By container. */
  readonly logBytes: ReadonlyMap<string, number>;
}

export interface NodeMeasure {
  readonly startTimeMs: number;
  readonly filesystem: FilesystemMeasure;
  readonly imageFilesystem: FilesystemMeasure;
  readonly interfaces: readonly InterfaceMeasure[];
  /** Of the default route, '' without one. */
  readonly defaultInterface: string;
  readonly threads: number;
  readonly maximumThreads: number;
  readonly pods: ReadonlyMap<string, PodMeasure>;
}

export interface HostMeasuresOptions {
  readonly runtime: Pick<ContainerRuntime, 'imageFilesystem'>;
  readonly clock: Clock;
  readonly settings: Pick<KubeletSettings, 'rootDir' | 'podLogsDir'>;
  /** Processes of a pod. */
  readonly processes: (podUid: string) => Promise<readonly number[]>;
}

/** Files of volumes are counted so often at most: that reads them all. */
const volumePeriodMs = 60_000;

/** What of disks and networks a real node and its pods use. Read when somebody asks. */
export class HostMeasures {
  readonly #options: HostMeasuresOptions;
  readonly #usage = new HostUsage();
  #volumes = new Map<string, { readonly atMs: number; readonly measures: readonly VolumeMeasure[] }>();

  constructor(options: HostMeasuresOptions) {
    this.#options = options;
  }

  async read(pods: readonly Pod[]): Promise<NodeMeasure> {
    const { clock, runtime, settings } = this.#options;
    const { path } = await runtime.imageFilesystem();
    const [nodefs, imagefs, devices, routes, load, maximum] = await Promise.all([
      filesystemMeasure(settings.rootDir),
      filesystemMeasure(path),
      readFile('/proc/net/dev', 'utf8'),
      readFile('/proc/net/route', 'utf8'),
      readFile('/proc/loadavg', 'utf8'),
      maximumThreads(),
    ]);
    const known = new Set(pods.map(podUid));
    for (const uid of this.#volumes.keys()) if (!known.has(uid)) this.#volumes.delete(uid);
    const measures = new Map<string, PodMeasure>();
    for (const pod of pods) measures.set(podUid(pod), await this.#pod(pod));
    return {
      startTimeMs: clock.now() - Math.floor(uptime() * 1000),
      filesystem: nodefs,
      imageFilesystem: imagefs,
      interfaces: parseInterfaces(devices),
      defaultInterface: /^(\S+)\t00000000\t/m.exec(routes)?.[1] ?? '',
      threads: Number(/\/(\d+)/.exec(load)?.[1] ?? 0),
      maximumThreads: maximum,
      pods: measures,
    };
  }

  async #pod(pod: Pod): Promise<PodMeasure> {
    const logs = podLogDirectory(pod, this.#options.settings);
    const logBytes = new Map<string, number>();
    for (const { name } of [...pod.spec.containers, ...(pod.spec.initContainers ?? [])]) {
      logBytes.set(name, await this.#usage.directoryBytes(join(logs, name)));
    }
    return { interfaces: await this.#interfaces(pod), volumes: await this.#podVolumes(pod), logBytes };
  }

  async #interfaces(pod: Pod): Promise<InterfaceMeasure[]> {
    if (pod.spec.hostNetwork) return [];
    for (const pid of await this.#options.processes(podUid(pod))) {
      const text = await readIfThere(`/proc/${pid}/net/dev`);
      // Loopback says nothing of the pod.
      if (text !== undefined) return parseInterfaces(text).filter(({ name }) => name !== 'lo');
    }
    return [];
  }

  async #podVolumes(pod: Pod): Promise<readonly VolumeMeasure[]> {
    const { clock, settings } = this.#options;
    const uid = podUid(pod);
    const nowMs = clock.now();
    const before = this.#volumes.get(uid);
    if (before && nowMs - before.atMs < volumePeriodMs) return before.measures;
    const root = join(settings.rootDir, 'pods', uid, 'volumes');
    const measures: VolumeMeasure[] = [];
    for (const plugin of await namesIn(root)) {
      for (const name of await namesIn(join(root, plugin))) {
        const volume = pod.spec.volumes?.find(own => own.name === name);
        // What an image holds is not the pod's.
        if (!volume || volume.image) continue;
        const filesystem = await this.#volume(join(root, plugin, name));
        if (!filesystem) continue;
        const claimName = volume.persistentVolumeClaim?.claimName;
        measures.push({ name, filesystem, ...(claimName === undefined ? {} : { claimName }) });
      }
    }
    this.#volumes.set(uid, { atMs: nowMs, measures });
    return measures;
  }

  /** A filesystem of its own is asked, else the files are counted. Undefined for one that goes away meanwhile. */
  async #volume(path: string): Promise<FilesystemMeasure | undefined> {
    try {
      const [own, above, around] = await Promise.all([lstat(path), lstat(dirname(path)), filesystemMeasure(path)]);
      return own.dev === above.dev ? { ...around, usedBytes: await this.#usage.directoryBytes(path) } : around;
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }
}

async function filesystemMeasure(path: string): Promise<FilesystemMeasure> {
  const { bavail, bfree, blocks, bsize, ffree, files } = await statfs(path);
  return {
    availableBytes: bavail * bsize,
    capacityBytes: blocks * bsize,
    usedBytes: (blocks - bfree) * bsize,
    inodesFree: ffree,
    inodes: files,
    inodesUsed: files - ffree,
  };
}

/** `/proc/net/dev`. */
export function parseInterfaces(text: string): InterfaceMeasure[] {
  return text.split('\n').flatMap(line => {
    const match = /^\s*([^:\s]+):\s*(.*)$/.exec(line);
    if (!match) return [];
    const [rxBytes, rxPackets, rxErrors, rxDropped, , , , , txBytes, txPackets, txErrors, txDropped] = match[2]!
      .trim()
      .split(/\s+/)
      .map(Number) as [number, number, number, number, number, number, number, number, number, number, number, number];
    return [{ name: match[1]!, rxBytes, rxPackets, rxErrors, rxDropped, txBytes, txPackets, txErrors, txDropped }];
  });
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    // The process has ended.
    if (['ENOENT', 'ESRCH', 'EINVAL'].includes(errorCode(error) ?? '')) return undefined;
    throw error;
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
