import { ReplicaSets, ReplicationControllers, Services, StatefulSets } from '../../api/generated/resources.js';
import type { Pod, Service } from '../../api/generated/types.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import type { Informer } from '../../client/informer-types.js';
import type { LabelSelectorObject } from '../../machinery/label-selector.js';
import { LabelMatcher } from '../label-matcher.js';
import type { UsedInformers } from '../used-informers.js';

type Labels = Readonly<Record<string, string>>;

const rememberedOwners = 2000;

/** What a pod's siblings have in common: the selectors of the Services it is behind and of the controller that made it. */
export class DefaultSelectors {
  readonly #services = new Map<string, Map<string, Labels>>();
  readonly #replicaSets: Informer<{ spec?: { selector?: LabelSelectorObject } }>;
  readonly #statefulSets: Informer<{ spec?: { selector?: LabelSelectorObject } }>;
  readonly #replicationControllers: Informer<{ spec?: { selector?: Labels } }>;
  readonly #owners = new Map<string, { readonly resourceVersion: string; readonly matcher: LabelMatcher }>();

  constructor(informers: UsedInformers) {
    informers.informer(Services).addHandler({
      added: ({ object }) => this.#setService(object),
      updated: (_previous, { object }) => this.#setService(object),
      deleted: ({ namespace, name }) => this.#services.get(namespace)?.delete(name),
    });
    this.#replicaSets = informers.informer(ReplicaSets as ResourceReference<{ spec?: { selector?: LabelSelectorObject } }>);
    this.#statefulSets = informers.informer(StatefulSets as ResourceReference<{ spec?: { selector?: LabelSelectorObject } }>);
    this.#replicationControllers = informers.informer(
      ReplicationControllers as ResourceReference<{ spec?: { selector?: Labels } }>,
    );
  }

  /** Undefined where nothing selects the pod. */
  of({ metadata }: Pod): LabelMatcher | undefined {
    const { namespace = '', labels = {} } = metadata;
    const merged: Record<string, string> = {};
    for (const selector of this.#services.get(namespace)?.values() ?? []) {
      if (Object.keys(selector).every(key => labels[key] === selector[key])) Object.assign(merged, selector);
    }
    const owner = metadata.ownerReferences?.find(({ controller }) => controller);
    const fromServices = LabelMatcher.ofLabels(merged);
    const fromOwner = owner && this.#ofOwner(owner.apiVersion, owner.kind, namespace, owner.name);
    const selector = fromOwner ? fromServices.and(fromOwner) : fromServices;
    return selector.isEverything ? undefined : selector;
  }

  #ofOwner(apiVersion: string, kind: string, namespace: string, name: string): LabelMatcher | undefined {
    const type = `${apiVersion}/${kind}`;
    const read = <T>(informer: Informer<T>, matcherOf: (object: T) => LabelMatcher): LabelMatcher | undefined => {
      const entry = informer.entry(namespace, name);
      if (!entry) return undefined;
      const key = `${type}/${namespace}/${name}`;
      const known = this.#owners.get(key);
      if (known?.resourceVersion === entry.resourceVersion) return known.matcher;
      const matcher = matcherOf(entry.object);
      if (this.#owners.size >= rememberedOwners) this.#owners.clear();
      this.#owners.set(key, { resourceVersion: entry.resourceVersion, matcher });
      return matcher;
    };
    switch (type) {
      case 'apps/v1/ReplicaSet':
        return read(this.#replicaSets, set => LabelMatcher.of(set.spec?.selector));
      case 'apps/v1/StatefulSet':
        return read(this.#statefulSets, set => LabelMatcher.of(set.spec?.selector));
      case 'v1/ReplicationController':
        return read(this.#replicationControllers, controller => LabelMatcher.ofLabels(controller.spec?.selector ?? {}));
      default:
        return undefined;
    }
  }

  #setService({ metadata, spec }: Service): void {
    const namespace = metadata.namespace ?? '';
    let services = this.#services.get(namespace);
    if (!services) this.#services.set(namespace, (services = new Map()));
    if (spec.selector && Object.keys(spec.selector).length > 0) services.set(metadata.name, spec.selector);
    else services.delete(metadata.name);
  }
}
