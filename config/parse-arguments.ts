import type { CodedError } from '../core/base/errors.js';
import { didYouMean } from '../core/base/nearest-name.js';
import { configError } from './config-errors.js';
import type { FlagDefinition } from './flag-definition.js';

/** Flags as they stood on the command line: canonical name to the texts given, in order. A bare boolean is `true`. */
export type GivenFlags = ReadonlyMap<string, readonly string[]>;

export type FlagIndex = ReadonlyMap<string, { readonly name: string; readonly definition: FlagDefinition }>;

/** Finds definitions by name, alias and short name. */
export function indexFlags(table: Readonly<Record<string, FlagDefinition>>): FlagIndex {
  const index = new Map<string, { name: string; definition: FlagDefinition }>();
  for (const [name, definition] of Object.entries(table)) {
    for (const key of [name, definition.short, ...(definition.aliases ?? [])]) {
      if (key !== undefined) index.set(key, { name, definition });
    }
  }
  return index;
}

/**
 * Reads `--name value`, `--name=value`, `-n value`, `-name value` and bare booleans. Pushes to `errors` what is not known (with the
 * nearest known name), has no value, or is no flag at all.
 */
export function parseArguments(argumentList: readonly string[], index: FlagIndex, errors: CodedError[]): GivenFlags {
  const given = new Map<string, string[]>();
  for (let at = 0; at < argumentList.length; at++) {
    const argument = argumentList[at]!;
    const match = /^--?([^-=][^=]*)(?:=([\s\S]*))?$/.exec(argument);
    if (!match) {
      errors.push(configError('FLAG_UNKNOWN', `unexpected argument "${argument}"`, { mend: 'flags begin with --' }));
      continue;
    }
    const [, key, attached] = match;
    const flag = index.get(key!);
    if (!flag) {
      const known = [...index.keys()].filter(name => name.length > 1);
      const mend = 'see "k3s server --help" for all flags';
      errors.push(configError('FLAG_UNKNOWN', `unknown flag --${key}${didYouMeanFlag(key!, known)}`, { mend }));
      // The value of an unknown flag is not reported as a second fault.
      if (attached === undefined && at + 1 < argumentList.length && !argumentList[at + 1]!.startsWith('-')) at++;
      continue;
    }
    let value = attached;
    if (value === undefined) {
      if (flag.definition.kind === 'boolean') value = 'true';
      else if (at + 1 < argumentList.length) value = argumentList[++at]!;
      else {
        errors.push(configError('FLAG_VALUE', `flag --${flag.name} needs a value`));
        continue;
      }
    }
    const values = given.get(flag.name);
    if (values) values.push(value);
    else given.set(flag.name, [value]);
  }
  return given;
}

/**
 * The values of a few flags out of a command line that is not understood yet, for the first pass. A flag's value that looks like one
 * of `names` is taken for it; the strict second pass then refuses the line.
 */
export function scanArguments(argumentList: readonly string[], names: FlagIndex): GivenFlags {
  const relevant: string[] = [];
  for (let at = 0; at < argumentList.length; at++) {
    const key = /^--?([^-=][^=]*)/.exec(argumentList[at]!)?.[1];
    if (key === undefined || !names.has(key)) continue;
    relevant.push(argumentList[at]!);
    if (!argumentList[at]!.includes('=') && at + 1 < argumentList.length) relevant.push(argumentList[++at]!);
  }
  return parseArguments(relevant, names, []);
}

function didYouMeanFlag(key: string, known: readonly string[]): string {
  return didYouMean(key, known).replace('"', '--').replace('"', '');
}
