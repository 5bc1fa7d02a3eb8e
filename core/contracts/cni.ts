/**
 * The pod network of this node. The container runtime reads CNI configuration and plugins from `paths`; the part that implements this
 * keeps them there, and the links and routes of the node. The first `*.conflist` by name counts, written in one step, as soon as the
 * Node has its ranges (the part becomes ready without them: the node registers only when its runtime runs) and the same at every
 * start. Its plugins give each pod an address of these ranges and a way to the node and its pods, may run at the same time, take a
 * pod away twice without an error, and leave nothing of a pod that they could not wire. Pods outlive the part. Source: the CNI
 * specification, sections 1 and 2.
 */
export interface Cni {
  /** Known before anything runs, so that the runtime can be configured with it. */
  readonly paths: CniPaths;
}

export const Cni: unique symbol = Symbol.for('k3s/cni@1');

export interface CniPaths {
  /** Where the network's `*.conflist` lies. */
  readonly configurationDirectory: string;
  /** Where the plugins (`bridge`, `host-local`, `portmap` ...) lie, in order of search. */
  readonly binaryDirectories: readonly string[];
}

/** What a runtime uses without a `cni` part (`--flannel-backend none`): the places where other networks install themselves. */
export const defaultCniPaths: CniPaths = { configurationDirectory: '/etc/cni/net.d', binaryDirectories: ['/opt/cni/bin'] };
