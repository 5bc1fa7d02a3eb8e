import type { Ingress } from '../../api/generated/types.js';
import { IngressClasses } from '../../api/generated/resources.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { newestDefault } from './default-class.js';
import type { ObjectLookup } from './object-lookup.js';
import { isFor } from './refusal.js';

const classAnnotation = 'kubernetes.io/ingress.class';
const marker = 'ingressclass.kubernetes.io/is-default-class';

/** Ingresses that name no class get the default one. */
export class DefaultIngressClass implements AdmissionPlugin {
  readonly name = 'DefaultIngressClass';
  readonly #lookup: ObjectLookup;

  constructor(lookup: ObjectLookup) {
    this.#lookup = lookup;
  }

  handles(attributes: AdmissionAttributes): boolean {
    return attributes.operation === 'CREATE' && isFor(attributes, 'networking.k8s.io', 'ingresses');
  }

  mutate(attributes: AdmissionAttributes): void {
    const { spec, metadata } = attributes.object as unknown as Ingress;
    if (spec.ingressClassName !== undefined || metadata.annotations?.[classAnnotation] !== undefined) return;
    const found = newestDefault(this.#lookup.list(IngressClasses), annotations => annotations[marker] === 'true');
    if (found) spec.ingressClassName = found.metadata.name!;
  }
}
