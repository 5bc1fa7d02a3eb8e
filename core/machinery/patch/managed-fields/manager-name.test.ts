import { describe, expect, it } from '@jest/globals';
import { FieldErrors, fieldPath } from '../../field-errors.js';
import { managerName, validateFieldManager } from './manager-name.js';

function errorsOf(name: string | undefined, required = false): string[] {
  const errors = new FieldErrors();
  validateFieldManager(name, fieldPath('fieldManager'), errors, required);
  return errors.list.map(error => `${error.field}: ${error.body}`);
}

describe('manager names', () => {
  it('come from the request or the user agent', () => {
    expect(managerName('mine', 'kubectl/v1.36')).toBe('mine');
    expect(managerName('', 'kubectl/v1.36 (linux)')).toBe('kubectl');
    expect(managerName(undefined, 'a\u0000b\tc d/1')).toBe('abc d');
    expect(managerName(undefined, 'ä'.repeat(100))).toBe('ä'.repeat(64));
    expect(managerName(undefined, undefined)).toBe('');
  });

  it('are checked', () => {
    expect(errorsOf('kubectl', true)).toEqual([]);
    expect(errorsOf('')).toEqual([]);
    expect(errorsOf(undefined, true)).toEqual(['fieldManager: Required value: is required for apply patch']);
    expect(errorsOf('x'.repeat(128))).toEqual([]);
    expect(errorsOf('x'.repeat(129))).toEqual(['fieldManager: Too long: may not be more than 128 bytes']);
    expect(errorsOf('ä\n')).toEqual(['fieldManager: Invalid value: "ä\\n": invalid character U+000A (at position 2)']);
  });
});
