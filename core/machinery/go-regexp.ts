import { createRequire } from 'node:module';
import { CodedError } from '../base/errors.js';

const cacheLimit = 2000;
const compiled = new Map<string, GoRegexp>();
let engine: typeof import('re2js') | undefined;

/** A pattern that users gave: matched in time that grows with the text alone. */
export interface GoRegexp {
  /** Whether it is found anywhere in the text. */
  test(text: string): boolean;
}

/** A pattern in Go's syntax (RE2). Throws `REGEXP_SYNTAX` in Go's words. Compiled once; the engine is loaded at the first call. */
export function goRegexp(pattern: string): GoRegexp {
  let known = compiled.get(pattern);
  if (!known) {
    known = compile(pattern);
    if (compiled.size >= cacheLimit) compiled.clear();
    compiled.set(pattern, known);
  }
  return known;
}

function compile(pattern: string): GoRegexp {
  engine ??= createRequire(import.meta.url)('re2js') as typeof import('re2js');
  const { RE2JS, RE2JSSyntaxException } = engine;
  try {
    const expression = RE2JS.compile(pattern);
    return { test: text => expression.matcher(text).find() };
  } catch (error) {
    if (!(error instanceof RE2JSSyntaxException)) throw error;
    // Go names what is wrong in any case, be it nothing.
    const text = error.message.endsWith('`') ? error.message : `${error.message}: \`\``;
    throw new CodedError('REGEXP_SYNTAX', text, { cause: error });
  }
}
