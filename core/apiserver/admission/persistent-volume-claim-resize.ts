import type { PersistentVolumeClaim } from '../../api/generated/types.js';
import { StorageClasses } from '../../api/generated/resources.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { parseQuantity } from '../../machinery/quantity.js';
import { classAnnotation } from './default-storage-class.js';
import type { ObjectLookup } from './object-lookup.js';
import { isFor, refusal } from './refusal.js';

/** Only bound claims of a class that allows it may grow. */
export class PersistentVolumeClaimResize implements AdmissionPlugin {
  readonly name = 'PersistentVolumeClaimResize';
  readonly #lookup: ObjectLookup;

  constructor(lookup: ObjectLookup) {
    this.#lookup = lookup;
  }

  handles(attributes: AdmissionAttributes): boolean {
    return attributes.operation === 'UPDATE' && isFor(attributes, '', 'persistentvolumeclaims');
  }

  validate(attributes: AdmissionAttributes): void {
    const claim = attributes.object as unknown as PersistentVolumeClaim;
    const old = attributes.oldObject as unknown as PersistentVolumeClaim;
    if (sizeOf(claim).compare(sizeOf(old)) <= 0) return;
    if (old.status?.phase !== 'Bound') throw refusal(attributes, 'Only bound persistent volume claims can be expanded');
    const name = classOf(claim);
    const mayGrow = name !== '' && name === classOf(old) && this.#lookup.cached(StorageClasses, '', name)?.allowVolumeExpansion;
    if (!mayGrow) {
      throw refusal(
        attributes,
        'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
      );
    }
  }
}

function sizeOf(claim: Readonly<PersistentVolumeClaim>): ReturnType<typeof parseQuantity> {
  return parseQuantity(claim.spec.resources?.requests?.['storage'] ?? '0');
}

function classOf(claim: Readonly<PersistentVolumeClaim>): string {
  return claim.metadata.annotations?.[classAnnotation] ?? claim.spec.storageClassName ?? '';
}
