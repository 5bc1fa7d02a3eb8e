import type { ServiceCIDR } from '../../../api/generated/types.js';
import { internalValue } from '../../../api/internal-value.js';
import { ServiceCIDRs } from '../../../api/generated/resources.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { parseCidr, validateCidr } from '../../../machinery/names.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { addInvalid, immutable } from '../core/checks.js';

const path = fieldPath('spec', 'cidrs');

export const serviceCidr = defineResource<ServiceCIDR>({
  reference: ServiceCIDRs,
  generation: false,
  validate: (object, errors) => validateRanges(object, errors),
  validateUpdate(object, old, errors) {
    const [ranges, before] = [object.spec.cidrs ?? [], old.spec.cidrs ?? []];
    if (ranges.length === before.length) {
      for (const [index, range] of ranges.entries()) if (range !== before[index]) immutable(errors, path.index(index), range);
    } else if (before.length === 1 && ranges.length === 2) {
      // A second family may be added, nothing else.
      if (ranges[0] !== before[0]) immutable(errors, path.index(0), ranges[0]);
      validateRanges(object, errors);
    } else immutable(errors, path, object.spec.cidrs ?? null);
  },
  row: (object, context) => [object.metadata.name, (object.spec.cidrs ?? []).join(','), age(object, context)],
  subresources: { status: { type: 'update' } },
  resetFields: { '': ['status'], status: ['metadata', 'spec'] },
});

function validateRanges({ spec }: ServiceCIDR, errors: FieldErrors): void {
  const ranges = spec.cidrs ?? [];
  if (ranges.length === 0) return errors.required(path, 'at least one CIDR required');
  if (ranges.length > 2)
    return errors.invalid(path, internalValue('*networking.ServiceCIDRSpec', spec), 'may only hold up to 2 values');
  for (const [index, range] of ranges.entries()) addInvalid(errors, path.index(index), range, validateCidr(range));
  const [first, second] = ranges.map(range => parseCidr(range)?.address.family);
  if (ranges.length === 2 && first !== undefined && first === second) {
    const text = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
    errors.invalid(path, ranges, text);
  }
}
