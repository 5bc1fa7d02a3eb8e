import type { PersistentVolumeClaimSpec } from '../../../api/generated/types.js';
import type { FieldPath } from '../../../machinery/field-errors.js';
import { quote } from '../../../machinery/field-errors.js';
import { parseQuantity } from '../../../machinery/quantity.js';

/** Source: GetWarningsForPersistentVolumeClaimSpec. */
export function claimSpecWarnings(spec: PersistentVolumeClaimSpec, path: FieldPath): string[] {
  const warnings: string[] = [];
  for (const list of ['requests', 'limits'] as const) {
    const amount = spec.resources?.[list]?.storage;
    if (amount === undefined || parseQuantity(amount).isWhole) continue;
    warnings.push(
      `${path.child('resources', list).key('storage')}: fractional byte value ${quote(amount)} is invalid, must be an integer`,
    );
  }
  return warnings;
}
