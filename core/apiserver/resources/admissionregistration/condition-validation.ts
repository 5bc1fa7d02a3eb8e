import type { MatchCondition } from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import type { MatchExpressionEngine } from '../../match-expressions.js';
import { qualifiedName } from '../core/checks.js';

const maximumMatchConditions = 64;

/** `matchConditions` of webhooks and policies. Source: kubernetes pkg/apis/admissionregistration/validation. */
export async function validateConditions(
  conditions: readonly MatchCondition[],
  path: FieldPath,
  errors: FieldErrors,
  expressions: MatchExpressionEngine,
  { hasParams = false } = {},
): Promise<void> {
  if (conditions.length > maximumMatchConditions) errors.tooMany(path, conditions.length, maximumMatchConditions);
  const names = new Set<string>();
  for (const [index, { name, expression }] of conditions.entries()) {
    const at = path.index(index);
    const trimmed = (expression ?? '').trim();
    if (!trimmed) errors.required(at.child('expression'));
    else {
      const fault = await expressions.fault(trimmed, { hasParams });
      if (fault?.isInternal) errors.internal(at.child('expression'), fault.detail);
      else if (fault) errors.invalid(at.child('expression'), trimmed, fault.detail);
    }
    if (!name) errors.required(at.child('name'));
    else {
      qualifiedName(errors, at.child('name'), name);
      if (names.has(name)) errors.duplicate(at.child('name'), name);
      names.add(name);
    }
  }
}
