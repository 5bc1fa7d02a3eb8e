/** A difference that stays, by what is printed of it. `docs/differences.md` says the same to users. */
export interface KnownDifference {
  /** Of `KIND, CHANGE` and the lines below it. */
  readonly pattern: RegExp;
  readonly reason: string;
}

const emptyValues = 'an empty list or map is none once it is read, so messages show null for it';

export const knownDifferences: readonly KnownDifference[] = [
  {
    pattern: /: (empty map|empty list|\[\]).*\n.*\n {4}upstream: .*(\{\}|<object>|\[\]).*\n {4}ours: .*null/,
    reason: emptyValues,
  },
  { pattern: /^Pod, spec\.overhead: \{\}/, reason: emptyValues },
];

export function reasonFor(text: string): string | undefined {
  return knownDifferences.find(({ pattern }) => pattern.test(text))?.reason;
}
