import type { CallExpression, Expression, ListExpression, MapExpression } from './ast.js';
import { children, walk } from './ast.js';
import type { CelType } from './cel-type.js';
import { toDuration, toTimestamp } from './conversions.js';
import { clauseErrors, FormatFailure, readFormat } from './libraries/string-format.js';
import type { FormatClause } from './libraries/string-format.js';
import { isPattern } from './libraries/regex.js';
import type { CelIssues, Offset } from './source.js';
import type { CelValue } from './values.js';
import { CelError } from './values.js';

/** What upstream's validators find in an expression whose types are right: bad literals, mixed lists, formats that can't work. */
export function validateExpression(expression: Expression, homogeneous: boolean, issues: CelIssues): void {
  for (const part of walk(expression)) {
    if (part.kind === 'call') {
      validateLiteralArgument(part, issues);
      if (part.functionName === 'format') validateFormat(part, issues);
    }
  }
  if (homogeneous) validateAggregates(expression, issues);
}

const literalChecks: Readonly<Record<string, (value: CelValue) => boolean>> = {
  duration: value => !(toDuration(value) instanceof CelError),
  timestamp: value => !(toTimestamp(value) instanceof CelError),
  matches: value => typeof value !== 'string' || isPattern(value),
};

function validateLiteralArgument(call: CallExpression, issues: CelIssues): void {
  const [argument] = call.args;
  const { functionName } = call;
  if (argument?.kind !== 'literal' || !Object.hasOwn(literalChecks, functionName)) return;
  if (!literalChecks[functionName]!(argument.value)) issues.report(argument.offset, `invalid ${functionName} argument`);
}

/** Lists and maps outside of `format`'s arguments have one type of elements. */
function validateAggregates(expression: Expression, issues: CelIssues): void {
  if (expression.kind === 'list') validateList(expression, issues);
  else if (expression.kind === 'map') validateMap(expression, issues);
  else if (expression.kind === 'call' && expression.functionName === 'format') return;
  for (const child of children(expression)) validateAggregates(child, issues);
}

function mismatch(issues: CelIssues, offset: Offset, expected: CelType, found: CelType): void {
  issues.report(offset, `expected type '${expected}' but found '${found}'`);
}

function unwrapped(type: CelType, optional: boolean): CelType {
  return optional && type.isOptional ? type.parameters[0]! : type;
}

function validateList({ elements, optionals }: ListExpression, issues: CelIssues): void {
  let expected: CelType | undefined;
  for (const [index, element] of elements.entries()) {
    const type = unwrapped(element.type!, optionals.has(index));
    expected ??= type;
    if (expected.equals(type)) continue;
    mismatch(issues, element.offset, expected, type);
    return;
  }
}

function validateMap({ entries }: MapExpression, issues: CelIssues): void {
  const [first] = entries;
  if (!first) return;
  const keyType = first.key.type!;
  const valueType = unwrapped(first.value.type!, first.optional);
  for (const { key, value, optional } of entries.slice(1)) {
    if (!keyType.equals(key.type!)) mismatch(issues, key.offset, keyType, key.type!);
    const type = unwrapped(value.type!, optional);
    if (!valueType.equals(type)) mismatch(issues, value.offset, valueType, type);
  }
}

/** A clause that does not fit the expression in that place. */
class ClauseMismatch extends FormatFailure {
  constructor(
    readonly offset: Offset,
    message: string,
  ) {
    super(message);
  }
}

const clauseTypes: Readonly<Record<FormatClause['verb'], readonly string[]>> = {
  s: ['list', 'map', 'int', 'uint', 'double', 'bool', 'string', 'timestamp', 'bytes', 'duration', 'type', 'null'],
  d: ['int', 'uint'],
  f: ['double', 'string'],
  e: ['double', 'string'],
  b: ['int', 'uint', 'bool'],
  x: ['int', 'uint', 'string', 'bytes'],
  X: ['int', 'uint', 'string', 'bytes'],
  o: ['int', 'uint'],
};

/** The part of the argument that the clause can't print. */
function misfit(verb: FormatClause['verb'], expression: Expression): Expression | undefined {
  const type = expression.type!;
  if (!type.isDyn && !clauseTypes[verb].includes(type.kind)) return expression;
  if (verb !== 's') return undefined;
  if (expression.kind !== 'list' && expression.kind !== 'map') return undefined;
  for (const child of children(expression)) {
    const bad = misfit(verb, child);
    if (bad) return bad;
  }
  return undefined;
}

function validateFormat(call: CallExpression, issues: CelIssues): void {
  const { target, args } = call;
  const [list] = args;
  if (target?.kind !== 'literal' || typeof target.value !== 'string' || args.length !== 1 || list?.kind !== 'list') return;
  const { elements } = list;
  let seen = 0;
  try {
    readFormat(target.value, elements.length, (clause, index) => {
      seen++;
      const bad = misfit(clause.verb, elements[index]!);
      if (bad) throw new ClauseMismatch(bad.offset, clauseErrors[clause.verb](bad.type!.name));
      return '';
    });
  } catch (error) {
    if (!(error instanceof FormatFailure)) throw error;
    issues.report(error instanceof ClauseMismatch ? error.offset : call.offset, error.message);
    return;
  }
  if (elements.length > seen) {
    issues.report(call.offset, `too many arguments supplied to string.format (expected ${seen}, got ${elements.length})`);
  }
}
