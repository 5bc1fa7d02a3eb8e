import type { Step } from '../replay.js';

export const at = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
export const group = 'cases.example.com';
export const merge = 'application/merge-patch+json';
export const jsonPatch = 'application/json-patch+json';
export const apply = 'application/apply-patch+yaml';

export type Version = Record<string, unknown>;

export const text = { type: 'string' };
export const object = (properties: object, more: object = {}): object => ({ type: 'object', properties, ...more });
export const version = (schema: object, more: Version = {}): Version => ({
  name: 'v1',
  served: true,
  storage: true,
  schema: { openAPIV3Schema: schema },
  ...more,
});

export function definition(plural: string, versions: readonly Version[], more: object = {}): object {
  const kind = `${plural[0]!.toUpperCase()}${plural.slice(1, -1)}`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: { group, scope: 'Namespaced', names: { plural, kind }, versions, ...more },
  };
}

export const established = (plural: string): Step => ({
  do: 'wait',
  path: `${at}/${plural}.${group}`,
  shows: '"type":"Established","status":"True"',
});
export const gone = (plural: string): Step => ({ do: 'wait', path: `${at}/${plural}.${group}`, shows: '"code":404' });
export const of = (plural: string, name = 'v1'): string => `/apis/${group}/${name}/namespaces/default/${plural}`;
export const named = (plural: string, name: string, rest: object = {}): object => ({
  apiVersion: `${group}/v1`,
  kind: `${plural[0]!.toUpperCase()}${plural.slice(1, -1)}`,
  metadata: { name },
  ...rest,
});
export const spec = (fields: object): object => ({ spec: fields });
