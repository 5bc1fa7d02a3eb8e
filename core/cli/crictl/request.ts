import { CodedError } from '../../base/errors.js';

/** What was typed after the verb. */
export class RuntimeRequest {
  readonly words: readonly string[];
  readonly #flags: ReadonlyMap<string, readonly string[]>;

  constructor(words: readonly string[], flags: ReadonlyMap<string, readonly string[]> = new Map()) {
    this.words = words;
    this.#flags = flags;
  }

  has(name: string): boolean {
    const given = this.#flags.get(name)?.at(-1);
    return given !== undefined && given !== 'false';
  }

  withFlag(name: string): RuntimeRequest {
    return new RuntimeRequest(this.words, new Map([...this.#flags, [name, ['true']]]));
  }

  value(name: string): string | undefined {
    return this.#flags.get(name)?.at(-1);
  }

  values(name: string): readonly string[] {
    return this.#flags.get(name) ?? [];
  }

  /** A whole number; undefined when it was not given. */
  count(name: string): number | undefined {
    const text = this.value(name);
    if (text === undefined) return undefined;
    if (!/^-?\d{1,15}$/.test(text)) throw new CodedError('USAGE', `--${name} must be a whole number, not "${text}"`);
    return Number(text);
  }

  /** A pattern to look for; everything fits where none was given. */
  pattern(name: string): RegExp {
    const text = this.value(name) ?? '';
    try {
      return new RegExp(text);
    } catch (error) {
      throw new CodedError('USAGE', `--${name} is not a regular expression: ${(error as Error).message}`, { cause: error });
    }
  }

  oneOf<T extends string, U>(name: string, known: readonly T[], otherwise: U): T | U {
    const text = this.value(name);
    if (text === undefined) return otherwise;
    const found = known.find(each => each === text.toLowerCase());
    if (found === undefined) throw new CodedError('USAGE', `--${name} should be one of ${known.join(', ')}, not "${text}"`);
    return found;
  }
}

/**
 * Switches, and flags with a value (`name=`), until `stopsAtWord` says that the rest belongs to another program. `known` has all
 * spellings of a flag, the first of which names it: `all|a`, `output|o=`.
 */
export function parseRequest(
  verb: string,
  known: readonly string[],
  words: readonly string[],
  stopsAtWord: boolean,
): RuntimeRequest {
  const spellings = new Map<string, { readonly name: string; readonly hasValue: boolean }>();
  for (const each of known) {
    const hasValue = each.endsWith('=');
    const names = each.replace('=', '').split('|');
    for (const spelling of names) spellings.set(spelling, { name: names[0]!, hasValue });
  }
  const flags = new Map<string, string[]>();
  const plain: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--') {
      plain.push(...words.slice(at + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-' || (stopsAtWord && plain.length > 0)) {
      plain.push(word);
      continue;
    }
    const equals = word.indexOf('=');
    const spelled = (equals < 0 ? word : word.slice(0, equals)).replace(/^--?/, '');
    // `-it` is `-i -t`.
    const names = word.startsWith('--') || spellings.has(spelled) ? [spelled] : [...spelled];
    for (const spelling of names) {
      const flag = spellings.get(spelling);
      if (!flag) {
        throw new CodedError('USAGE', `"k3s crictl ${verb}" does not know the flag ${word}`, { mend: 'see "k3s crictl help"' });
      }
      const value = equals >= 0 ? word.slice(equals + 1) : flag.hasValue ? words[++at] : 'true';
      if (value === undefined) throw new CodedError('USAGE', `"k3s crictl ${verb}": the flag ${word} needs a value`);
      flags.set(flag.name, [...(flags.get(flag.name) ?? []), value]);
    }
  }
  return new RuntimeRequest(plain, flags);
}
