/** A difference that stays, by what is printed of it. `docs/differences.md` says the same to users. */
export interface KnownDifference {
  /** Of `KIND, CHANGE` and the lines below it. */
  readonly pattern: RegExp;
  readonly reason: string;
}

export const knownDifferences: readonly KnownDifference[] = [
  { pattern: /\n {4}upstream: 0 the server hung up/, reason: "upstream's handler panics" },
];

export function reasonFor(text: string): string | undefined {
  return knownDifferences.find(({ pattern }) => pattern.test(text))?.reason;
}
