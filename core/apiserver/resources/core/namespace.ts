import type { Namespace } from '../../../api/generated/types.js';
import { Namespaces } from '../../../api/generated/resources.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { cloneJson } from '../../../machinery/object.js';
import { nameIsDnsLabel, validateQualifiedName } from '../../../machinery/names.js';
import { defineResource } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';

const kubernetesFinalizer = 'kubernetes';
const nameLabel = 'kubernetes.io/metadata.name';

export const namespace = defineResource<Namespace>({
  reference: Namespaces,
  generation: false,
  // Upstream has no deletecollection of namespaces.
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  validateName: nameIsDnsLabel,
  defaults(object) {
    if (object.metadata.name) object.metadata.labels = { ...object.metadata.labels, [nameLabel]: object.metadata.name };
  },
  prepareForCreate(object) {
    object.status = { phase: 'Active' };
    const finalizers = object.spec?.finalizers ?? [];
    object.spec = {
      ...object.spec,
      finalizers: finalizers.includes(kubernetesFinalizer) ? finalizers : [...finalizers, kubernetesFinalizer],
    };
    // generateName: the name is known only now.
    object.metadata.labels = { ...object.metadata.labels, [nameLabel]: object.metadata.name! };
  },
  prepareForUpdate(object, old) {
    object.spec = { ...object.spec, finalizers: cloneJson(old.spec?.finalizers) };
    object.status = cloneJson(old.status);
  },
  validate(object, errors) {
    for (const [index, finalizer] of (object.spec?.finalizers ?? []).entries()) {
      for (const text of validateQualifiedName(finalizer))
        errors.invalid(fieldPath('spec', 'finalizers').index(index), finalizer, text);
    }
  },
  prepareForDelete(object) {
    object.status = { ...object.status, phase: 'Terminating' };
  },
  keepsWhenDeleted: object => (object.spec?.finalizers ?? []).length > 0,
  row: (object, context) => [object.metadata.name, object.status?.phase ?? '', age(object, context)],
  selectableFields: { 'status.phase': object => object.status?.phase ?? '', name: object => object.metadata.name ?? '' },
  subresources: {
    status: { type: 'update' },
    finalize: {
      type: 'update',
      prepareForUpdate(object, old) {
        object.status = cloneJson(old.status);
      },
    },
  },
});
