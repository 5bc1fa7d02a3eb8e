import type { ClusterRoleBinding, RoleBinding, Subject } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { nameIsDnsSubdomain, nameIsPathSegment } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import type { RowContext } from '../../registry/resource-definition.js';
import { age } from '../../handlers/table.js';

/** What RoleBinding and ClusterRoleBinding share. Source: pkg/apis/rbac (v1 defaults, validation). */
type AnyBinding = RoleBinding | ClusterRoleBinding;

const group = 'rbac.authorization.k8s.io';

export function defaultBinding(binding: AnyBinding): void {
  binding.roleRef ??= { apiGroup: '', kind: '', name: '' };
  binding.roleRef.apiGroup ||= group;
  for (const subject of binding.subjects ?? []) {
    if (subject.kind === 'User' || subject.kind === 'Group') subject.apiGroup ||= group;
  }
}

export function validateBinding(binding: AnyBinding, namespaced: boolean, errors: FieldErrors): void {
  const { roleRef } = binding;
  const path = fieldPath('roleRef');
  const kinds = namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  if (roleRef.apiGroup !== group) errors.notSupported(path.child('apiGroup'), roleRef.apiGroup, [group]);
  if (!kinds.includes(roleRef.kind)) errors.notSupported(path.child('kind'), roleRef.kind, kinds);
  if (!roleRef.name) errors.required(path.child('name'));
  else for (const text of nameIsPathSegment(roleRef.name, false)) errors.invalid(path.child('name'), roleRef.name, text);
  for (const [index, subject] of (binding.subjects ?? []).entries()) {
    validateSubject(subject, namespaced, fieldPath('subjects').index(index), errors);
  }
}

export function validateBindingUpdate(binding: AnyBinding, old: Readonly<AnyBinding>, errors: FieldErrors): void {
  if (semanticEqual(binding.roleRef, old.roleRef)) return;
  errors.invalid(fieldPath('roleRef'), internalValue('rbac.RoleRef', binding.roleRef), 'cannot change roleRef');
}

function validateSubject(subject: Subject, namespaced: boolean, path: FieldPath, errors: FieldErrors): void {
  if (!subject.name) errors.required(path.child('name'));
  const apiGroup = subject.apiGroup ?? '';
  switch (subject.kind) {
    case 'ServiceAccount':
      if (subject.name) {
        for (const text of nameIsDnsSubdomain(subject.name, false)) errors.invalid(path.child('name'), subject.name, text);
      }
      if (apiGroup) errors.notSupported(path.child('apiGroup'), apiGroup, ['']);
      if (!namespaced && !subject.namespace) errors.required(path.child('namespace'));
      break;
    case 'User':
    case 'Group':
      if (apiGroup !== group) errors.notSupported(path.child('apiGroup'), apiGroup, [group]);
      break;
    default:
      errors.notSupported(path.child('kind'), subject.kind, ['ServiceAccount', 'User', 'Group']);
  }
}

export function bindingRow(binding: Readonly<AnyBinding>, context: RowContext): readonly unknown[] {
  const subjects = binding.subjects ?? [];
  const names = (kind: string, text: (subject: Subject) => string): string =>
    subjects
      .filter(subject => subject.kind === kind)
      .map(text)
      .join(', ');
  return [
    binding.metadata.name,
    `${binding.roleRef.kind}/${binding.roleRef.name}`,
    age(binding, context),
    names('User', subject => subject.name),
    names('Group', subject => subject.name),
    names('ServiceAccount', subject => `${subject.namespace ?? ''}/${subject.name}`),
  ];
}
