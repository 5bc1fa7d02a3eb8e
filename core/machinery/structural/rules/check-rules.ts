import { unlimited } from '../../cel/estimate.js';
import { fixedFloat } from '../../go-numbers.js';
import type { CelSchema } from '../../cel/schema-type.js';
import { schemaTypeOf } from '../../cel/schema-type.js';
import type { FieldErrors, FieldPath } from '../../field-errors.js';
import { PrintedValue, goJsonText } from '../../field-errors.js';
import type { JsonSchema, ValidationRule } from '../json-schema.js';
import { additionalOf, itemsOf } from '../json-schema.js';
import type { RuleCheckPlace } from '../rule-engine.js';
import type { CompiledRule } from './compiled-rule.js';
import { compileRules } from './compiled-rule.js';

const ruleCostLimit = 10_000_000;
const definitionCostLimit = 100_000_000;
const mostExpensiveShown = 4;
const maximumRequestBytes = 3 * 1024 * 1024;
const noTypes =
  'internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations';

/** The expressions of a definition's schema. Source: apiextensions-apiserver pkg/apis/apiextensions/validation. */
export function checkRules(schema: JsonSchema, place: RuleCheckPlace, errors: FieldErrors): void {
  const check = new RuleCheck(place, errors);
  check.part(schema, {
    path: place.path,
    isResource: true,
    cardinality: 1,
    uncorrelated: undefined,
  });
  check.reportTotal();
}

interface Part {
  readonly path: FieldPath;
  readonly isResource: boolean;
  /** How often there may be such a value in an object; undefined where nothing limits that. */
  readonly cardinality: number | undefined;
  /** The outermost list whose items cannot be told from each other. */
  readonly uncorrelated: FieldPath | undefined;
}

class RuleCheck {
  readonly #place: RuleCheckPlace;
  readonly #errors: FieldErrors;
  readonly #expensive: { readonly path: FieldPath; readonly cost: number }[] = [];
  #total = 0;

  constructor(place: RuleCheckPlace, errors: FieldErrors) {
    this.#place = place;
    this.#errors = errors;
  }

  /** Parts inside first, as upstream lists them. */
  part(schema: JsonSchema, part: Part): void {
    const { path, uncorrelated } = part;
    const cardinality = times(part.cardinality, maximumOf(schema));
    const within = (inner: JsonSchema, at: FieldPath, uncorrelatedThere = uncorrelated): void => {
      const isResource = inner['x-kubernetes-embedded-resource'] === true;
      this.part(inner, { path: at, isResource, cardinality, uncorrelated: uncorrelatedThere });
    };
    const additional = additionalOf(schema);
    if (additional) within(additional, path.child('additionalProperties'));
    for (const [name, property] of Object.entries(schema.properties ?? {})) within(property, path.child('properties').key(name));
    const items = itemsOf(schema);
    const isKeyed = schema['x-kubernetes-list-type'] === 'map';
    if (items) within(items, path.child('items'), isKeyed ? uncorrelated : (uncorrelated ?? path));
    const rules = schema['x-kubernetes-validations'] ?? [];
    if (rules.length > 0 && !this.#place.unsound.has(schema)) this.#rules(rules, schema, part);
  }

  #rules(rules: readonly ValidationRule[], schema: JsonSchema, part: Part): void {
    const path = part.path.child('x-kubernetes-validations');
    const type = schemaTypeOf(schema as CelSchema, { name: 'selfType', isResource: part.isResource });
    if (!type) return this.#errors.add('InternalError', path, `Internal error: ${noTypes}`);
    const cardinality = part.cardinality ?? Math.floor(maximumRequestBytes / (type.minSize + 1));
    for (const [index, compiled] of compileRules(rules, schema, type).entries()) {
      this.#rule(compiled, path.index(index), { ...part, cardinality });
    }
  }

  #rule(compiled: CompiledRule, at: FieldPath, { cardinality, uncorrelated }: Part): void {
    const { rule, error, messageError } = compiled;
    const errors = this.#errors;
    const path = at.child('rule');
    this.#cost('estimated rule cost', times(compiled.cost, cardinality)!, path);
    if (error !== undefined) errors.invalid(path, printed(rule), error);
    const messagePath = at.child('messageExpression');
    if (messageError !== undefined) errors.invalid(messagePath, printed(rule), messageError);
    else if (compiled.message) this.#cost('estimated messageExpression cost', compiled.messageCost, messagePath);
    if (!compiled.usesOldSelf) {
      if (rule.optionalOldSelf === undefined) return;
      errors.invalid(at.child('optionalOldSelf'), rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule');
    } else if (uncorrelated) {
      const text = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelated}`;
      errors.invalid(path, rule.rule, text);
    }
  }

  #cost(what: string, cost: number, path: FieldPath): void {
    if (this.#place.limitsEach && cost > ruleCostLimit) this.#errors.forbidden(path, tooExpensive(what, cost, ruleCostLimit));
    this.#total = Math.min(this.#total + cost, unlimited);
    if (cost >= definitionCostLimit / 100) this.#expensive.push({ path, cost });
  }

  reportTotal(): void {
    if (this.#total <= definitionCostLimit) return;
    const expensive = this.#expensive.toSorted((left, right) => right.cost - left.cost).slice(0, mostExpensiveShown);
    for (const { path } of expensive) {
      const text = 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema';
      this.#errors.forbidden(path, text);
    }
    const what = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
    this.#errors.forbidden(this.#place.path, tooExpensive(what, this.#total, definitionCostLimit));
  }
}

/** How many values of one part a value of this schema may have. */
function maximumOf({ type, additionalProperties, maxProperties, maxItems }: JsonSchema): number | undefined {
  if (type === 'array') return maxItems === undefined ? undefined : Math.max(0, Number(maxItems));
  if (type !== 'object' || additionalProperties === undefined) return 1;
  return maxProperties === undefined ? undefined : Math.max(0, Number(maxProperties));
}

function times(left: number | undefined, right: number | undefined): number | undefined {
  return left === undefined || right === undefined ? undefined : Math.min(left * right, unlimited);
}

function tooExpensive(what: string, cost: number, limit: number): string {
  const excess = cost / limit;
  const factor = excess > 100 ? 'more than 100' : fixedFloat(excess, excess < 1.5 ? 6 : 1);
  const advice =
    'try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared';
  return `${what} exceeds budget by factor of ${factor}x (${advice})`;
}

/** As upstream's own form of a rule is printed. */
function printed({ rule, message, messageExpression, reason, fieldPath, optionalOldSelf }: ValidationRule): PrintedValue {
  return new PrintedValue(
    goJsonText({
      Rule: rule,
      Message: message ?? '',
      MessageExpression: messageExpression ?? '',
      Reason: reason ?? null,
      FieldPath: fieldPath ?? '',
      OptionalOldSelf: optionalOldSelf ?? null,
    }),
  );
}
