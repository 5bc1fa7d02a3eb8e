import type { Binding, Pod } from '../../api/generated/types.js';
import { Nodes } from '../../api/generated/resources.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import type { ObjectLookup } from './object-lookup.js';
import { isFor } from './refusal.js';

const copied = ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region'];

/** Pods carry zone and region of their node, so that the downward API can tell them. Source: KEP-4742. */
export class PodTopologyLabels implements AdmissionPlugin {
  readonly name = 'PodTopologyLabels';
  readonly #lookup: ObjectLookup;

  constructor(lookup: ObjectLookup) {
    this.#lookup = lookup;
  }

  handles(attributes: AdmissionAttributes): boolean {
    return attributes.operation === 'CREATE' && (isFor(attributes, '', 'pods') || isFor(attributes, '', 'pods', 'binding'));
  }

  mutate({ object, subresource }: AdmissionAttributes): void {
    const { metadata } = object!;
    const target = subresource === 'binding' ? (object as unknown as Binding).target : undefined;
    // A binding may leave out that it means a node; upstream looks at none but those that say so.
    if (target && target.kind !== 'Node') return;
    const nodeName = target?.name ?? (object as unknown as Pod).spec?.nodeName;
    const node = nodeName ? this.#lookup.cached(Nodes, '', nodeName) : undefined;
    for (const key of copied) {
      const value = node?.metadata.labels?.[key];
      if (value !== undefined) metadata.labels = { ...metadata.labels, [key]: value };
    }
  }
}
