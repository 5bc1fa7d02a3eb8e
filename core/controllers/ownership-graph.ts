import type { OwnerReference } from '../machinery/object.js';

/** Where an object is, as owner references and events say it. */
export interface Identity {
  readonly apiVersion: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

export const foregroundFinalizer = 'foregroundDeletion';
export const orphanFinalizer = 'orphan';

/** An object, or (virtual) an owner that somebody names and nobody has seen. */
export class GraphNode {
  identity: Identity;
  virtual: boolean;
  owners: readonly OwnerReference[] = [];
  /** The objects that name this one as an owner. */
  readonly dependents = new Set<GraphNode>();
  beingDeleted = false;
  /** Being deleted in the foreground: waits for its dependents. Never taken back. */
  deletingDependents = false;
  /** What the last sight of the object said, so that a change can be told from a repetition. */
  seenForeground = false;
  seenOrphaning = false;

  constructor(identity: Identity, virtual: boolean) {
    this.identity = identity;
    this.virtual = virtual;
  }

  /** The dependents without whose end this object must not go. */
  blockingDependents(): GraphNode[] {
    const { uid } = this.identity;
    return [...this.dependents].filter(dependent =>
      dependent.owners.some(owner => owner.uid === uid && owner.blockOwnerDeletion === true),
    );
  }
}

/** What the graph needs to see of an object. */
export interface ObservedObject {
  readonly identity: Identity;
  readonly owners: readonly OwnerReference[];
  readonly beingDeleted: boolean;
  readonly finalizers: readonly string[];
}

export interface GraphListener {
  /** The node may have lost its last owner, or may have become free to go. */
  attemptToDelete(node: GraphNode): void;
  /** The same, after a wait that grows. */
  attemptToDeleteLater(node: GraphNode): void;
  /** The node's dependents are to lose their reference to it. */
  attemptToOrphan(node: GraphNode): void;
  /** `dependent` names an owner of another namespace. */
  invalidNamespace(dependent: Identity, owner: Identity): void;
}

const absentLimit = 500;

/** Who owns whom, over all resources. Changed only by what informers report and by `forget`. Source: pkg/controller/garbagecollector. */
export class OwnershipGraph {
  readonly #listener: GraphListener;
  readonly #nodes = new Map<string, GraphNode>();
  readonly #absent = new Set<string>();

  constructor(listener: GraphListener) {
    this.#listener = listener;
  }

  node(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  get size(): number {
    return this.#nodes.size;
  }

  isAbsent(identity: Identity): boolean {
    return this.#absent.has(keyOfIdentity(identity));
  }

  /** Remembers that the server does not have this object. */
  addAbsent(identity: Identity): void {
    const key = keyOfIdentity(identity);
    this.#absent.delete(key);
    this.#absent.add(key);
    if (this.#absent.size > absentLimit) this.#absent.delete(this.#absent.values().next().value!);
  }

  /** An object was added or changed. */
  observe(object: ObservedObject): void {
    let node = this.#nodes.get(object.identity.uid);
    if (node?.virtual) node = this.#makeReal(node, object.identity);
    if (!node) {
      node = new GraphNode(object.identity, false);
      node.owners = object.owners;
      node.beingDeleted = object.beingDeleted;
      node.deletingDependents = object.beingDeleted && object.finalizers.includes(foregroundFinalizer);
      this.#nodes.set(object.identity.uid, node);
      this.#addToOwners(node, object.owners);
    } else {
      // Perhaps in another version, when the one that it was seen in is served no more.
      node.identity = object.identity;
      this.#changeOwners(node, object.owners);
      if (object.beingDeleted) node.beingDeleted = true;
    }
    this.#processTransitions(node, object);
  }

  /** An object was deleted, as an informer reports. */
  remove(identity: Identity): void {
    const node = this.#nodes.get(identity.uid);
    if (!node) return;
    node.virtual = false;
    this.#removeNode(node, identity);
  }

  /** The server says that there is no such object. A real node of other coordinates stays. */
  forget(identity: Identity): void {
    const node = this.#nodes.get(identity.uid);
    if (!node) return;
    const dependents = [...node.dependents];
    if (node.virtual) {
      const { matching, others } = partition(dependents, identity);
      if (others.length > 0) {
        this.#releaseMatching(matching, identity);
        if (keyOfIdentity(node.identity) !== keyOfIdentity(identity)) return;
        const alternative = alternativeIdentity(others, identity);
        if (!alternative) return;
        node.identity = alternative;
        this.#listener.attemptToDeleteLater(node);
        return;
      }
    } else if (keyOfIdentity(node.identity) !== keyOfIdentity(identity)) {
      this.#releaseMatching(partition(dependents, identity).matching, identity);
      return;
    }
    this.#removeNode(node, identity);
  }

  #releaseMatching(matching: readonly GraphNode[], identity: Identity): void {
    if (matching.length === 0) return;
    this.addAbsent(identity);
    for (const dependent of matching) this.#listener.attemptToDelete(dependent);
  }

  #makeReal(node: GraphNode, observed: Identity): GraphNode {
    if (keyOfIdentity(node.identity) !== keyOfIdentity(observed)) {
      for (const dependent of partition([...node.dependents], observed).others) {
        if (observed.namespace && dependent.identity.namespace !== observed.namespace)
          this.#reportNamespace(dependent, observed.uid);
        this.#listener.attemptToDelete(dependent);
      }
      node.identity = observed;
    }
    node.virtual = false;
    return node;
  }

  #removeNode(node: GraphNode, identity: Identity): void {
    this.#nodes.delete(identity.uid);
    this.#removeFromOwners(node, node.owners);
    if (node.dependents.size > 0) this.addAbsent(identity);
    for (const dependent of node.dependents) this.#listener.attemptToDelete(dependent);
    for (const { uid } of node.owners) {
      const owner = this.#nodes.get(uid);
      if (owner?.deletingDependents) this.#listener.attemptToDelete(owner);
    }
  }

  #changeOwners(node: GraphNode, owners: readonly OwnerReference[]): void {
    const before = new Map(node.owners.map(owner => [owner.uid, owner]));
    const added: OwnerReference[] = [];
    let changed = false;
    const freed: string[] = [];
    for (const owner of owners) {
      const old = before.get(owner.uid);
      before.delete(owner.uid);
      if (!old) added.push(owner);
      else if (
        !sameCoordinates(old, owner) ||
        old.blockOwnerDeletion !== owner.blockOwnerDeletion ||
        old.controller !== owner.controller
      ) {
        changed = true;
        if (old.blockOwnerDeletion && !owner.blockOwnerDeletion) freed.push(owner.uid);
      }
    }
    const removed = [...before.values()];
    if (added.length === 0 && removed.length === 0 && !changed) return;
    for (const owner of removed) if (owner.blockOwnerDeletion) freed.push(owner.uid);
    for (const uid of freed) {
      const owner = this.#nodes.get(uid);
      if (owner) this.#listener.attemptToDelete(owner);
    }
    node.owners = owners;
    this.#addToOwners(node, added);
    this.#removeFromOwners(node, removed);
  }

  #addToOwners(node: GraphNode, owners: readonly OwnerReference[]): void {
    let doubtful = false;
    for (const reference of owners) {
      let owner = this.#nodes.get(reference.uid);
      if (!owner) {
        owner = new GraphNode(identityOf(reference, node.identity.namespace), true);
        this.#nodes.set(reference.uid, owner);
        owner.dependents.add(node);
        // Whoever works on it asks the server whether it exists.
        this.#listener.attemptToDelete(owner);
        continue;
      }
      owner.dependents.add(node);
      if (doubtful) continue;
      const { namespace } = owner.identity;
      if (namespace && namespace !== node.identity.namespace) {
        if (!owner.virtual) this.#reportNamespace(node, reference.uid);
        doubtful = true;
      } else if (!sameCoordinates(reference, owner.identity)) doubtful = true;
      // It may be a namespaced owner that a cluster-scoped dependent named first.
      else if (!namespace && node.identity.namespace && owner.virtual) doubtful = true;
    }
    if (doubtful) this.#listener.attemptToDelete(node);
  }

  #removeFromOwners(node: GraphNode, owners: readonly OwnerReference[]): void {
    for (const { uid } of owners) this.#nodes.get(uid)?.dependents.delete(node);
  }

  #processTransitions(node: GraphNode, object: ObservedObject): void {
    const foreground = object.beingDeleted && object.finalizers.includes(foregroundFinalizer);
    const orphaning = object.beingDeleted && object.finalizers.includes(orphanFinalizer);
    const startsForeground = foreground && !node.seenForeground;
    const startsOrphaning = orphaning && !node.seenOrphaning;
    node.seenForeground = foreground;
    node.seenOrphaning = orphaning;
    if (startsOrphaning) {
      this.#listener.attemptToOrphan(node);
      return;
    }
    if (!startsForeground) return;
    node.deletingDependents = true;
    for (const dependent of node.dependents) this.#listener.attemptToDelete(dependent);
    this.#listener.attemptToDelete(node);
  }

  #reportNamespace(dependent: GraphNode, ownerUid: string): void {
    const reference = dependent.owners.find(owner => owner.uid === ownerUid);
    if (reference) this.#listener.invalidNamespace(dependent.identity, identityOf(reference, dependent.identity.namespace));
  }
}

export function identityOf({ apiVersion, kind, name, uid }: OwnerReference, namespace: string): Identity {
  return { apiVersion, kind, namespace, name, uid };
}

function keyOfIdentity({ apiVersion, kind, namespace, name, uid }: Identity): string {
  return `${apiVersion}|${kind}|${namespace}|${name}|${uid}`;
}

type Coordinates = Pick<OwnerReference, 'apiVersion' | 'kind' | 'name' | 'uid'>;

function sameCoordinates(a: Coordinates, b: Coordinates): boolean {
  return a.uid === b.uid && a.name === b.name && a.kind === b.kind && a.apiVersion === b.apiVersion;
}

/** Dependents that mean exactly this object, and those that mean another with its uid; one can be both. */
function partition(dependents: readonly GraphNode[], identity: Identity): { matching: GraphNode[]; others: GraphNode[] } {
  const matching: GraphNode[] = [];
  const others: GraphNode[] = [];
  for (const dependent of dependents) {
    if (identity.namespace && identity.namespace !== dependent.identity.namespace) {
      others.push(dependent);
      continue;
    }
    const references = dependent.owners.filter(owner => owner.uid === identity.uid);
    if (references.some(reference => sameCoordinates(reference, identity))) matching.push(dependent);
    if (references.some(reference => !sameCoordinates(reference, identity))) others.push(dependent);
  }
  return { matching, others };
}

/** Another object that the dependents may mean by the uid of one that is known not to exist: the next in order, round and round. */
function alternativeIdentity(dependents: readonly GraphNode[], absent: Identity): Identity | undefined {
  const candidates = new Map<string, Identity>();
  for (const dependent of dependents) {
    for (const owner of dependent.owners) {
      if (owner.uid !== absent.uid) continue;
      const sameScope = !absent.namespace || absent.namespace === dependent.identity.namespace;
      if (sameCoordinates(owner, absent) && sameScope) continue;
      const clusterScoped = !absent.namespace && owner.apiVersion === absent.apiVersion && owner.kind === absent.kind;
      const identity = identityOf(owner, clusterScoped ? '' : dependent.identity.namespace);
      candidates.set(keyOfIdentity(identity), identity);
    }
  }
  candidates.delete(keyOfIdentity(absent));
  const sorted = [...candidates.values()].sort((a, b) => (isBefore(a, b) ? -1 : 1));
  return sorted.find(candidate => isBefore(absent, candidate)) ?? sorted[0];
}

function isBefore(a: Identity, b: Identity): boolean {
  for (const field of ['kind', 'apiVersion', 'namespace', 'name', 'uid'] as const)
    if (a[field] !== b[field]) return a[field] < b[field];
  return false;
}
