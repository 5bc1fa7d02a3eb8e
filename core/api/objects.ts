/** A copy without the keys whose value is undefined, so that what is absent stays absent in every encoding. */
export function withoutUndefined<T extends object>(object: T): T {
  const copy = {} as Record<string, unknown>;
  for (const [key, value] of Object.entries(object)) if (value !== undefined) copy[key] = value;
  return copy as T;
}

/** Counts that the API leaves out when they are zero. */
export function nonZero(count: number): number | undefined {
  return count === 0 ? undefined : count;
}

interface AnyCondition {
  readonly type: string;
}

export function findCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, type: string): C | undefined {
  return conditions?.find(condition => condition.type === type);
}

/** The conditions without the one of `type`; undefined instead of an empty list. */
export function withoutCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, type: string): C[] | undefined {
  const rest = (conditions ?? []).filter(condition => condition.type !== type);
  return rest.length > 0 ? rest : undefined;
}

/** The conditions with this one at the end, in the place of an earlier one of its type. */
export function withCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, condition: C): C[] {
  return [...(withoutCondition(conditions, condition.type) ?? []), condition];
}
