import { podRequests } from '../../api/pod-resources.js';
import type { Pod } from '../../api/generated/types.js';
import type { Ledger } from '../../contracts/ledger.js';
import type { CgroupLimits, Cgroups } from '../../host/cgroups.js';
import { podUid } from '../kubelet-context.js';
import { cpuShares, minimumShares, nodeLimits, podCgroupLimits, podQos } from './cgroup-limits.js';

export interface PodCgroupsOptions {
  readonly cgroups: Cgroups;
  /** Of all groups of this node, '' for the machine's only one. Two nodes on one host have different ones: `/k3s-3f2a91c0`. */
  readonly root: string;
  readonly ledger?: Ledger | undefined;
}

const swapFile = 'memory.swap.max';

interface Known {
  readonly path: string;
  readonly qos: string;
  readonly milliCpu: number;
  readonly limits: CgroupLimits;
}

/**
 * The tree `kubepods/{burstable,besteffort}/pod<uid>`; Guaranteed pods lie in `kubepods` itself. The runtime makes a container's group
 * below its pod's. Source: pkg/kubelet/cm (cgroup driver cgroupfs).
 */
export class PodCgroups {
  readonly #options: PodCgroupsOptions;
  readonly #kubepods: string;
  readonly #pods = new Map<string, Known>();
  /** 0: not written by this kubelet yet. */
  #burstableShares = 0;
  #sharing: Promise<void> = Promise.resolve();
  #containerKeys: Readonly<Record<string, string>> = {};

  constructor(options: PodCgroupsOptions) {
    this.#options = options;
    this.#kubepods = `${options.root}/kubepods`;
  }

  /** Makes the tree; the groups of pods that run are kept. Rejects CGROUP_REFUSED. */
  async start(allocatable: Readonly<Record<string, string>>, maximumThreads: number): Promise<void> {
    const { cgroups, ledger, root } = this.#options;
    await ledger?.record('cgroup', root || this.#kubepods);
    await cgroups.ensure(this.#kubepods, nodeLimits(allocatable, maximumThreads));
    await cgroups.ensure(`${this.#kubepods}/besteffort`, { cpuShares: minimumShares });
    await cgroups.ensure(`${this.#kubepods}/burstable`, {});
    if (cgroups.version === 1) return;
    const swap = await cgroups.offers(this.#kubepods, swapFile);
    this.#containerKeys = { 'memory.oom.group': '1', ...(swap ? { [swapFile]: '0' } : {}) };
  }

  /**
   * What a container's own group gets beside its limits: when memory runs out, all that runs in it is killed, so that no half of a
   * container lives on; nothing of it is swapped. Only version 2 knows this. Source: pkg/kubelet/kuberuntime
   * kuberuntime_container_linux.go (singleProcessOOMKill and swap behaviour as they are by default).
   */
  get containerKeys(): Readonly<Record<string, string>> {
    return this.#containerKeys;
  }

  /** The pod's group with its limits; made where it is not there. Cheap when nothing changed. */
  async ensure(pod: Pod): Promise<string> {
    const uid = podUid(pod);
    const limits = podCgroupLimits(pod);
    const known = this.#pods.get(uid);
    if (known && sameLimits(known.limits, limits)) return known.path;
    const qos = podQos(pod);
    const path = known?.path ?? this.#path(uid, qos);
    await this.#options.cgroups.ensure(path, limits);
    const milliCpu = podRequests(pod).get('cpu')?.milliValue() ?? 0;
    this.#pods.set(uid, { path, qos, milliCpu, limits });
    await this.#shareOut();
    return path;
  }

  /** Raises the limits to what `pod` wants and lowers none, for a resize: groups below are never to have more than this one. */
  async raise(pod: Pod): Promise<void> {
    const known = this.#pods.get(podUid(pod));
    if (!known) return;
    const wanted = podCgroupLimits(pod);
    const more = (before = -1, after = -1): number => (before < 0 || after < 0 ? -1 : Math.max(before, after));
    const limits: CgroupLimits = {
      ...wanted,
      cpuQuotaMicros: more(known.limits.cpuQuotaMicros, wanted.cpuQuotaMicros),
      memoryBytes: more(known.limits.memoryBytes, wanted.memoryBytes),
    };
    await this.#options.cgroups.ensure(known.path, limits);
    this.#pods.set(podUid(pod), { ...known, limits });
  }

  /** After the pod's containers and sandboxes have ended. Rejects CGROUP_BUSY while something still runs. */
  async remove(uid: string, options?: { readonly spare?: boolean }): Promise<void> {
    for (const qos of ['Guaranteed', 'Burstable', 'BestEffort'])
      await this.#options.cgroups.remove(this.#path(uid, qos), options);
    if (this.#pods.delete(uid)) await this.#shareOut();
  }

  /** What runs in the pod's groups. */
  async processes(uid: string): Promise<readonly number[]> {
    const known = this.#pods.get(uid);
    return known ? this.#options.cgroups.processes(known.path) : [];
  }

  /** Uids of pods that have groups. */
  async podUids(): Promise<string[]> {
    const { cgroups } = this.#options;
    const lists = await Promise.all(
      ['', '/burstable', '/besteffort'].map(below => cgroups.children(`${this.#kubepods}${below}`)),
    );
    return lists.flat().flatMap(name => (/^pod[0-9a-zA-Z-]+$/.test(name) ? [name.slice(3)] : []));
  }

  /** Leaves the groups of pods that go on; a tree without pods goes. */
  async stop(): Promise<void> {
    const { cgroups, ledger, root } = this.#options;
    this.#pods.clear();
    this.#burstableShares = 0;
    if ((await this.podUids()).length > 0) return;
    await cgroups.remove(root || this.#kubepods);
    await ledger?.forget('cgroup', root || this.#kubepods);
  }

  /** Burstable pods together weigh what they request. One write after the other: the last one counts. */
  #shareOut(): Promise<void> {
    const shared = this.#sharing.then(() => this.#writeShares());
    this.#sharing = shared.catch(() => undefined);
    return shared;
  }

  async #writeShares(): Promise<void> {
    let milliCpu = 0;
    for (const known of this.#pods.values()) if (known.qos === 'Burstable') milliCpu += known.milliCpu;
    const shares = cpuShares(milliCpu);
    if (shares === this.#burstableShares) return;
    await this.#options.cgroups.ensure(`${this.#kubepods}/burstable`, { cpuShares: shares });
    this.#burstableShares = shares;
  }

  #path(uid: string, qos: string): string {
    return `${this.#kubepods}${qos === 'Guaranteed' ? '' : `/${qos.toLowerCase()}`}/pod${uid}`;
  }
}

function sameLimits(a: CgroupLimits, b: CgroupLimits): boolean {
  return (
    a.cpuShares === b.cpuShares &&
    a.cpuQuotaMicros === b.cpuQuotaMicros &&
    a.cpuPeriodMicros === b.cpuPeriodMicros &&
    a.memoryBytes === b.memoryBytes
  );
}
