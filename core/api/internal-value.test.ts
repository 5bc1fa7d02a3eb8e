import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { PrintedType } from './internal-value.js';
import { internalLines, internalValue } from './internal-value.js';

interface Vector {
  readonly type: PrintedType;
  readonly json: object;
  readonly printed: string;
}

const vectors = JSON.parse(readFileSync('core/api/generated/testdata/internal-values.json', 'utf8')) as Vector[];

describe('a value as messages print it', () => {
  it.each(vectors.map(({ type, json, printed }, index) => ({ name: `${type}, ${index % 3}`, type, json, printed })))(
    'is what upstream makes of the same: $name',
    ({ type, json, printed }) => {
      expect(internalValue(type, json).text).toBe(printed);
    },
  );

  it('has vectors of every size', () => {
    expect(vectors.length).toBeGreaterThan(100);
  });

  it('is null behind a pointer and for a list that is not there, but never for a structure', () => {
    expect(internalValue('*core.NodeAddress', undefined).text).toBe('null');
    expect(internalValue('[]core.NodeAddress', undefined).text).toBe('null');
    expect(internalValue('[]core.NodeAddress', []).text).toBe('[]');
    expect(internalValue('core.NodeAddress', undefined).text).toBe('{"Type":"","Address":""}');
  });

  it('shows what stands beside a security context in it', () => {
    const { text } = internalValue('core.PodSpec', { hostNetwork: true, shareProcessNamespace: false, securityContext: {} });
    expect(text).toContain(
      '"SecurityContext":{"HostNetwork":true,"HostPID":false,"HostIPC":false,"ShareProcessNamespace":false,',
    );
  });

  it('leaves out what has names of JSON and is empty, but not a pointer to false', () => {
    const owner = { apiVersion: 'v1', kind: 'Pod', name: 'a', uid: 'b', controller: false };
    expect(internalValue('v1.OwnerReference', owner).text).toBe(JSON.stringify(owner));
    expect(internalValue('v1.LabelSelector', { matchLabels: {} }).text).toBe('{}');
  });

  it('prints maps in the order of their keys', () => {
    const { text } = internalValue('*v1.LabelSelector', { matchLabels: { '10': 'b', '9': 'c', '1': 'a' } });
    expect(text).toBe('{"matchLabels":{"1":"a","10":"b","9":"c"}}');
  });

  it('stands a field a line for comparisons', () => {
    expect(internalLines('core.NodeSelectorTerm', { matchExpressions: [{ key: 'a', operator: 'In', values: [] }] })).toEqual([
      '{',
      ' "MatchExpressions": [',
      '  {',
      '   "Key": "a",',
      '   "Operator": "In",',
      '   "Values": []',
      '  }',
      ' ],',
      ' "MatchFields": null',
      '}',
    ]);
  });

  it('is refused for a type that is in no table', () => {
    expect(() => internalValue('core.NoSuchType' as PrintedType, {})).toThrow('core.NoSuchType is not in internal-types.json');
  });
});
