import { isJsonObject } from '../../object.js';
import type { MergeType } from './merge-type.js';
import { formatElement } from './path-element.js';

/**
 * Paths of the atomic lists and objects that an applied configuration has, where its type declares what leads to them: merging
 * would replace them whole. The configuration fits the type. Source: validatePatch of upstream's mutating policies.
 */
export function atomicFields(value: unknown, type: MergeType): readonly string[] {
  const found: string[] = [];
  collect(value, type, '', found);
  return found;
}

function collect(value: unknown, type: MergeType, path: string, found: string[]): void {
  if (isJsonObject(value) && type.map) {
    if (type.map.atomic) found.push(path);
    for (const [name, member] of Object.entries(value)) {
      const field = type.map.field(name);
      if (field) collect(member, field.type, path + formatElement(`f:${name}`), found);
    }
  } else if (Array.isArray(value) && type.list) {
    if (type.list.atomic) found.push(path);
    for (const [index, item] of value.entries()) {
      collect(item, type.list.element, path + formatElement(`i:${index}`), found);
    }
  }
}
