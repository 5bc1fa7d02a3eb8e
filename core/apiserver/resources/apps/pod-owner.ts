import type { LabelSelector, PodTemplateSpec } from '../../../api/generated/types.js';
import type { PrintedType } from '../../../api/internal-value.js';
import { internalValue } from '../../../api/internal-value.js';
import { errorCode } from '../../../base/errors.js';
import type { BadValue, FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import type { LabelSelector as Selector } from '../../../machinery/label-selector.js';
import { labelSelectorFromObject, validateLabelSelector } from '../../../machinery/label-selector.js';
import { validateDns1123Label } from '../../../machinery/names.js';
import { semanticEqual } from '../../../machinery/object.js';
import type { KubeObject, ObjectMeta } from '../../../machinery/object.js';

/** What kinds that own pods by a template and a selector share. */

export const negativeText = 'must be greater than or equal to 0';

/** The wide cells: names and images of the containers. */
export function containerCells(template: Readonly<PodTemplateSpec> | undefined): [string, string] {
  const containers = template?.spec.containers ?? [];
  return [containers.map(container => container.name).join(','), containers.map(container => container.image ?? '').join(',')];
}

/** Source: meta/v1 FormatLabelSelector. */
export function selectorCell(selector: Readonly<LabelSelector> | undefined): string {
  try {
    return labelSelectorFromObject(selector).toString() || '<none>';
  } catch (error) {
    if (errorCode(error) !== 'INVALID_SELECTOR') throw error;
    return '<error>';
  }
}

export interface SelectorCheck {
  readonly path: FieldPath;
  readonly errors: FieldErrors;
  /** `empty selector is invalid for deployment`: the word at the end. */
  readonly kind: string;
  /** What is said of a selector that cannot be used. */
  readonly invalidText: string;
}

/** A selector that must be there and select something; undefined when it cannot be used. */
export function requiredSelector(selector: LabelSelector | undefined, check: SelectorCheck): Selector | undefined {
  const { path, errors, kind } = check;
  if (!selector) errors.required(path);
  else {
    validateLabelSelector(selector, path, errors);
    if (isEmpty(selector))
      errors.invalid(path, internalValue('*v1.LabelSelector', selector), `empty selector is invalid for ${kind}`);
  }
  try {
    return labelSelectorFromObject(selector);
  } catch (error) {
    if (errorCode(error) !== 'INVALID_SELECTOR') throw error;
    errors.invalid(path, internalValue('*v1.LabelSelector', selector), check.invalidText);
    return undefined;
  }
}

export function isEmpty(selector: LabelSelector): boolean {
  return !Object.keys(selector.matchLabels ?? {}).length && !selector.matchExpressions?.length;
}

/** A field that an update must leave as it is. */
export function unchanged(value: BadValue, old: BadValue, path: FieldPath, errors: FieldErrors): void {
  if (!semanticEqual(value, old)) errors.invalid(path, value, 'field is immutable');
}

/** The same of an object, which is printed as what it is inside upstream. */
export function unchangedObject<T extends object>(
  value: T | undefined,
  old: Readonly<T> | undefined,
  type: PrintedType,
  { path, errors }: { readonly path: FieldPath; readonly errors: FieldErrors },
): void {
  if (!semanticEqual(value, old)) errors.invalid(path, internalValue(type, value), 'field is immutable');
}

/** Numbers that must not be negative; absent ones are fine. */
export function nonNegative<T extends object>(
  object: T,
  fields: readonly (keyof T & string)[],
  at: FieldPath,
  errors: FieldErrors,
): void {
  for (const field of fields) {
    const value = object[field];
    if ((typeof value === 'number' || typeof value === 'bigint') && value < 0)
      errors.invalid(at.child(field), value, negativeText);
  }
}

/** Numbers of which each may be at most the total. */
export function atMost<T extends object>(
  object: T,
  fields: readonly (keyof T & string)[],
  total: { readonly value: number; readonly text: string },
  { at, errors }: { readonly at: FieldPath; readonly errors: FieldErrors },
): void {
  for (const field of fields) {
    const value = (object[field] as number | undefined) ?? 0;
    if (value > total.value) errors.invalid(at.child(field), value, total.text);
  }
}

interface Counting {
  readonly collisionCount?: number;
}

export function collisionsGrow(status: Counting, old: Readonly<Counting> | undefined, at: FieldPath, errors: FieldErrors): void {
  if (old?.collisionCount === undefined || (status.collisionCount ?? -1) >= old.collisionCount) return;
  errors.invalid(at.child('collisionCount'), status.collisionCount ?? 0, 'cannot be decremented');
}

/** Names that make odd pod names and host names. */
export function podNameWarnings(metadata: ObjectMeta): string[] {
  const texts = validateDns1123Label(metadata.name ?? '');
  if (!texts.length) return [];
  const text = 'this is used in Pod names and hostnames, which can result in surprising behavior; a DNS label is recommended';
  return [`metadata.name: ${text}: [${texts.join(' ')}]`];
}

/** Whether an update raised the generation; warnings about what was there before are not said again. */
export function isNewGeneration(object: Readonly<KubeObject>, old: Readonly<KubeObject> | undefined): boolean {
  return !old || object.metadata.generation !== old.metadata.generation;
}
