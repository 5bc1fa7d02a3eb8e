import type { IPAddress, ParentReference } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { IPAddresses } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateIp, validatePathSegmentName } from '../../../machinery/names.js';
import { semanticEqual, qualifiedName } from '../../../machinery/object.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { addInvalid, dnsSubdomain, immutable } from '../core/checks.js';
import { requiredSegment } from './ingress.js';

export const ipAddress = defineResource<IPAddress>({
  reference: IPAddresses,
  generation: false,
  validateName: name => validateIp(name),
  validate: validateAddress,
  checks: { update: ['object', 'validate', 'change', 'validateUpdate'] },
  validateUpdate(object, old, errors) {
    const { parentRef } = object.spec;
    if (!semanticEqual(parentRef, old.spec.parentRef))
      immutable(errors, fieldPath('spec', 'parentRef'), internalValue('*networking.ParentReference', parentRef));
  },
  row(object, context) {
    const { parentRef } = object.spec;
    const cells: unknown[] = [object.metadata.name, parentRef ? parentCell(parentRef) : '<none>'];
    // Upstream fills an age for which it defines no column.
    return [...cells, age(object, context)];
  },
});

function validateAddress({ spec }: IPAddress, errors: FieldErrors): void {
  const path = fieldPath('spec', 'parentRef');
  const { parentRef } = spec;
  if (!parentRef) return errors.required(path);
  if (parentRef.group) dnsSubdomain(errors, path.child('group'), parentRef.group);
  requiredSegment(errors, path.child('resource'), parentRef.resource);
  requiredSegment(errors, path.child('name'), parentRef.name);
  if (parentRef.namespace) segment(errors, path.child('namespace'), parentRef.namespace);
}

function segment(errors: FieldErrors, path: FieldPath, value: string): void {
  addInvalid(errors, path, value, validatePathSegmentName(value));
}

function parentCell({ group = '', resource = '', namespace, name = '' }: ParentReference): string {
  const parts = [qualifiedName(group, resource).toLowerCase(), ...(namespace ? [namespace] : []), name];
  return parts.join('/');
}
