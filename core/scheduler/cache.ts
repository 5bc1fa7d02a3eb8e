import type { Node, Pod } from '../api/generated/types.js';
import { jsonEqual } from '../machinery/object.js';
import { NodeInfo } from './node-info.js';
import { PodInfo } from './pod-info.js';

interface PodEntry {
  info: PodInfo;
  nodeName: string;
  /** Placed by us, and the binding not seen back yet. */
  assumed: boolean;
}

export interface ImageState {
  readonly sizeBytes: number;
  readonly nodes: ReadonlySet<string>;
}

/**
 * The scheduler's picture of nodes and the pods on them, kept by events. Attempts run without a pause between, so the cache itself
 * is their snapshot.
 */
export class SchedulerCache {
  readonly #nodes = new Map<string, NodeInfo>();
  readonly #pods = new Map<string, PodEntry>();
  readonly #claimUsers = new Map<string, number>();
  readonly #images = new Map<string, { sizeBytes: number; nodes: Set<string> }>();
  readonly #withAffinity = new Set<NodeInfo>();
  readonly #withRequiredAntiAffinity = new Set<NodeInfo>();
  #list: readonly NodeInfo[] | undefined;

  /** Known nodes, the zones taking turns, so that a search that stops early has seen all of them. */
  get nodes(): readonly NodeInfo[] {
    return (this.#list ??= this.#buildList());
  }

  node(name: string): NodeInfo | undefined {
    const info = this.#nodes.get(name);
    return info?.isKnown ? info : undefined;
  }

  nodesWithAffinity(): Iterable<NodeInfo> {
    return this.#withAffinity;
  }

  nodesWithRequiredAntiAffinity(): Iterable<NodeInfo> {
    return this.#withRequiredAntiAffinity;
  }

  image(name: string): ImageState | undefined {
    return this.#images.get(name);
  }

  /** How many placed pods use the claim `namespace/name`. */
  claimUsers(key: string): number {
    return this.#claimUsers.get(key) ?? 0;
  }

  isAssumed(uid: string): boolean {
    return this.#pods.get(uid)?.assumed ?? false;
  }

  pod(uid: string): { readonly info: PodInfo; readonly nodeName: string; readonly assumed: boolean } | undefined {
    return this.#pods.get(uid);
  }

  setNode(node: Node): void {
    const { name } = node.metadata;
    const info = this.#nodeInfo(name);
    const previous = info.isKnown ? info.node : undefined;
    info.setNode(node);
    if (!previous || zoneOf(previous) !== zoneOf(node)) this.#list = undefined;
    if (!jsonEqual(previous?.status.images, node.status.images)) {
      this.#forgetImages(previous);
      this.#learnImages(node);
    }
  }

  /** The pods stay known until their own deletions arrive. */
  removeNode(name: string): void {
    const info = this.#nodes.get(name);
    if (!info?.isKnown) return;
    this.#forgetImages(info.node);
    info.setNode(undefined);
    this.#withAffinity.delete(info);
    this.#withRequiredAntiAffinity.delete(info);
    if (info.podCount === 0) this.#nodes.delete(name);
    this.#list = undefined;
  }

  /** Counts the pod on the node from now on; `forget` or the API's word ends it. */
  assume(info: PodInfo, nodeName: string): void {
    if (this.#pods.has(info.uid)) throw new Error(`pod ${info.key} is in the cache, so can't be assumed`);
    this.#place({ info, nodeName, assumed: true });
  }

  forget(uid: string): void {
    const entry = this.#pods.get(uid);
    if (entry?.assumed) this.#unplace(entry);
  }

  /** A pod that the API says is bound; it may differ from what was assumed. */
  setPod(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const nodeName = pod.spec.nodeName!;
    const entry = this.#pods.get(uid);
    if (entry) {
      if (entry.nodeName === nodeName && entry.info.refresh(pod)) {
        entry.assumed = false;
        return;
      }
      this.#unplace(entry);
    }
    this.#place({ info: PodInfo.placed(pod), nodeName, assumed: false });
  }

  removePod(uid: string): void {
    const entry = this.#pods.get(uid);
    if (entry) this.#unplace(entry);
  }

  #place(entry: PodEntry): void {
    const node = this.#nodeInfo(entry.nodeName);
    node.addPod(entry.info);
    this.#pods.set(entry.info.uid, entry);
    this.#countClaims(entry.info.pod, 1);
    this.#noteAffinity(node);
  }

  #unplace(entry: PodEntry): void {
    this.#pods.delete(entry.info.uid);
    this.#countClaims(entry.info.pod, -1);
    const node = this.#nodes.get(entry.nodeName);
    if (!node) return;
    node.removePod(entry.info.key);
    this.#noteAffinity(node);
    if (!node.isKnown && node.podCount === 0) this.#nodes.delete(entry.nodeName);
  }

  #noteAffinity(node: NodeInfo): void {
    if (node.isKnown && node.hasPodsWithAffinity) this.#withAffinity.add(node);
    else this.#withAffinity.delete(node);
    if (node.isKnown && node.hasPodsWithRequiredAntiAffinity) this.#withRequiredAntiAffinity.add(node);
    else this.#withRequiredAntiAffinity.delete(node);
  }

  #countClaims(pod: Pod, by: 1 | -1): void {
    for (const { persistentVolumeClaim } of pod.spec.volumes ?? []) {
      if (!persistentVolumeClaim) continue;
      const key = `${pod.metadata.namespace ?? ''}/${persistentVolumeClaim.claimName}`;
      const count = (this.#claimUsers.get(key) ?? 0) + by;
      if (count > 0) this.#claimUsers.set(key, count);
      else this.#claimUsers.delete(key);
    }
  }

  #nodeInfo(name: string): NodeInfo {
    let info = this.#nodes.get(name);
    if (!info) this.#nodes.set(name, (info = new NodeInfo()));
    return info;
  }

  #learnImages(node: Node): void {
    for (const { names, sizeBytes } of node.status.images ?? []) {
      for (const name of names ?? []) {
        let state = this.#images.get(name);
        if (!state) this.#images.set(name, (state = { sizeBytes: sizeBytes ?? 0, nodes: new Set() }));
        state.nodes.add(node.metadata.name);
      }
    }
  }

  #forgetImages(node: Node | undefined): void {
    for (const { names } of node?.status.images ?? []) {
      for (const name of names ?? []) {
        const state = this.#images.get(name);
        if (!state) continue;
        state.nodes.delete(node!.metadata.name);
        if (state.nodes.size === 0) this.#images.delete(name);
      }
    }
  }

  #buildList(): readonly NodeInfo[] {
    const zones = new Map<string, NodeInfo[]>();
    for (const info of this.#nodes.values()) {
      if (!info.isKnown) continue;
      const zone = zoneOf(info.node);
      const list = zones.get(zone);
      if (list) list.push(info);
      else zones.set(zone, [info]);
    }
    const list: NodeInfo[] = [];
    const lists = [...zones.values()];
    for (let at = 0, found = true; found; at++) {
      found = false;
      for (const zone of lists) {
        const info = zone[at];
        if (!info) continue;
        list.push(info);
        found = true;
      }
    }
    return list;
  }
}

function zoneOf(node: Node): string {
  const labels = node.metadata.labels ?? {};
  const region = labels['topology.kubernetes.io/region'] ?? labels['failure-domain.beta.kubernetes.io/region'] ?? '';
  const zone = labels['topology.kubernetes.io/zone'] ?? labels['failure-domain.beta.kubernetes.io/zone'] ?? '';
  return `${region}:${zone}`;
}
