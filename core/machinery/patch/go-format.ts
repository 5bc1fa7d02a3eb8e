import { quote } from '../field-errors.js';
import { formatGoFloat } from '../go-numbers.js';

/** Values as Go's fmt prints them; messages of strategic merge patches carry such texts. */

/** Go's `%v`. */
export function formatGoValue(value: unknown): string {
  if (value === null || value === undefined) return '<nil>';
  if (Array.isArray(value)) return `[${value.map(formatGoValue).join(' ')}]`;
  if (typeof value === 'object') {
    const keys = Object.keys(value).sort();
    return `map[${keys.map(key => `${key}:${formatGoValue((value as Record<string, unknown>)[key])}`).join(' ')}]`;
  }
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : formatGoFloat(value);
  return String(value);
}

/** Go's `%#v`. */
export function formatGoSyntax(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  if (Array.isArray(value)) return `${goTypeName(value)}{${value.map(formatGoSyntax).join(', ')}}`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.keys(value).sort();
    const texts = members.map(key => `${quote(key)}:${formatGoSyntax((value as Record<string, unknown>)[key])}`);
    return `${goTypeName(value)}{${texts.join(', ')}}`;
  }
  return value === null || value === undefined ? 'interface {}(nil)' : formatGoValue(value);
}

/** The name of the Go type that a JSON value decodes to. */
export function goTypeName(value: unknown): string {
  if (value === null || value === undefined) return '%!s(<nil>)';
  if (Array.isArray(value)) return '[]interface {}';
  switch (typeof value) {
    case 'object':
      return 'map[string]interface {}';
    case 'bigint':
      return 'int64';
    case 'number':
      return Number.isInteger(value) ? 'int64' : 'float64';
    case 'boolean':
      return 'bool';
    default:
      return 'string';
  }
}
