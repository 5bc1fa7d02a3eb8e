import type { ContainerPort, Node } from '../api/generated/types.js';
import type { ResourceAmounts, SchedulingNode } from '../contracts/scheduler-plugin.js';
import type { LabelMatcher } from './label-matcher.js';
import type { PodInfo } from './pod-info.js';
import { MutableAmounts, nodeAllocatable } from './resource-amounts.js';

const anyAddress = '0.0.0.0';

/** Host ports in use on a node, by address. 0.0.0.0 collides with every address. */
export class HostPorts {
  readonly #counts = new Map<string, number>();

  add(port: ContainerPort): void {
    const key = portKey(port);
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  remove(port: ContainerPort): void {
    const key = portKey(port);
    const count = this.#counts.get(key) ?? 0;
    if (count <= 1) this.#counts.delete(key);
    else this.#counts.set(key, count - 1);
  }

  conflicts(port: ContainerPort): boolean {
    if (this.#counts.size === 0) return false;
    const suffix = portSuffix(port);
    if ((port.hostIP || anyAddress) !== anyAddress) {
      return this.#counts.has(portKey(port)) || this.#counts.has(`${anyAddress} ${suffix}`);
    }
    for (const key of this.#counts.keys()) if (key.endsWith(` ${suffix}`)) return true;
    return false;
  }
}

function portSuffix(port: ContainerPort): string {
  return `${port.protocol || 'TCP'}/${port.hostPort}`;
}

function portKey(port: ContainerPort): string {
  return `${port.hostIP || anyAddress} ${portSuffix(port)}`;
}

/** A node, the pods on it and the sums over them. */
export class NodeInfo implements SchedulingNode {
  #node: Node | undefined;
  #allocatable: ResourceAmounts = new MutableAmounts();
  #allowedPods = 0;
  readonly #pods = new Map<string, PodInfo>();
  readonly #podsWithAffinity = new Set<PodInfo>();
  readonly #podsWithRequiredAntiAffinity = new Set<PodInfo>();
  readonly #requested = new MutableAmounts();
  readonly #ports = new HostPorts();
  #scoringMilliCpu = 0;
  #scoringMemoryBytes = 0;
  /** Pods per namespace and selector. Whoever asks for a selector asks again soon, about every node, of which few changed. */
  #matchCounts: Map<string, number> | undefined;

  get node(): Node {
    if (!this.#node) throw new Error('the node is not known yet');
    return this.#node;
  }

  /** False while only pods of the node were seen. */
  get isKnown(): boolean {
    return this.#node !== undefined;
  }

  get name(): string {
    return this.node.metadata.name;
  }

  get labels(): Readonly<Record<string, string>> {
    return this.node.metadata.labels ?? {};
  }

  get pods(): Iterable<PodInfo> {
    return this.#pods.values();
  }

  get podsWithAffinity(): Iterable<PodInfo> {
    return this.#podsWithAffinity;
  }

  get podsWithRequiredAntiAffinity(): Iterable<PodInfo> {
    return this.#podsWithRequiredAntiAffinity;
  }

  get hasPodsWithAffinity(): boolean {
    return this.#podsWithAffinity.size > 0;
  }

  get hasPodsWithRequiredAntiAffinity(): boolean {
    return this.#podsWithRequiredAntiAffinity.size > 0;
  }

  get podCount(): number {
    return this.#pods.size;
  }

  get allowedPods(): number {
    return this.#allowedPods;
  }

  get allocatable(): ResourceAmounts {
    return this.#allocatable;
  }

  get requested(): ResourceAmounts {
    return this.#requested;
  }

  get scoringMilliCpu(): number {
    return this.#scoringMilliCpu;
  }

  get scoringMemoryBytes(): number {
    return this.#scoringMemoryBytes;
  }

  get ports(): HostPorts {
    return this.#ports;
  }

  setNode(node: Node | undefined): void {
    this.#node = node;
    const { amounts, pods } = nodeAllocatable(node);
    this.#allocatable = amounts;
    this.#allowedPods = pods;
  }

  addPod(info: PodInfo): void {
    if (this.#pods.has(info.key)) this.removePod(info.key);
    this.#pods.set(info.key, info);
    if (info.hasAffinity) this.#podsWithAffinity.add(info);
    if (info.terms.requiredAntiAffinity.length > 0) this.#podsWithRequiredAntiAffinity.add(info);
    this.#account(info, 1);
    for (const port of info.hostPorts) this.#ports.add(port);
  }

  removePod(key: string): PodInfo | undefined {
    const info = this.#pods.get(key);
    if (!info) return undefined;
    this.#pods.delete(key);
    this.#podsWithAffinity.delete(info);
    this.#podsWithRequiredAntiAffinity.delete(info);
    this.#account(info, -1);
    for (const port of info.hostPorts) this.#ports.remove(port);
    return info;
  }

  /** How many pods of the namespace match and are not on their way out. */
  countMatching(namespace: string, selector: LabelMatcher): number {
    const key = `${namespace}/${selector.key}`;
    const known = this.#matchCounts?.get(key);
    if (known !== undefined) return known;
    let count = 0;
    for (const { pod } of this.#pods.values()) {
      const { metadata } = pod;
      if (metadata.deletionTimestamp || (metadata.namespace ?? '') !== namespace) continue;
      if (selector.matches(metadata.labels ?? {})) count++;
    }
    (this.#matchCounts ??= new Map()).set(key, count);
    return count;
  }

  /** A copy whose pods may be changed. */
  clone(): NodeInfo {
    const copy = new NodeInfo();
    copy.#node = this.#node;
    copy.#allocatable = this.#allocatable;
    copy.#allowedPods = this.#allowedPods;
    for (const info of this.#pods.values()) copy.addPod(info);
    return copy;
  }

  #account(info: PodInfo, sign: 1 | -1): void {
    this.#requested.add(info.requests, sign);
    const { milliCpu, memoryBytes } = info.scoringRequests;
    this.#scoringMilliCpu += sign * milliCpu;
    this.#scoringMemoryBytes += sign * memoryBytes;
    this.#matchCounts = undefined;
  }
}
