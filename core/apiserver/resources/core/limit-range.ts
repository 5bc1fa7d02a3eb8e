import { randomUUID } from 'node:crypto';
import type { LimitRange, LimitRangeItem } from '../../../api/generated/types.js';
import { LimitRanges } from '../../../api/generated/resources.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { validateQualifiedName } from '../../../machinery/names.js';
import { Quantity, parseQuantity } from '../../../machinery/quantity.js';
import { defineResource } from '../../registry/resource-definition.js';
import { addInvalid } from './checks.js';
import { isOvercommitAllowed, roundResourceList, validateContainerResourceName, validateResourceName } from './resource-names.js';

const types = ['Pod', 'Container', 'PersistentVolumeClaim'];
const lists = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;
const one = Quantity.of(1);
/** Beyond this, thousandths do not fit an int64. */
const maximumMilli = (1n << 63n) / 1000n;

export const limitRange = defineResource<LimitRange>({
  reference: LimitRanges,
  generation: false,
  allowCreateOnUpdate: true,
  defaults(object) {
    for (const item of object.spec.limits ?? []) defaultItem(item);
  },
  prepareForCreate(object) {
    object.metadata.name ||= randomUUID();
  },
  checks: { update: ['object', 'validate'] },
  validate: ({ spec }, errors) => {
    const path = fieldPath('spec', 'limits');
    for (const [index, item] of (spec.limits ?? []).entries()) {
      validateItem(item, path.index(index), errors);
      if (spec.limits.findIndex(other => other.type === item.type) < index)
        errors.duplicate(path.index(index).child('type'), item.type);
    }
  },
  row: object => [object.metadata.name, object.metadata.creationTimestamp ?? ''],
});

/** Source: SetDefaults_LimitRangeItem. */
function defaultItem(item: LimitRangeItem): void {
  if (item.type === 'Container') {
    const limits = sorted({ ...item.max, ...item.default });
    const requests = sorted({ ...item.min, ...limits, ...item.defaultRequest });
    if (Object.keys(limits).length) item.default = limits;
    if (Object.keys(requests).length) item.defaultRequest = requests;
  }
  for (const list of lists) roundResourceList(item[list]);
}

const sorted = (list: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(list).sort(([a], [b]) => (a < b ? -1 : 1)));

/** Source: ValidateLimitRange. */
function validateItem(item: LimitRangeItem, path: FieldPath, errors: FieldErrors): void {
  const { type } = item;
  const texts = validateQualifiedName(type);
  addInvalid(errors, path.child('type'), type, texts);
  if (!texts.length && !type.includes('/') && !types.includes(type)) {
    errors.invalid(path.child('type'), type, 'must be a standard limit type or fully qualified');
  }
  const amounts: Partial<Record<(typeof lists)[number], ReadonlyMap<string, Quantity>>> = {};
  const names = new Set<string>();
  for (const list of lists) {
    if (type === 'Pod' && (list === 'default' || list === 'defaultRequest')) {
      if (Object.keys(item[list] ?? {}).length) errors.forbidden(path.child(list), "may not be specified when `type` is 'Pod'");
      continue;
    }
    const parsed = new Map<string, Quantity>();
    for (const [name, amount] of Object.entries(item[list] ?? {})) {
      const at = path.child(list).key(name);
      if (type === 'Pod' || type === 'Container') validateContainerResourceName(errors, at, name);
      else validateResourceName(errors, at, name);
      parsed.set(name, parseQuantity(amount));
      names.add(name);
    }
    amounts[list] = parsed;
  }
  if (type === 'PersistentVolumeClaim' && item.min?.storage === undefined && item.max?.storage === undefined) {
    errors.required(path.child('limits'), 'either minimum or maximum storage value is required, but neither was provided');
  }
  for (const name of names) {
    const of = (list: (typeof lists)[number]): Quantity | undefined => amounts[list]?.get(name);
    validateOrder(name, of, path, errors);
    validateRatio(name, of, path, errors);
  }
}

type AmountOf = (list: (typeof lists)[number]) => Quantity | undefined;

function validateOrder(name: string, of: AmountOf, path: FieldPath, errors: FieldErrors): void {
  const at = (list: string): FieldPath => path.child(list).key(name);
  const isMore = (a: Quantity | undefined, b: Quantity | undefined): boolean =>
    a !== undefined && b !== undefined && a.compare(b) > 0;
  const [min, max, limit, request] = [of('min'), of('max'), of('default'), of('defaultRequest')];
  const text = (a: Quantity | undefined, b: Quantity | undefined, words: readonly [string, string]): string =>
    `${words[0]} value ${a} is greater than ${words[1]} value ${b}`;
  if (isMore(min, max)) errors.invalid(at('min'), String(min), text(min, max, ['min', 'max']));
  if (isMore(min, request)) errors.invalid(at('defaultRequest'), String(request), text(min, request, ['min', 'default request']));
  if (isMore(request, max)) errors.invalid(at('defaultRequest'), String(request), text(request, max, ['default request', 'max']));
  if (isMore(request, limit)) {
    errors.invalid(at('defaultRequest'), String(request), text(request, limit, ['default request', 'default limit']));
  }
  if (isMore(min, limit)) errors.invalid(at('default'), String(min), text(min, limit, ['min', 'default']));
  if (isMore(limit, max)) errors.invalid(at('default'), String(max), text(limit, max, ['default', 'max']));
  if (!isOvercommitAllowed(name) && limit && request && !limit.equals(request)) {
    const words = `default value ${limit} must equal to defaultRequest value ${request} in ${name}`;
    errors.invalid(at('defaultRequest'), String(request), words);
  }
}

function validateRatio(name: string, of: AmountOf, path: FieldPath, errors: FieldErrors): void {
  const ratio = of('maxLimitRequestRatio');
  if (!ratio) return;
  const at = path.child('maxLimitRequestRatio').key(name);
  if (ratio.compare(one) < 0) errors.invalid(at, String(ratio), `ratio ${ratio} is less than 1`);
  const [min, max] = [of('min'), of('max')];
  if (!min || !max) return;
  const fine = [ratio, min, max].every(amount => amount.scaledValue(0) < maximumMilli);
  const value = fine ? ratio.milliValue() / 1000 : ratio.value();
  const limit = fine ? max.milliValue() / min.milliValue() : max.value() / min.value();
  if (value > limit) errors.invalid(at, String(ratio), `ratio ${ratio} is greater than max/min = ${limit.toFixed(6)}`);
}
