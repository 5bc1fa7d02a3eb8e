import type { CelProgram } from '../../cel/program.js';
import type { CelValue } from '../../cel/values.js';
import { OptionalValue } from '../../cel/values.js';
import type { FieldErrorType } from '../../field-errors.js';
import type { FieldErrors } from '../../field-errors.js';
import { FieldPath, formatBadValue, jsonValue, quote } from '../../field-errors.js';
import { isJsonObject } from '../../object.js';
import type { ValidationRule } from '../json-schema.js';
import type { RuleOutcome } from '../rule-engine.js';
import type { CompiledRule } from './compiled-rule.js';
import { CorrelatedValue, itemLookup } from './correlated-value.js';
import type { RulePart } from './prepared-rules.js';

/** What all rules together may cost for one object. */
const objectCostBudget = 10_000_000;
const maximumMessageBytes = 2048;
const budgetSpent = 'validation failed due to running out of cost budget, no further validation rules will be run';

const titles: Readonly<Record<string, string>> = {
  FieldValueDuplicate: 'Duplicate value',
  FieldValueForbidden: 'Forbidden',
  FieldValueInvalid: 'Invalid value',
  FieldValueRequired: 'Required value',
};

/** No more rules are run. */
class RunEnded extends Error {}

/** A value beside its earlier state, or below the nearest one that has one. */
interface Correlation {
  readonly current?: CorrelatedValue | undefined;
  readonly nearest?: CorrelatedValue | undefined;
}

interface Place {
  readonly path: FieldPath;
  readonly value: unknown;
  /** Undefined where there was nothing that can be told to be the same. */
  readonly old: unknown;
  readonly correlation: Correlation;
}

const uncorrelated: Correlation = {};

/** The rules of one schema run for one object. Source: apiextensions-apiserver pkg/apiserver/schema/cel/validation.go. */
export class RuleRun {
  readonly #errors: FieldErrors;
  readonly #warn: (text: string) => void;
  #budget = objectCostBudget;

  constructor({ errors, warn }: RuleOutcome) {
    this.#errors = errors;
    this.#warn = warn;
  }

  object(value: unknown, old: unknown, root: RulePart): void {
    const correlation = old === undefined ? uncorrelated : { current: new CorrelatedValue(value, old, root.schema) };
    try {
      this.#part(root, { path: new FieldPath(), value, old, correlation });
    } catch (error) {
      if (!(error instanceof RunEnded)) throw error;
    }
  }

  #part(part: RulePart, place: Place): void {
    const { path, value, correlation } = place;
    // Whether there is a value at all is a matter of what surrounds it.
    if (value === null || value === undefined) return;
    if (part.rules.length > 0) this.#rules(part, place);
    if (Array.isArray(value)) {
      if (!part.items) return;
      const lookup = itemLookup(part.schema, place.old);
      for (const [index, item] of value.entries()) {
        this.#part(part.items, {
          path: path.index(index),
          value: item,
          old: lookup?.(item),
          correlation: below(correlation, current => current.item(index)),
        });
      }
    } else if (isJsonObject(value)) this.#members(part, value, place);
  }

  #members(part: RulePart, value: Record<string, unknown>, { path, old, correlation }: Place): void {
    const before = isJsonObject(old) ? old : {};
    for (const [name, member] of Object.entries(value)) {
      const property = part.properties.get(name);
      const inner = property ?? part.additional;
      if (!inner) continue;
      // Both of the root are of one version, whatever was written.
      const isVersion = !correlation.nearest && (name === 'apiVersion' || name === 'kind');
      this.#part(inner, {
        path: property ? path.child(name) : path.key(name),
        value: member,
        old: Object.hasOwn(before, name) ? before[name] : undefined,
        correlation: isVersion ? uncorrelated : below(correlation, current => current.member(name)),
      });
    }
  }

  #rules(part: RulePart, place: Place): void {
    const { path, value } = place;
    const old = place.old ?? undefined;
    const rules = part.compiled();
    if (!rules) {
      const text = 'rule compiler initialization error: failed to convert to declType for CEL validation rules';
      return this.#errors.invalid(path, part.type, text);
    }
    if (this.#budget <= 0) this.#end(path, part.type, budgetSpent);
    const self = part.bind(value);
    const plain = new Map<string, CelValue>([['self', self]]);
    const optional = new Map<string, CelValue>([['self', self]]);
    if (rules.some(({ usesOldSelf }) => usesOldSelf)) {
      const oldSelf = old === undefined ? undefined : part.bind(old);
      if (oldSelf !== undefined) plain.set('oldSelf', oldSelf);
      optional.set('oldSelf', oldSelf === undefined ? OptionalValue.none : OptionalValue.of(oldSelf));
    }
    for (const compiled of rules) {
      const { rule, usesOldSelf } = compiled;
      if (usesOldSelf && old === undefined && !rule.optionalOldSelf) continue;
      this.#rule(compiled, part, { ...place, variables: rule.optionalOldSelf ? optional : plain });
    }
  }

  #rule(compiled: CompiledRule, part: RulePart, place: Place & { variables: ReadonlyMap<string, CelValue> }): void {
    const { rule, program, error, usesOldSelf } = compiled;
    const { path, value, correlation, variables } = place;
    const invalid = (text: string): void => this.#errors.invalid(path, part.type, text);
    if (error !== undefined) return invalid(`rule compile error: ${error}`);
    if (!program) return;
    const result = program.evaluate(variables);
    if (result.cost > this.#budget) this.#end(path, part.type, budgetSpent);
    this.#budget -= result.cost;
    if ('error' in result) {
      const said = shownRule(rule);
      if (result.isOverLimit) {
        const text = 'no further validation rules will be run due to call cost exceeds limit for rule';
        this.#end(path, part.type, `'${result.error}': ${text}: ${said}`);
      }
      if (!result.error.startsWith('no such overload')) return invalid(`${result.error} evaluating rule: ${said}`);
      const text = 'call arguments did not match a supported operator, function or macro signature for rule';
      return invalid(`'${result.error}': ${text}: ${said}`);
    }
    if (result.value === true) return;
    const at = compiled.fieldPath === undefined ? path : path.child(compiled.fieldPath);
    const add = (type: FieldErrorType, body: string): void => {
      // What an update does not change may stay as wrong as it was.
      if (!usesOldSelf && isUnchanged(correlation)) this.#warn(`${at}: ${body}`);
      else this.#errors.add(type, at, body);
    };
    let text: string | undefined;
    if (compiled.message) {
      const message = this.#message(compiled.message, rule, variables);
      if (message.fatal !== undefined) {
        add('FieldValueInvalid', `Invalid value: ${quote(part.type)}: ${message.fatal}`);
        throw new RunEnded();
      }
      ({ text } = message);
    }
    text ??= rule.message ? rule.message.trim() : `failed rule: ${shownRule(rule)}`;
    const type = (rule.reason ?? 'FieldValueInvalid') as FieldErrorType;
    const isShown = part.type !== 'object' && part.type !== 'array';
    const shown = isShown ? `: ${formatBadValue(jsonValue(value))}` : '';
    if (type === 'FieldValueDuplicate') add(type, `${titles[type]}${shown}`);
    else if (type === 'FieldValueForbidden' || type === 'FieldValueRequired') add(type, `${titles[type]}: ${text}`);
    else add('FieldValueInvalid', `Invalid value${shown}: ${text}`);
  }

  /** No text where the expression gives none that can be used; `fatal` where nothing more may be evaluated. */
  #message(
    program: CelProgram,
    rule: ValidationRule,
    variables: ReadonlyMap<string, CelValue>,
  ): { readonly text?: string; readonly fatal?: string } {
    const result = program.evaluate(variables);
    if (result.cost > this.#budget) {
      return {
        fatal: 'messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run',
      };
    }
    if ('error' in result && result.isOverLimit) {
      const text = 'no further validation rules will be run due to call cost exceeds limit for messageExpression';
      return { fatal: `${text}: ${quote(rule.messageExpression!)}` };
    }
    this.#budget -= result.cost;
    if ('error' in result || typeof result.value !== 'string') return {};
    const text = result.value.trim();
    const isUsable = text !== '' && !text.includes('\n') && Buffer.byteLength(text) <= maximumMessageBytes;
    return isUsable ? { text } : {};
  }

  #end(path: FieldPath, type: string, text: string): never {
    this.#errors.invalid(path, type, text);
    throw new RunEnded();
  }
}

function below(correlation: Correlation, next: (current: CorrelatedValue) => CorrelatedValue | undefined): Correlation {
  const { current } = correlation;
  return current ? { current: next(current), nearest: current } : correlation;
}

function isUnchanged({ current, nearest }: Correlation): boolean {
  return (current ?? nearest)?.isEqual === true;
}

/** The rule as messages name it. */
function shownRule({ rule, message }: ValidationRule): string {
  return message ? message.trim() : rule.trim();
}
