import { CodedError } from '../base/errors.js';

const cacheLimit = 2000;
const compiled = new Map<string, RegExp>();

const posixClasses: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

/**
 * A pattern in Go's syntax (RE2). Throws REGEXP_SYNTAX in Go's words for what is an expression here and not there, and the other way
 * round. Compiled once.
 */
export function goRegexp(pattern: string): RegExp {
  let known = compiled.get(pattern);
  if (!known) {
    known = compile(pattern);
    if (compiled.size >= cacheLimit) compiled.clear();
    compiled.set(pattern, known);
  }
  return known;
}

function compile(pattern: string): RegExp {
  const { source, flags } = translate(pattern);
  try {
    return new RegExp(source, `${flags}u`);
  } catch {
    // Escapes of what needs none are no fault in Go.
    try {
      return new RegExp(source, flags);
    } catch (error) {
      const text = (error as Error).message.replace(/^Invalid regular expression: (\/.*\/\w*: )?/s, '');
      throw fault(goFault(text, pattern));
    }
  }
}

/** What Go says of the faults that both find. */
function goFault(text: string, pattern: string): string {
  switch (text) {
    case 'Unterminated group':
      return `missing closing ): \`${pattern}\``;
    case "Unmatched ')'":
      return `unexpected ): \`${pattern}\``;
    case 'Nothing to repeat':
      return `missing argument to repetition operator: \`${/[*+?]|\{\d/.exec(pattern)?.[0] ?? ''}\``;
    case 'Range out of order in character class':
      return `invalid character class range: \`${/\[\^?.*?((\\.|.)-(\\.|.))/.exec(pattern)?.[1] ?? pattern}\``;
    case 'numbers out of order in {} quantifier':
      return `invalid repeat count: \`${/\{\d+,\d*\}/.exec(pattern)?.[0] ?? pattern}\``;
    default:
      return `${text[0]!.toLowerCase()}${text.slice(1)}: \`${pattern}\``;
  }
}

function fault(text: string): CodedError {
  return new CodedError('REGEXP_SYNTAX', `error parsing regexp: ${text}`);
}

/** From RE2's syntax to that of here. */
function translate(pattern: string): { source: string; flags: string } {
  let flags = '';
  let source = '';
  let inClass = false;
  // How many groups that only carry flags are open, by group of the pattern.
  const flagGroups = [0];
  for (let at = 0; at < pattern.length; at++) {
    const rest = pattern.slice(at);
    const character = rest[0]!;
    if (character === '\\') {
      const [text, length] = escape(rest, inClass);
      source += text;
      at += length - 1;
    } else if (inClass) {
      const posix = /^\[:(\^?)(\w+):\]/.exec(rest);
      if (posix) {
        const members = Object.hasOwn(posixClasses, posix[2]!) ? posixClasses[posix[2]!] : undefined;
        if (members === undefined || posix[1]) throw fault(`invalid character class range: \`${posix[0]}\``);
        source += members;
        at += posix[0].length - 1;
      } else {
        source += character === '[' ? '\\[' : character;
        if (character === ']' && !/(^|[^\\])\[\^?$/.test(source.slice(0, -1))) inClass = false;
        else if (character === ']') source = `${source.slice(0, -1)}\\]`;
      }
    } else if (character === '[') {
      inClass = true;
      source += character;
      if (rest[1] === '^') {
        source += '^';
        at++;
      }
    } else if (rest.startsWith('(?')) {
      const set = /^\(\?([ims]*)(-[ims]+)?\)/.exec(rest);
      if (rest.startsWith('(?P<')) {
        source += '(?<';
        at += 3;
        flagGroups.push(0);
      } else if (set && at === 0 && !set[2]) {
        flags = set[1]!;
        at += set[0].length - 1;
      } else if (set) {
        // They hold to the end of the group.
        source += `(?${set[1]}${set[2] ?? ''}:`;
        at += set[0].length - 1;
        flagGroups[flagGroups.length - 1]!++;
      } else if (/^\(\?([imsU-]*:|<[A-Za-z_])/.test(rest)) {
        source += character;
        flagGroups.push(0);
      } else throw fault(`invalid or unsupported Perl syntax: \`${rest.slice(0, /^\(\?<[=!]/.test(rest) ? 4 : 3)}\``);
    } else {
      if (character === '(') flagGroups.push(0);
      if (character === ')' && flagGroups.length > 1) source += ')'.repeat(flagGroups.pop()!);
      source += character;
    }
  }
  source += ')'.repeat(flagGroups[0]!);
  if (inClass) throw fault(`missing closing ]: \`${pattern.slice(pattern.lastIndexOf('['))}\``);
  return { source, flags };
}

/** One escape sequence, and how long it was. */
function escape(rest: string, inClass: boolean): [string, number] {
  const next = rest[1];
  if (next === undefined) throw fault('trailing backslash at end of expression: ``');
  if (next === 'A' && !inClass) return ['(?<![\\s\\S])', 2];
  if (next === 'z' && !inClass) return ['(?![\\s\\S])', 2];
  if (next === 'Q') {
    const end = rest.indexOf('\\E');
    const text = end < 0 ? rest.slice(2) : rest.slice(2, end);
    return [text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), end < 0 ? rest.length : end + 2];
  }
  const property = /^\\([pP])([A-Z])/.exec(rest);
  if (property) return [`\\${property[1]}{${property[2]}}`, 3];
  if (/[1-9]/.test(next) || (/[A-Za-z]/.test(next) && !'dDwWsSbBpPxtnrfvaC'.includes(next)))
    throw fault(`invalid escape sequence: \`\\${next}\``);
  if (next === 'a') return ['\\x07', 2];
  const wide = /^\\x\{([0-9A-Fa-f]+)\}/.exec(rest);
  if (wide) return [`\\u{${wide[1]}}`, wide[0].length];
  return [rest.slice(0, 2), 2];
}
