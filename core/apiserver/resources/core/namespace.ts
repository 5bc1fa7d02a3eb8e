import type { Namespace } from '../../../api/generated/types.js';
import { Namespaces } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { cloneJson } from '../../../machinery/object.js';
import { nameIsDnsLabel, validateQualifiedName } from '../../../machinery/names.js';
import { defineResource } from '../../registry/resource-definition.js';
import { validateFinalizerDomain } from '../../registry/object-metadata.js';
import { statusSubresource } from '../status-subresource.js';
import { age } from '../../handlers/table.js';

const kubernetesFinalizer = 'kubernetes';
const nameLabel = 'kubernetes.io/metadata.name';

export const namespace = defineResource<Namespace>({
  reference: Namespaces,
  returnsDeleted: true,
  generation: false,
  resetFields: { '': ['status'], status: ['spec'], finalize: ['status'] },
  // Upstream has no deletecollection of namespaces.
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  validateName: nameIsDnsLabel,
  defaults(object) {
    object.status = { ...object.status, phase: object.status?.phase || 'Active' };
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
    if (object.metadata.name) object.metadata.labels = { ...object.metadata.labels, [nameLabel]: object.metadata.name };
  },
  prepareForUpdate(object, old) {
    object.spec = { ...object.spec, finalizers: cloneJson(old.spec?.finalizers) };
    object.status = cloneJson(old.status);
  },
  checks: { update: ['object', 'validate', 'change'] },
  validate(object, errors) {
    for (const finalizer of object.spec?.finalizers ?? []) validateFinalizer(fieldPath('spec', 'finalizers'), finalizer, errors);
  },
  prepareForDelete(object) {
    // Namespaces have deletion of their own upstream, which knows no grace.
    delete object.metadata.deletionGracePeriodSeconds;
    object.status = { ...object.status, phase: 'Terminating' };
  },
  keepsWhenDeleted: object => (object.spec?.finalizers ?? []).length > 0,
  row: (object, context) => [object.metadata.name, object.status?.phase ?? '', age(object, context)],
  selectableFields: { 'status.phase': object => object.status?.phase ?? '' },
  subresources: {
    status: statusSubresource<Namespace>({
      validateUpdate(object, _old, errors) {
        const phase = object.status?.phase ?? '';
        const [wanted, when] = object.metadata.deletionTimestamp ? ['Terminating', 'not empty'] : ['Active', 'empty'];
        if (phase === wanted) return;
        errors.invalid(fieldPath('status', 'Phase'), phase, `may only be '${wanted}' if \`deletionTimestamp\` is ${when}`);
      },
    }),
    finalize: {
      type: 'update',
      prepareForUpdate(object, old) {
        object.status = cloneJson(old.status);
      },
      validateUpdate(object, _old, errors) {
        const path = fieldPath('spec', 'finalizers');
        for (const [index, finalizer] of (object.spec?.finalizers ?? []).entries()) {
          validateFinalizer(path.index(index), finalizer, errors);
        }
      },
    },
  },
});

function validateFinalizer(path: FieldPath, finalizer: string, errors: FieldErrors): void {
  for (const text of validateQualifiedName(finalizer)) errors.invalid(path, finalizer, text);
  validateFinalizerDomain(path, finalizer, errors);
}
