import type { PrintedType } from '../../../api/internal-value.js';
import { internalLines } from '../../../api/internal-value.js';

const contextLines = 3;
/** From so many lines on, those that are often there do not tie the texts together. */
const manyLines = 200;

interface Match {
  readonly before: number;
  readonly after: number;
  readonly length: number;
}

interface Change {
  readonly kind: 'equal' | 'change';
  readonly before: readonly [number, number];
  readonly after: readonly [number, number];
}

/**
 * What changed between two values, as a unified diff of how messages print them, a field a line. For messages. Upstream compares
 * with a port of Python's difflib, which looks for the longest common run, then left and right of it; so does this.
 */
export function internalDiff(type: PrintedType, before: object | undefined, after: object | undefined): string {
  return unifiedDiff(internalLines(type, before), internalLines(type, after));
}

export function unifiedDiff(before: readonly string[], after: readonly string[]): string {
  const lines = (mark: string, texts: readonly string[], [from, to]: readonly [number, number]): string =>
    texts
      .slice(from, to)
      .map(text => `${mark}${text}\n`)
      .join('');
  const hunk = (changes: readonly Change[]): string => {
    const range = (side: 'before' | 'after'): string => rangeText(changes[0]![side][0], changes.at(-1)![side][1]);
    const parts = changes.map(change =>
      change.kind === 'equal'
        ? lines(' ', before, change.before)
        : lines('-', before, change.before) + lines('+', after, change.after),
    );
    return `@@ -${range('before')} +${range('after')} @@\n${parts.join('')}`;
  };
  return hunks(changesOf(before, after)).map(hunk).join('');
}

function rangeText(start: number, stop: number): string {
  const length = stop - start;
  if (length === 1) return String(start + 1);
  return `${length === 0 ? start : start + 1},${length}`;
}

/** Changes with the lines around them; those that lie near each other together. */
function hunks(changes: readonly Change[]): Change[][] {
  const found: Change[][] = [];
  let current: Change[] = [];
  for (const [index, change] of changes.entries()) {
    const { before, after, kind } = change;
    const length = before[1] - before[0];
    const isFirst = index === 0;
    const isLast = index === changes.length - 1;
    if (kind === 'change' || (!isFirst && !isLast && length <= 2 * contextLines)) {
      current.push(change);
      continue;
    }
    const kept = Math.min(contextLines, length);
    if (!isFirst) {
      current.push({ kind, before: [before[0], before[0] + kept], after: [after[0], after[0] + kept] });
      found.push(current);
      current = [];
    }
    if (!isLast) current.push({ kind, before: [before[1] - kept, before[1]], after: [after[1] - kept, after[1]] });
  }
  if (current.some(({ kind }) => kind === 'change')) found.push(current);
  return found;
}

function changesOf(before: readonly string[], after: readonly string[]): Change[] {
  const changes: Change[] = [];
  let [i, j] = [0, 0];
  for (const match of [...matchesOf(before, after), { before: before.length, after: after.length, length: 0 }]) {
    if (i < match.before || j < match.after) changes.push({ kind: 'change', before: [i, match.before], after: [j, match.after] });
    [i, j] = [match.before + match.length, match.after + match.length];
    if (match.length > 0) changes.push({ kind: 'equal', before: [match.before, i], after: [match.after, j] });
  }
  return changes;
}

/** The runs of lines that both have, in order; adjacent ones as one. */
function matchesOf(before: readonly string[], after: readonly string[]): Match[] {
  const places = placesOf(after);
  const found: Match[] = [];
  const search = (low: Match, high: Match): void => {
    const match = longestMatch({ before, after, places }, low, high);
    if (match.length === 0) return;
    if (low.before < match.before && low.after < match.after) search(low, match);
    const last = found.at(-1);
    if (last && last.before + last.length === match.before && last.after + last.length === match.after)
      found[found.length - 1] = { ...last, length: last.length + match.length };
    else found.push(match);
    const end = { before: match.before + match.length, after: match.after + match.length, length: 0 };
    if (end.before < high.before && end.after < high.after) search(end, high);
  };
  search({ before: 0, after: 0, length: 0 }, { before: before.length, after: after.length, length: 0 });
  return found;
}

function placesOf(lines: readonly string[]): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [index, line] of lines.entries()) {
    const known = places.get(line);
    if (known) known.push(index);
    else places.set(line, [index]);
  }
  if (lines.length < manyLines) return places;
  const often = Math.floor(lines.length / 100) + 1;
  for (const [line, indexes] of places) if (indexes.length > often) places.delete(line);
  return places;
}

interface Texts {
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly places: ReadonlyMap<string, readonly number[]>;
}

/** The longest run between two points, of several the first in `before`, of these the first in `after`. */
function longestMatch({ before, after, places }: Texts, low: Match, high: Match): Match {
  let best: Match = { before: low.before, after: low.after, length: 0 };
  let lengths = new Map<number, number>();
  for (let i = low.before; i < high.before; i++) {
    const next = new Map<number, number>();
    for (const j of places.get(before[i]!) ?? []) {
      if (j < low.after) continue;
      if (j >= high.after) break;
      const length = (lengths.get(j - 1) ?? 0) + 1;
      next.set(j, length);
      if (length > best.length) best = { before: i - length + 1, after: j - length + 1, length };
    }
    lengths = next;
  }
  let { before: i, after: j, length } = best;
  while (i > low.before && j > low.after && before[i - 1] === after[j - 1]) [i, j, length] = [i - 1, j - 1, length + 1];
  while (i + length < high.before && j + length < high.after && before[i + length] === after[j + length]) length++;
  return { before: i, after: j, length };
}
