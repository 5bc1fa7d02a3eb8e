/** A difference that stays, by what is printed of it. `docs/differences.md` says the same to users. */
export interface KnownDifference {
  /** Of `KIND, CHANGE` and the lines below it. */
  readonly pattern: RegExp;
  readonly reason: string;
}

export const knownDifferences: readonly KnownDifference[] = [
  {
    pattern: /^StatefulSet.*, spec\.volumeClaimTemplates: null in it\n {2}\.body\.details\.causes\.\d+\.field/,
    reason: 'upstream walks a map in a random order',
  },
  {
    pattern: /^First bookmark of a watch, \w+\n {2}\.body\.1\n {4}upstream: \{"type":"BOOKMARK".*\n {4}ours: {5}absent/,
    reason: 'upstream tells of its own renewal of a Lease when one falls into that second',
  },
  {
    pattern: /^CustomResourceDefinition.*\n.*\n {4}upstream: "Invalid value: \[(\{\\"Name\\"|\\"v1\\"\]: must have)/,
    reason: 'upstream prints its internal type',
  },
  { pattern: /\n {4}upstream: 0 the server hung up/, reason: "upstream's handler panics" },
];

export function reasonFor(text: string): string | undefined {
  return knownDifferences.find(({ pattern }) => pattern.test(text))?.reason;
}
