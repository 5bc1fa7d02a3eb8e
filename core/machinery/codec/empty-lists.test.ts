import { describe, expect, it } from '@jest/globals';
import { nullEmptyLists } from './empty-lists.js';
import { fixtureTypes } from './schema-fixture.js';

const types = fixtureTypes('', 'rbac.authorization.k8s.io', 'apiextensions.k8s.io');

describe('nullEmptyLists', () => {
  it('makes null of the empty lists and maps that JSON always shows, wherever they are', () => {
    const role = { rules: [] };
    nullEmptyLists(types.struct('io.k8s.api.rbac.v1.ClusterRole'), role);
    expect(role).toEqual({ rules: null });
    const pod = { spec: { containers: [], volumes: [{ name: 'a', projected: { sources: [] } }], tolerations: [] } };
    nullEmptyLists(types.struct('io.k8s.api.core.v1.Pod'), pod);
    expect(pod).toEqual({ spec: { containers: null, volumes: [{ name: 'a', projected: { sources: null } }], tolerations: [] } });
  });

  it('goes into types that hold themselves', () => {
    const schema = { properties: { a: { items: { schema: { type: 'x' } } } } };
    const definition = { spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema: schema } }], names: {} } };
    const struct = types.kind('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition')!;
    expect(() => nullEmptyLists(struct, definition)).not.toThrow();
  });
});
