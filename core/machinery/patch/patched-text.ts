import { goJsonText } from '../field-errors.js';

/**
 * A patched document as upstream's messages show it: objects that the patch went through have their members sorted, those of the
 * document and of the patch itself stand as they stood. Patches here share what they leave as it is, which tells the two apart.
 */
export function patchedText(patched: unknown, ...sources: readonly unknown[]): string {
  const untouched = new Set<unknown>();
  for (const source of sources) collect(source, untouched);
  return print(patched, untouched);
}

function collect(value: unknown, into: Set<unknown>): void {
  if (typeof value !== 'object' || value === null) return;
  into.add(value);
  for (const inner of Object.values(value)) collect(inner, into);
}

function print(value: unknown, untouched: ReadonlySet<unknown>): string {
  if (typeof value !== 'object' || value === null) return goJsonText(value);
  if (Array.isArray(value)) return `[${value.map(item => print(item, untouched)).join(',')}]`;
  const keys = Object.keys(value);
  if (!untouched.has(value)) keys.sort();
  const member = (key: string): string => `${goJsonText(key)}:${print((value as Record<string, unknown>)[key], untouched)}`;
  return `{${keys.map(member).join(',')}}`;
}
