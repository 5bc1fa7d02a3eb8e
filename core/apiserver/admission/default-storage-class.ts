import type { PersistentVolumeClaim } from '../../api/generated/types.js';
import { StorageClasses } from '../../api/generated/resources.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { newestDefault } from './default-class.js';
import type { ObjectLookup } from './object-lookup.js';
import { isFor } from './refusal.js';

export const classAnnotation = 'volume.beta.kubernetes.io/storage-class';
const markers = ['storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'];

/** Claims that name no class get the default one. */
export class DefaultStorageClass implements AdmissionPlugin {
  readonly name = 'DefaultStorageClass';
  readonly #lookup: ObjectLookup;

  constructor(lookup: ObjectLookup) {
    this.#lookup = lookup;
  }

  handles(attributes: AdmissionAttributes): boolean {
    return attributes.operation === 'CREATE' && isFor(attributes, '', 'persistentvolumeclaims');
  }

  mutate(attributes: AdmissionAttributes): void {
    const { spec, metadata } = attributes.object as unknown as PersistentVolumeClaim;
    if (spec.storageClassName !== undefined || metadata.annotations?.[classAnnotation] !== undefined) return;
    const found = newestDefault(this.#lookup.list(StorageClasses), annotations =>
      markers.some(marker => annotations[marker] === 'true'),
    );
    if (found) spec.storageClassName = found.metadata.name!;
  }
}
