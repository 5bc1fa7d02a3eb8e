import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';

const finalizers: Readonly<Record<string, string>> = {
  '/persistentvolumes': 'kubernetes.io/pv-protection',
  '/persistentvolumeclaims': 'kubernetes.io/pvc-protection',
  'storage.k8s.io/volumeattributesclasses': 'kubernetes.io/vac-protection',
};

/** Volumes, claims and attribute classes get the finalizer that keeps them while something uses them. */
export class StorageObjectInUseProtection implements AdmissionPlugin {
  readonly name = 'StorageObjectInUseProtection';

  handles({ operation, subresource, group, resource }: AdmissionAttributes): boolean {
    return operation === 'CREATE' && subresource === '' && `${group}/${resource}` in finalizers;
  }

  mutate({ group, resource, object }: AdmissionAttributes): void {
    const { metadata } = object!;
    const finalizer = finalizers[`${group}/${resource}`]!;
    if (!metadata.finalizers?.includes(finalizer)) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer];
  }
}
