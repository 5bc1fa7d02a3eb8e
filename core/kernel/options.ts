import convict from 'convict';
import type { Config, Schema } from 'convict';
import { errorText } from '../base/errors.js';
import type { CodedError } from '../base/errors.js';
import { didYouMean } from '../base/nearest-name.js';
import type { PartDescriptor } from '../plugin-api/descriptor.js';
import { kernelError } from './kernel-errors.js';

export type OptionValues = Readonly<Record<string, unknown>>;

/**
 * Applies defaults and checks a plugin's options against its schema. Pushes what is wrong to `errors`, naming plugin and source;
 * the environment and the process's arguments are never looked at.
 */
export function resolveOptions(
  descriptor: PartDescriptor,
  given: OptionValues | undefined,
  givenBy: string,
  errors: CodedError[],
): OptionValues {
  const schema = descriptor.options ?? {};
  const unknownBefore = errors.length;
  if (given) reportUnknown(schema, given, '', { id: descriptor.id, givenBy, errors });
  if (errors.length > unknownBefore) return Object.freeze({});
  let config: Config<Record<string, unknown>>;
  try {
    config = convict(schema as Schema<Record<string, unknown>>, { env: {}, args: [] });
  } catch (error) {
    const text = `the options schema of plugin ${descriptor.id} is not valid: ${errorText(error)}`;
    const mend = 'formats that convict does not know are given as functions';
    errors.push(kernelError('OPTION_INVALID', text, { mend }));
    return Object.freeze({});
  }
  try {
    if (given) config.load(given);
    config.validate({ allowed: 'strict' });
    // convict makes a number of a text, and of "large" this one.
    const path = notANumber(config.getProperties(), '');
    if (path !== undefined) throw new Error(`${path}: must be a number`);
  } catch (error) {
    const text = `${givenBy}: option of plugin ${descriptor.id} is not valid: ${errorText(error)}`;
    errors.push(kernelError('OPTION_INVALID', text));
    return Object.freeze({});
  }
  return deepFreeze(config.getProperties());
}

/** Path of the first option that is NaN. */
function notANumber(values: OptionValues, prefix: string): string | undefined {
  for (const [name, value] of Object.entries(values)) {
    const isGroup = typeof value === 'object' && value !== null && !Array.isArray(value);
    const found = isGroup
      ? notANumber(value as OptionValues, `${prefix}${name}.`)
      : Number.isNaN(value)
        ? prefix + name
        : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

interface UnknownReport {
  readonly id: string;
  readonly givenBy: string;
  readonly errors: CodedError[];
}

function reportUnknown(schema: object, given: OptionValues, prefix: string, report: UnknownReport): void {
  const known = Object.keys(schema);
  for (const [key, value] of Object.entries(given)) {
    const below = Object.hasOwn(schema, key) ? (schema as Record<string, unknown>)[key] : undefined;
    if (below === undefined) {
      const name = `"${prefix}${key}"${didYouMean(key, known)}`;
      const have = known.length === 0 ? 'which has no options' : `which knows ${known.join(', ')}`;
      const text = `${report.givenBy}: unknown option ${name} for plugin ${report.id}, ${have}`;
      report.errors.push(kernelError('OPTION_UNKNOWN', text));
    } else if (isOptionGroup(below) && typeof value === 'object' && value !== null && !Array.isArray(value)) {
      reportUnknown(below, value as OptionValues, `${prefix}${key}.`, report);
    }
  }
}

/** convict's own rule: what has a `default` is a value, any other object is a group. */
export function isOptionGroup(entry: unknown): entry is object {
  return typeof entry === 'object' && entry !== null && !('default' in entry);
}

/** `secret: true` (or convict's own word) in a schema: its value is shown to nobody. */
export function isSecretOption(entry: unknown): boolean {
  const { secret, sensitive } = (entry ?? {}) as { readonly secret?: unknown; readonly sensitive?: unknown };
  return isValue(entry) && (secret === true || sensitive === true);
}

function isValue(entry: unknown): boolean {
  return typeof entry === 'object' && entry !== null && 'default' in entry;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const below of Object.values(value)) deepFreeze(below);
  }
  return value;
}
