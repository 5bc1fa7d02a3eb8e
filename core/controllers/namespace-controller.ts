import { errorText } from '../base/errors.js';
import { Namespaces, Pods } from '../api/generated/resources.js';
import type { Namespace, NamespaceCondition, Pod } from '../api/generated/types.js';
import { isPodFinished } from '../api/pods.js';
import type { ResourceReference } from '../api/resource-reference.js';
import { nowTime, parseTime } from '../api/time.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import type { CataloguedResource } from '../contracts/resource-catalogue.js';
import { produce } from '../machinery/object.js';
import type { KubeObject } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { discoveryError, namespaceConditions } from './namespace-conditions.js';
import { Reconciler } from './reconciler.js';

/** Other servers on the same datastore may have admitted a create that is still on its way. */
const settlingMs = 1000;
/** How long controllers are given to take their finalizers off what remains. */
const finalizerEstimateSeconds = 15;
const finalizer = 'kubernetes';

interface Round {
  readonly namespace: string;
  readonly deletedMs: number;
  readonly undiscovered: readonly string[];
  readonly errors: string[];
  readonly remaining: Map<string, number>;
  readonly finalizers: Map<string, number>;
  estimateSeconds: number;
}

/**
 * Empties namespaces that are being deleted, pods first, then gives up the finalizer in their spec.
 * Source: pkg/controller/namespace, KEP-5080 (ordered deletion).
 */
class NamespaceController extends Reconciler {
  constructor(context: ControllerContext) {
    super(context, { name: 'namespace-controller', workers: 10, backoff: { initialMs: 5, maximumMs: 60_000 } });
  }

  protected override register(): void {
    const { informers } = this.context;
    const enqueue = (entry: ObjectEntry<Namespace>): void => {
      if (entry.object.metadata.deletionTimestamp) this.queue.addAfter(entry.name, settlingMs);
    };
    const namespaces = informers.informer(Namespaces);
    this.watch(namespaces, { added: enqueue, updated: (_previous, entry) => enqueue(entry) });
    this.watch(informers.informer(Pods), {
      // Everything else waits for the pods: their end need not be found by asking again.
      deleted: entry => {
        if (namespaces.get('', entry.namespace)?.metadata.deletionTimestamp) this.queue.add(entry.namespace);
      },
    });
  }

  protected override async sync(name: string): Promise<void> {
    const namespaces = this.context.client.resource(Namespaces);
    try {
      let namespace = await namespaces.get(name);
      if (!namespace.metadata.deletionTimestamp) return;
      namespace = await this.#update(namespace, current =>
        current.status?.phase === 'Terminating'
          ? undefined
          : produce(current, draft => void (draft.status = { ...draft.status, phase: 'Terminating' })),
      );
      if (!namespace.metadata.deletionTimestamp || !namespace.spec?.finalizers?.length) return;
      const round = await this.#empty(namespace);
      const errors = [...(round.undiscovered.length > 0 ? [discoveryError(round.undiscovered)] : []), ...round.errors];
      if (errors.length > 0) throw new AggregateError(errors, `namespace ${name} cannot be emptied`);
      if (round.estimateSeconds > 0) {
        this.queue.addAfter(name, (Math.floor(round.estimateSeconds / 2) + 1) * 1000);
        return;
      }
      await this.#finalize(await namespaces.get(name));
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }

  /** Writes the status that `change` makes of the newest namespace; undefined leaves it. */
  async #update(namespace: Namespace, change: (current: Namespace) => Namespace | undefined): Promise<Namespace> {
    const namespaces = this.context.client.resource(Namespaces);
    for (let current = namespace; ;) {
      const changed = change(current);
      if (!changed) return current;
      try {
        return await namespaces.updateStatus(current.metadata.name, changed);
      } catch (error) {
        if (!isStatusError(error, 'Conflict')) throw error;
        current = await namespaces.get(current.metadata.name);
        if (current.metadata.uid !== namespace.metadata.uid) throw error;
      }
    }
  }

  async #finalize(namespace: Namespace): Promise<void> {
    const finalizers = (namespace.spec?.finalizers ?? []).filter(known => known !== finalizer);
    await this.context.client
      .resource(Namespaces)
      .subresource('finalize')
      .update(
        namespace.metadata.name,
        produce(namespace, draft => void (draft.spec = { ...draft.spec, finalizers })),
      );
  }

  async #empty(namespace: Namespace): Promise<Round> {
    const round: Round = {
      namespace: namespace.metadata.name,
      deletedMs: parseTime(namespace.metadata.deletionTimestamp) ?? this.context.clock.now(),
      undiscovered: this.#undiscovered(),
      errors: [],
      remaining: new Map(),
      finalizers: new Map(),
      estimateSeconds: 0,
    };
    const resources = this.#deletable();
    const pods = resources.find(({ reference }) => isPods(reference));
    if (pods) await this.#emptyResource(round, pods);
    const podsRemain = round.remaining.size > 0;
    if (!podsRemain) {
      for (const resource of resources) if (resource !== pods) await this.#emptyResource(round, resource);
    }
    // Where pods remain the other conditions are as yet unknown: upstream tells only of errors then.
    const findings = podsRemain ? { ...round, remaining: new Map(), finalizers: new Map() } : round;
    await this.#writeConditions(namespace, findings);
    return round;
  }

  async #writeConditions(namespace: Namespace, findings: Round): Promise<void> {
    const now = nowTime(this.context.clock);
    try {
      await this.#update(namespace, current => {
        const conditions = namespaceConditions(current.status?.conditions, findings, now);
        if (conditions === current.status?.conditions) return undefined;
        return produce(
          current,
          draft => void (draft.status = { ...draft.status, conditions: conditions as NamespaceCondition[] }),
        );
      });
    } catch (error) {
      this.context.logger.warn('conditions of the namespace not written', { namespace: namespace.metadata.name, error });
    }
  }

  /** Namespaced resources that can be deleted, each in one version. */
  #deletable(): CataloguedResource[] {
    const chosen = new Map<string, CataloguedResource>();
    for (const resource of this.context.environment.catalogue.resources()) {
      const { reference, verbs } = resource;
      const key = `${reference.group}/${reference.resource}`;
      if (reference.namespaced && verbs.includes('delete') && !chosen.has(key)) chosen.set(key, resource);
    }
    return [...chosen.values()];
  }

  /** Where somebody does not tell what it has, something may be left in the namespace. */
  #undiscovered(): string[] {
    const versions = this.context.environment.catalogue.extensions?.() ?? [];
    return versions.filter(({ isCurrent }) => !isCurrent).map(({ group, version }) => `${group}/${version}`);
  }

  async #emptyResource(round: Round, { reference, verbs }: CataloguedResource): Promise<void> {
    const client = this.context.client.resource(reference as ResourceReference<KubeObject>, round.namespace);
    try {
      let estimate = isPods(reference) ? await this.#graceSeconds(round) : 0;
      round.estimateSeconds = Math.max(round.estimateSeconds, estimate);
      const propagation = { propagationPolicy: 'Background' } as const;
      if (verbs.includes('deletecollection')) await unlessUnsupported(client.deleteCollection({}, propagation));
      else if (verbs.includes('list')) {
        for (const { name } of (await client.list()).entries) await unlessUnsupported(client.delete(name, propagation));
      }
      if (!verbs.includes('list')) return;
      const left = (await unlessUnsupported(client.list()))?.entries ?? [];
      if (left.length === 0) return;
      const resource = `${reference.resource}.${reference.group}`;
      round.remaining.set(resource, left.length);
      let finalizers = 0;
      for (const { object } of left) {
        for (const name of object.metadata.finalizers ?? []) {
          finalizers++;
          round.finalizers.set(name, (round.finalizers.get(name) ?? 0) + 1);
        }
      }
      if (estimate === 0 && finalizers > 0) estimate = finalizerEstimateSeconds;
      round.estimateSeconds = Math.max(round.estimateSeconds, estimate);
      if (estimate > 0) return;
      const { group, version, resource: plural } = reference;
      round.errors.push(
        `unexpected items still remain in namespace: ${round.namespace} for gvr: ${group}/${version}, Resource=${plural}`,
      );
    } catch (error) {
      round.errors.push(errorText(error));
    }
  }

  /** The longest grace of the pods that still run; 0 when that time has passed since the namespace was deleted. */
  async #graceSeconds(round: Round): Promise<number> {
    let seconds = 0;
    for (const pod of await this.context.client.resource<Pod>(Pods, round.namespace).objects()) {
      if (!isPodFinished(pod)) seconds = Math.max(seconds, pod.spec.terminationGracePeriodSeconds ?? 0);
    }
    return this.context.clock.now() - round.deletedMs >= seconds * 1000 ? 0 : seconds;
  }
}

const isPods = ({ group, resource }: ResourceReference): boolean => group === '' && resource === 'pods';

/** Discovery and reality may differ for a moment: a resource that went away has nothing to delete. */
async function unlessUnsupported<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (isStatusError(error, 'NotFound', 'MethodNotAllowed')) return undefined;
    throw error;
  }
}

export const namespaceController: ControllerDescriptor = {
  name: 'namespace-controller',
  create: context => new NamespaceController(context),
};
