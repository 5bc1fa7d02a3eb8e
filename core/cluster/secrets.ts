import { errorText } from '../base/errors.js';
import type { LogFields, Logger } from '../base/logger.js';
import { flags } from '../../config/index.js';
import type { FlagDefinition, LoadedConfig } from '../../config/index.js';
import { isOptionGroup, isSecretOption } from '../kernel/options.js';
import type { CatalogueEntry, PartSelection } from '../kernel/wiring.js';

export const hidden = '***';
/** Anything shorter is no secret, and would make every text unreadable. */
const shortestSecret = 4;

export interface SecretSources {
  readonly config: Pick<LoadedConfig, 'values'> & Partial<Pick<LoadedConfig, 'pluginOptions'>>;
  readonly catalogue: readonly CatalogueEntry[];
  readonly plugins: readonly PartSelection[];
}

/** Every value that nobody is shown: of secret flags, and of plugins' options whose schema says `secret: true`. Longest first. */
export function collectSecrets({ config, catalogue, plugins }: SecretSources): readonly string[] {
  const found = new Set<string>();
  const note = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(note);
    else if (typeof value === 'string' || typeof value === 'number') found.add(String(value));
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(note);
  };
  for (const [name, definition] of Object.entries<FlagDefinition>(flags)) {
    if (definition.secret) note((config.values as Readonly<Record<string, unknown>>)[name]);
  }
  for (const { descriptor } of catalogue) {
    const own = plugins.find(({ id }) => id === descriptor.id)?.options;
    const names = [descriptor.id, ...(descriptor.aliases ?? [])];
    for (const given of [own, ...names.map(name => config.pluginOptions?.get(name))]) {
      eachSecret(descriptor.options, given, note);
    }
  }
  return [...found].filter(text => text.length >= shortestSecret).sort((left, right) => right.length - left.length);
}

function eachSecret(schema: object | undefined, given: unknown, note: (value: unknown) => void): void {
  if (!schema || typeof given !== 'object' || given === null) return;
  for (const [key, value] of Object.entries(given)) {
    const below = Object.hasOwn(schema, key) ? (schema as Record<string, unknown>)[key] : undefined;
    if (isSecretOption(below)) note(value);
    else if (isOptionGroup(below)) eachSecret(below, value, note);
  }
}

/** A plugin's options as they may be shown. */
export function shownOptions(schema: object | undefined, given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(given).map(([key, value]): [string, unknown] => {
    const below = schema && Object.hasOwn(schema, key) ? (schema as Record<string, unknown>)[key] : undefined;
    if (isSecretOption(below)) return [key, hidden];
    if (isOptionGroup(below) && typeof value === 'object' && value !== null) {
      return [key, shownOptions(below, value as Record<string, unknown>)];
    }
    return [key, shownValue(value, undefined)];
  });
  return Object.fromEntries(entries);
}

/** A text without the secrets, and without the user of an address. */
export function hideSecrets(text: string, secrets: readonly string[]): string {
  let shown = text;
  for (const secret of secrets) shown = shown.replaceAll(secret, hidden);
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

/**
 * Takes the secrets out of an error, its causes and its parts, in place: who catches it tells errors apart by their identity and code.
 * A part's error may hold what another part was given.
 */
export function withoutSecrets<T>(error: T, secrets: readonly string[], seen = new Set<unknown>()): T {
  if (typeof error !== 'object' || error === null || seen.has(error)) return error;
  seen.add(error);
  const fields = error as Record<string, unknown>;
  for (const key of ['message', 'stack', 'mend', 'cause']) {
    const text = fields[key];
    if (typeof text !== 'string') continue;
    const shown = hideSecrets(text, secrets);
    if (shown === text) continue;
    try {
      Object.defineProperty(fields, key, { value: shown, writable: true, configurable: true });
    } catch {
      // Frozen by who threw it: `slotTable` and the log hide what they show once more.
    }
  }
  withoutSecrets(fields['cause'], secrets, seen);
  if (error instanceof AggregateError) for (const part of error.errors) withoutSecrets(part, secrets, seen);
  return error;
}

/** Hands records on without the secrets. */
export class HidingLogger implements Logger {
  readonly #logger: Logger;
  readonly #secrets: readonly string[];

  constructor(logger: Logger, secrets: readonly string[]) {
    this.#logger = logger;
    this.#secrets = secrets;
  }

  debug(message: string, fields?: LogFields): void {
    this.#logger.debug(this.#text(message), this.#fields(fields));
  }
  info(message: string, fields?: LogFields): void {
    this.#logger.info(this.#text(message), this.#fields(fields));
  }
  warn(message: string, fields?: LogFields): void {
    this.#logger.warn(this.#text(message), this.#fields(fields));
  }
  error(message: string, fields?: LogFields): void {
    this.#logger.error(this.#text(message), this.#fields(fields));
  }

  child(name: string): Logger {
    return new HidingLogger(this.#logger.child(name), this.#secrets);
  }

  #text(text: string): string {
    return hideSecrets(String(text), this.#secrets);
  }

  #fields(fields: LogFields | undefined): LogFields | undefined {
    return fields && Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, this.#value(value)]));
  }

  #value(value: unknown): unknown {
    if (typeof value === 'string') return this.#text(value);
    if (value instanceof Error) {
      const text = errorText(value);
      const shown = this.#text(text);
      return shown === text ? value : shown;
    }
    if (typeof value !== 'object' || value === null) return value;
    const text = JSON.stringify(value) ?? '';
    const shown = this.#text(text);
    return shown === text ? value : shown;
  }
}
