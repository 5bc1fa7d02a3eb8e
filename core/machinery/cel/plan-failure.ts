/** The expression is right by its types, but no program can be made of it: a constant can't be converted, a pattern is wrong. */
export class PlanFailure extends Error {}
