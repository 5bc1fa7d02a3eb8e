import type { Namespace } from '../../api/generated/types.js';
import { Namespaces } from '../../api/generated/resources.js';
import type { Clock } from '../../base/clock.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { forbidden, notFound } from '../../machinery/status-error.js';
import type { ObjectLookup } from './object-lookup.js';
import { refusal } from './refusal.js';

const immortal = new Set(['default', 'kube-system', 'kube-public']);
/** How long the cache is not trusted after a namespace was deleted here. */
const distrustMs = 30_000;

/** Nothing new in namespaces that are missing or on their way out; some namespaces cannot be deleted. */
export class NamespaceLifecycle implements AdmissionPlugin {
  readonly name = 'NamespaceLifecycle';
  readonly #lookup: ObjectLookup;
  readonly #clock: Clock;
  readonly #deletedAtMs = new Map<string, number>();

  constructor(lookup: ObjectLookup, clock: Clock) {
    this.#lookup = lookup;
    this.#clock = clock;
  }

  handles({ operation }: AdmissionAttributes): boolean {
    return operation !== 'CONNECT';
  }

  async mutate(attributes: AdmissionAttributes): Promise<void> {
    const { operation, group, resource, namespace, name } = attributes;
    if (group === '' && resource === 'namespaces') {
      if (operation !== 'DELETE') return;
      if (immortal.has(name)) throw forbidden({ group, resource, name }, 'this namespace may not be deleted');
      this.#remember(name);
      return;
    }
    if (namespace === '' || operation === 'DELETE') return;
    // To say that a namespace is missing would tell too much to those who only ask what they may do.
    if (resource === 'localsubjectaccessreviews' && group === 'authorization.k8s.io') return;
    const found = await this.#find(namespace);
    if (!found) throw notFound({ group: '', resource: 'namespaces', name: namespace });
    if (operation !== 'CREATE' || found.status?.phase !== 'Terminating') return;
    const error = refusal(attributes, `unable to create new content in namespace ${namespace} because it is being terminated`);
    error.status.details!.causes = [
      { reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' },
    ];
    throw error;
  }

  async #find(namespace: string): Promise<Readonly<Namespace> | undefined> {
    const cached = this.#lookup.cached(Namespaces, '', namespace);
    if (cached && (cached.status?.phase !== 'Active' || !this.#isDistrusted(namespace))) return cached;
    return this.#lookup.newest(Namespaces, '', namespace);
  }

  #remember(namespace: string): void {
    const nowMs = this.#clock.monotonicMs();
    for (const [name, atMs] of this.#deletedAtMs) if (nowMs - atMs > distrustMs) this.#deletedAtMs.delete(name);
    this.#deletedAtMs.set(namespace, nowMs);
  }

  #isDistrusted(namespace: string): boolean {
    const atMs = this.#deletedAtMs.get(namespace);
    return atMs !== undefined && this.#clock.monotonicMs() - atMs <= distrustMs;
  }
}
