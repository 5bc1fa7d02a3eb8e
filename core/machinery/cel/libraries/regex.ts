import { RE2JS, RE2JSSyntaxException } from 're2js';

import { noOverload } from '../arithmetic.js';
import { intType, listType, stringType } from '../cel-type.js';
import type { Implementation, Library } from '../declarations.js';
import { declare, memberOverload } from '../declarations.js';
import type { Node } from '../nodes.js';
import { ConstantNode } from '../nodes.js';
import { PlanFailure } from '../plan-failure.js';
import type { CelValue } from '../values.js';
import { CelError, noSuchOverload, TextList } from '../values.js';

/** Patterns in Go's syntax, matched in linear time: `matches`, and `find` and `findAll` of Kubernetes. */

/** Undefined for a pattern that is wrong. */
export function isPattern(pattern: string): boolean {
  return !(compilePattern(pattern) instanceof CelError);
}

function compilePattern(pattern: string): RE2JS | CelError {
  try {
    return RE2JS.compile(pattern);
  } catch (error) {
    if (error instanceof RE2JSSyntaxException) return new CelError(error.message);
    throw error;
  }
}

function findIn(pattern: RE2JS, text: string): string {
  const matcher = pattern.matcher(text);
  return matcher.find() ? (matcher.group() ?? '') : '';
}

function findAllIn(pattern: RE2JS, text: string, limit: bigint): CelValue {
  const found: string[] = [];
  const matcher = pattern.matcher(text);
  while ((limit < 0n || BigInt(found.length) < limit) && matcher.find()) found.push(matcher.group() ?? '');
  return new TextList(found);
}

export function matches(text: CelValue, pattern: CelValue): CelValue {
  if (typeof text !== 'string') return noOverload('matches', text);
  if (typeof pattern !== 'string') return noSuchOverload;
  const compiled = compilePattern(pattern);
  return compiled instanceof CelError ? compiled : compiled.matcher(text).find();
}

function find(text: string, pattern: string): CelValue {
  const compiled = compilePattern(pattern);
  return compiled instanceof CelError ? new CelError(`Illegal regex: ${compiled.message}`) : findIn(compiled, text);
}

function findAll(text: string, pattern: string, limit: bigint | null): CelValue {
  const compiled = compilePattern(pattern);
  if (compiled instanceof CelError) return new CelError(`Illegal regex: ${compiled.message}`);
  return findAllIn(compiled, text, limit ?? -1n);
}

/** With a constant pattern it is compiled once, and a wrong one found before anything runs. */
export function patternSpecialization(functionName: string, pattern: Node | undefined): Implementation | undefined {
  if (functionName !== 'matches' && functionName !== 'find' && functionName !== 'findAll') return undefined;
  if (!(pattern instanceof ConstantNode) || typeof pattern.value !== 'string') return undefined;
  const compiled = compilePattern(pattern.value);
  if (compiled instanceof CelError) throw new PlanFailure(compiled.message);
  return (text, _pattern, limit) => {
    if (typeof text !== 'string') return noSuchOverload;
    if (functionName === 'matches') return compiled.matcher(text).find();
    if (functionName === 'find') return findIn(compiled, text);
    if (limit !== null && typeof limit !== 'bigint') return noSuchOverload;
    return findAllIn(compiled, text, limit ?? -1n);
  };
}

export const regexLibrary: Library = {
  functions: [
    declare('find', memberOverload('string_find_string', [stringType, stringType], stringType, find)),
    declare(
      'findAll',
      memberOverload('string_find_all_string', [stringType, stringType], listType(stringType), findAll),
      memberOverload('string_find_all_string_int', [stringType, stringType, intType], listType(stringType), findAll),
    ),
  ],
};
