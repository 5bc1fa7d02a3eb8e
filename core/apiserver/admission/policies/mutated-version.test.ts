import { describe, expect, it } from '@jest/globals';
import { CodedError } from '../../../base/errors.js';
import type { KubeObject } from '../../../machinery/object.js';
import type { MergeType } from '../../../machinery/patch/managed-fields/merge-type.js';
import { structuralMergeType } from '../../../machinery/patch/managed-fields/structural-merge-type.js';
import type { MergingShapes } from '../webhooks/admission-shapes.js';
import { MutatedVersion } from './mutated-version.js';

const kind = { group: 'example.com', version: 'v1', kind: 'Thing' };
const resource = { group: 'example.com', version: 'v1', resource: 'things' };
const text = { type: 'string' };
const thing = structuralMergeType(
  {
    type: 'object',
    properties: { spec: { type: 'object', properties: { a: text, b: text, plain: { type: 'array', items: text } } } },
  },
  { map: { atomic: false, field: () => undefined, element: { scalar: 'untyped' }, alwaysPresent: [] } },
);

interface Setting {
  readonly mergeType?: MergeType | undefined;
  readonly asked?: typeof resource;
  readonly isBuiltIn?: boolean;
  readonly fromMerged?: (merged: object) => KubeObject;
  readonly fromJson?: (json: unknown) => KubeObject;
  readonly fromAnyJson?: (json: unknown) => KubeObject;
}

function version({ asked = resource, isBuiltIn = true, ...setting }: Setting = {}): MutatedVersion {
  const shapes = {
    toJson: (_resource: unknown, _subresource: unknown, object: object) => object,
    mergeType: () => ('mergeType' in setting ? setting.mergeType : thing),
    fromMerged: (_resource: unknown, _subresource: unknown, merged: object) => setting.fromMerged?.(merged) ?? merged,
    fromJson: (_resource: unknown, _subresource: unknown, json: unknown) => setting.fromJson?.(json) ?? json,
    fromAnyJson: (json: unknown) => setting.fromAnyJson?.(json),
    isBuiltIn: () => isBuiltIn,
  } as unknown as MergingShapes;
  const object = { apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'x' }, spec: { a: '1' } } as KubeObject;
  return new MutatedVersion(shapes, { invocation: { resource, kind }, asked, subresource: '', object });
}

describe('an object that policies change', () => {
  it('has configurations merged in, whatever they call themselves, and patches applied', () => {
    const changed = version();
    const before = changed.object;
    expect(changed.isDirty).toBe(false);
    changed.apply({ kind: 'Other', spec: { b: '2' } });
    changed.patch([{ op: 'remove', path: '/spec/a' }]);
    expect(changed.object).toEqual({ apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'x' }, spec: { b: '2' } });
    expect(before).toMatchObject({ spec: { a: '1' } });
    expect(changed.isDirty).toBe(true);
  });

  it('stays as it is where a patch tests for something else, and counts as changed all the same', () => {
    const tested = version();
    tested.patch([
      { op: 'replace', path: '/spec/a', value: '2' },
      { op: 'test', path: '/spec/a', value: '1' },
    ]);
    expect(tested.object).toMatchObject({ spec: { a: '1' } });
    expect(tested.isDirty).toBe(true);
  });

  const prefix = 'error applying patch: ';
  it.each<[string, (of: MutatedVersion) => void, string, Setting]>([
    [
      'a configuration that does not fit',
      of => of.apply({ spec: { a: 1 } }),
      `${prefix}failed to convert patch object to typed object: .spec.a: expected string, got &value.valueUnstructured{Value:1}`,
      {},
    ],
    [
      'atomic parts',
      of => of.apply({ spec: { plain: ['x'] } }),
      `${prefix}invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.plain`,
      {},
    ],
    [
      'a kind that nothing can be merged into',
      of => of.apply({}),
      `${prefix}failed to convert patch object to typed object: no corresponding type for example.com/v1, Kind=Thing`,
      { mergeType: undefined },
    ],
    [
      'a patch that does not apply',
      of => of.patch([{ op: 'remove', path: '/spec/none' }]),
      "JSON Patch: error in remove for path: '/spec/none': Unable to remove nonexistent key: none: missing value",
      {},
    ],
    [
      'a result that only its type refuses',
      of => of.apply({}),
      'not of the kind',
      {
        fromMerged: () => {
          throw new CodedError('UNFIT_MERGE', 'not of the kind');
        },
      },
    ],
    [
      'another version of a kind in the tables',
      of => of.patch([]),
      'converting (v1.Thing) to (v2.Thing): unknown conversion',
      { asked: { ...resource, version: 'v2' } },
    ],
    [
      'the same kind of another group',
      of => of.apply({}),
      'v1.Thing is not suitable for converting to "v2" in scheme "pkg/runtime/scheme.go:111"',
      { asked: { ...resource, group: '', version: 'v2' } },
    ],
  ])('is left alone, and the policy at fault, for %s', (_, change, message, setting) => {
    const changed = version(setting);
    expect(() => change(changed)).toThrow(expect.objectContaining({ code: 'POLICY_FAULT', message }));
    expect(changed.isDirty).toBe(false);
  });

  it('may be a custom resource of another version', () => {
    const changed = version({ asked: { ...resource, version: 'v2' }, isBuiltIn: false });
    changed.apply({ spec: { b: '2' } });
    expect(changed.isDirty).toBe(true);
  });

  it('fails the request where a patch makes it something that nobody can read', () => {
    const fail = (message: string) => (): never => {
      throw new CodedError('X', message);
    };
    const unknown = version({ fromJson: fail('Thing in version "v1" cannot be handled as a Thing: strict decoding error: x') });
    expect(() => unknown.patch([])).toThrow('Internal error occurred: strict decoding error: x');
    const other = version({
      fromJson: fail('converting (v1.A) to (core.B): unknown conversion'),
      fromAnyJson: fail('illegal base64 data'),
    });
    expect(() => other.patch([])).toThrow('Internal error occurred: illegal base64 data');
  });

  it('may be of another kind in between, but not in the end', () => {
    let isOther = true;
    const fromJson = (json: unknown): KubeObject => {
      if (isOther) throw new CodedError('X', 'converting (v1.A) to (core.B): unknown conversion');
      return json as KubeObject;
    };
    const changed = version({ fromJson, fromAnyJson: json => json as KubeObject });
    changed.patch([{ op: 'replace', path: '/kind', value: 'A' }]);
    expect(changed.object.kind).toBe('A');
    expect(() => changed.checkKind()).toThrow('failed to convert object: converting (v1.A) to (core.B): unknown conversion');
    isOther = false;
    changed.patch([{ op: 'replace', path: '/kind', value: 'Thing' }]);
    expect(() => changed.checkKind()).not.toThrow();
  });

  it("passes on what is nobody's fault", () => {
    const broken = version({
      fromMerged: () => {
        throw new TypeError('a bug');
      },
    });
    expect(() => broken.apply({})).toThrow(TypeError);
  });
});
