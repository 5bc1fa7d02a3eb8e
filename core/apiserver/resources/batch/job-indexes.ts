import { CodedError } from '../../../base/errors.js';
import { quote } from '../../../machinery/field-errors.js';

/** Lists of indexes such as `0-2,5`. Errors are INVALID_INDEXES with upstream's words. Source: pkg/apis/batch/validation. */
interface Interval {
  readonly first: number;
  readonly last: number;
}

function parseInterval(text: string, completions: number): Interval {
  const limits = text.split('-');
  if (limits.length > 2) {
    const rule = "violates the requirement that an index interval can have at most two parts separated by '-'";
    throw invalid(`the fragment ${quote(text)} ${rule}`);
  }
  const [first, last = first] = limits.map(limit => parseIndex(limit, completions)) as [number, number?];
  if (limits.length > 1 && first >= last!) throw invalid(`non-increasing order, previous: ${first}, current: ${last}`);
  return { first, last: last! };
}

function parseIndex(text: string, completions: number): number {
  if (!/^[+-]?\d+$/.test(text)) throw invalid(`cannot convert string to integer for index: ${quote(text)}`);
  const index = Number(text);
  if (index >= completions) throw invalid(`too large index: ${quote(text)}`);
  return index;
}

/** How many indexes a list names. Throws INVALID_INDEXES. */
export function countIndexes(text: string, completions: number): number {
  let total = 0;
  let previous: number | undefined;
  for (const part of text === '' ? [] : text.split(',')) {
    const { first, last } = parseInterval(part, completions);
    if (previous !== undefined && previous >= first) {
      throw invalid(`non-increasing order, previous: ${previous}, current: ${first}`);
    }
    total += last - first + 1;
    previous = last;
  }
  return total;
}

/** The first index that two lists share; what cannot be read in them is passed over. */
export function sharedIndex(left: string, right: string, completions: number): number | undefined {
  const [a, b] = [left, right].map(text => readableIntervals(text, completions)) as [Interval[], Interval[]];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const [x, y] = [a[i]!, b[j]!];
    if (x.first <= y.last && y.first <= x.last) return Math.max(x.first, y.first);
    if (x.first <= y.first) i++;
    else j++;
  }
  return undefined;
}

function readableIntervals(text: string, completions: number): Interval[] {
  const intervals: Interval[] = [];
  for (const part of text === '' ? [] : text.split(',')) {
    try {
      intervals.push(parseInterval(part, completions));
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
    }
  }
  return intervals;
}

function invalid(message: string): CodedError {
  return new CodedError('INVALID_INDEXES', message);
}
