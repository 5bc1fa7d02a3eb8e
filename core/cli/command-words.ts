import { flags } from '../../config/flags/index.js';
import type { FlagDefinition } from '../../config/flag-definition.js';

/** A command line, taken apart as far as that goes without knowing the command. */
export interface CommandWords {
  /** Undefined: it names none. */
  readonly name: string | undefined;
  /** Flags before the name: `k3s --debug server`. */
  readonly before: readonly string[];
  /** What the command is told: flags before its name count as if they stood behind its verb. */
  readonly words: readonly string[];
  /** Help was asked for before or instead of the name: `k3s --help`, `k3s help server`. */
  readonly help: boolean;
}

export function commandWords(words: readonly string[]): CommandWords {
  let at = 0;
  while (at < words.length && words[at]!.startsWith('-')) at += takesNextWord(words[at]!) ? 2 : 1;
  const [before, name, behind] = [words.slice(0, at), words[at], words.slice(at + 1)];
  if (name === 'help') return { ...commandWords([...before, ...behind]), help: true };
  const firstFlag = behind.findIndex(word => word.startsWith('-'));
  const verbs = firstFlag < 0 ? behind : behind.slice(0, firstFlag);
  return {
    name,
    before,
    words: [...verbs, ...before, ...behind.slice(verbs.length)],
    help: name === undefined || before.some(isHelp),
  };
}

function isHelp(word: string): boolean {
  return word === '--help' || word === '-h';
}

/** Whether `--help` is among the words that are read as flags. */
export function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf('--');
  return (end < 0 ? words : words.slice(0, end)).some(isHelp);
}

/** Whether the next word is this flag's value and no command. */
function takesNextWord(word: string): boolean {
  const name = /^--?([^-=][^=]*)$/.exec(word)?.[1];
  const flag = Object.entries<FlagDefinition>(flags).find(([long, { short, aliases }]) => {
    return long === name || short === name || aliases?.includes(name!);
  });
  // Before a command `-v` asks for the version.
  return flag !== undefined && flag[1].kind !== 'boolean' && word !== '-v';
}
