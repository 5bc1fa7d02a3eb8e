import { quote } from '../../machinery/field-errors.js';
import type { RoleSource, SubjectBinding } from './rbac-authorizer.js';
import { CompiledRules } from './compiled-rules.js';
import type { ClusterRole, ClusterRoleBinding, Role, RoleBinding, Subject } from './rbac-types.js';
import { serviceAccountUsername } from './user-info.js';

/** Which of the four kinds an object is, by its resource name. */
export interface RbacObjects {
  roles: Role;
  clusterroles: ClusterRole;
  rolebindings: RoleBinding;
  clusterrolebindings: ClusterRoleBinding;
}

/** `u:NAME` or `g:NAME`: users (service accounts among them) and groups have separate names. */
type SubjectKey = string;

interface IndexedBinding {
  readonly keys: readonly SubjectKey[];
}

type BindingsBySubject = Map<SubjectKey, Map<string, SubjectBinding>>;

/**
 * Roles and bindings of the cluster, indexed by who they bind. Fed by whoever watches the four resources; a change to one
 * object touches only its own entries.
 */
export class RbacStore implements RoleSource {
  readonly #roles = new Map<string, CompiledRules>();
  readonly #clusterRoles = new Map<string, CompiledRules>();
  readonly #clusterBindings: BindingsBySubject = new Map();
  readonly #namespaceBindings = new Map<string, BindingsBySubject>();
  /** What a binding put into the indexes, so that it can be taken out: by `NAMESPACE/NAME`, `/NAME` for cluster bindings. */
  readonly #indexed = new Map<string, IndexedBinding>();

  upsert<K extends keyof RbacObjects>(resource: K, object: RbacObjects[K]): void {
    const { namespace = '', name = '' } = object.metadata;
    if (resource === 'roles') this.#roles.set(`${namespace}/${name}`, new CompiledRules((object as Role).rules ?? []));
    else if (resource === 'clusterroles') this.#clusterRoles.set(name, new CompiledRules((object as ClusterRole).rules ?? []));
    else {
      const owner = resource === 'rolebindings' ? namespace : '';
      this.#unbind(owner, name);
      this.#bind(owner, name, object as RoleBinding);
    }
  }

  delete(resource: keyof RbacObjects, namespace: string, name: string): void {
    if (resource === 'roles') this.#roles.delete(`${namespace}/${name}`);
    else if (resource === 'clusterroles') this.#clusterRoles.delete(name);
    else this.#unbind(resource === 'rolebindings' ? namespace : '', name);
  }

  role(namespace: string, name: string): CompiledRules | undefined {
    return this.#roles.get(`${namespace}/${name}`);
  }

  clusterRole(name: string): CompiledRules | undefined {
    return this.#clusterRoles.get(name);
  }

  bindingsOfUser(namespace: string, username: string): Iterable<SubjectBinding> | undefined {
    return this.#bindings(namespace)?.get(`u:${username}`)?.values();
  }

  bindingsOfGroup(namespace: string, group: string): Iterable<SubjectBinding> | undefined {
    return this.#bindings(namespace)?.get(`g:${group}`)?.values();
  }

  /** All bindings of a namespace, or the cluster's for the empty one; for subject reviews that go the other way. */
  #bindings(namespace: string): BindingsBySubject | undefined {
    return namespace === '' ? this.#clusterBindings : this.#namespaceBindings.get(namespace);
  }

  #bind(namespace: string, name: string, binding: RoleBinding): void {
    let bindings = this.#bindings(namespace);
    if (!bindings) {
      bindings = new Map();
      this.#namespaceBindings.set(namespace, bindings);
    }
    const keys: SubjectKey[] = [];
    for (const subject of binding.subjects ?? []) {
      const key = subjectKey(subject, namespace);
      if (key === undefined || keys.includes(key)) continue;
      keys.push(key);
      let ofSubject = bindings.get(key);
      if (!ofSubject) {
        ofSubject = new Map();
        bindings.set(key, ofSubject);
      }
      ofSubject.set(name, { roleRef: binding.roleRef, reason: `RBAC: allowed by ${describe(binding, namespace, subject)}` });
    }
    this.#indexed.set(`${namespace}/${name}`, { keys });
  }

  #unbind(namespace: string, name: string): void {
    const indexed = this.#indexed.get(`${namespace}/${name}`);
    const bindings = this.#bindings(namespace);
    if (!indexed || !bindings) return;
    this.#indexed.delete(`${namespace}/${name}`);
    for (const key of indexed.keys) {
      const ofSubject = bindings.get(key);
      ofSubject?.delete(name);
      if (ofSubject?.size === 0) bindings.delete(key);
    }
    if (namespace !== '' && bindings.size === 0) this.#namespaceBindings.delete(namespace);
  }
}

function subjectKey(subject: Subject, bindingNamespace: string): SubjectKey | undefined {
  if (subject.kind === 'User') return `u:${subject.name}`;
  if (subject.kind === 'Group') return `g:${subject.name}`;
  if (subject.kind !== 'ServiceAccount') return undefined;
  const namespace = subject.namespace || bindingNamespace;
  return namespace ? `u:${serviceAccountUsername(namespace, subject.name)}` : undefined;
}

/** The audit text. Name and namespace stand in upstream's order. */
function describe(binding: RoleBinding, namespace: string, subject: Subject): string {
  const owner = namespace ? subject.namespace || namespace : (subject.namespace ?? '');
  const who = subject.kind === 'ServiceAccount' ? `${subject.name}/${owner}` : subject.name;
  const name = binding.metadata.name ?? '';
  const source = namespace ? `RoleBinding ${quote(`${name}/${namespace}`)}` : `ClusterRoleBinding ${quote(name)}`;
  return `${source} of ${binding.roleRef.kind} ${quote(binding.roleRef.name)} to ${subject.kind} ${quote(who)}`;
}
