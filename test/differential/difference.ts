import type { Answer } from './replay.js';

/** Keys in one order; causes too, since upstream walks some maps in a random one. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, inner]) => [key, sorted(inner)] as const);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Whether two answers are the same but for the order of keys. */
export function same(expected: unknown, given: unknown): boolean {
  return JSON.stringify(sorted(expected)) === JSON.stringify(sorted(given));
}

const shownLength = 500;
const shownBefore = 100;

/** Long texts from shortly before they differ. */
export function cut(left: string, right: string): [string, string] {
  let same = 0;
  while (same < left.length && left[same] === right[same]) same++;
  const start = same < shownLength - shownBefore ? 0 : same - shownBefore;
  const text = (whole: string): string => `${start > 0 ? '...' : ''}${whole.slice(start, start + shownLength)}`;
  return [text(left), text(right)];
}

/** What differs first, found by walking both answers side by side. */
export function firstDifference(expected: Answer, given: Answer): string {
  const walk = (left: unknown, right: unknown, path: string): string | undefined => {
    if (same(left, right)) return undefined;
    if (typeof left === 'object' && typeof right === 'object' && left && right && Array.isArray(left) === Array.isArray(right)) {
      const keys = new Set([...Object.keys(left), ...Object.keys(right)]);
      for (const key of keys) {
        const found = walk((left as Record<string, unknown>)[key], (right as Record<string, unknown>)[key], `${path}.${key}`);
        if (found) return found;
      }
    }
    const [expectedText, givenText] = cut(JSON.stringify(left) ?? 'absent', JSON.stringify(right) ?? 'absent');
    return `  ${path || 'answer'}\n    upstream: ${expectedText}\n    ours:     ${givenText}`;
  };
  if (expected.code !== given.code) {
    const text = ({ code, body }: Answer): string =>
      `${code} ${String((body as { message?: string } | null)?.message ?? '').slice(0, 500)}`;
    return `    upstream: ${text(expected)}\n    ours:     ${text(given)}`;
  }
  return walk(expected, given, '')!;
}
