import { flags } from '../../config/index.js';
import type { FlagDefinition, LoadedConfig } from '../../config/index.js';

export const hidden = '***';

/** A text without the values that are shown to nobody: tokens, keys, and the user of a datastore's address. */
export function hideSecrets(text: string, { values }: Pick<LoadedConfig, 'values'>): string {
  let shown = text;
  for (const [name, definition] of Object.entries<FlagDefinition>(flags)) {
    const value = (values as Readonly<Record<string, unknown>>)[name];
    if (definition.secret && typeof value === 'string' && value !== '') shown = shown.replaceAll(value, hidden);
  }
  return hideUser(shown);
}

/** A value as it may be shown. */
export function shownValue(value: unknown, definition: FlagDefinition | undefined): unknown {
  if (definition?.secret && value !== undefined) return hidden;
  return typeof value === 'string' ? hideUser(value) : value;
}

/** `scheme://user:password@host` without its user. Also of MySQL's `user:password@tcp(host)`. */
export function hideUser(text: string): string {
  return text.replaceAll(/(:\/\/)[^\s/@]+(?:\/[^\s@]*)?@(?=\S)/g, `$1${hidden}@`);
}
