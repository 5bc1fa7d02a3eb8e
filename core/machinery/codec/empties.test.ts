import { describe, expect, it } from '@jest/globals';
import { dropEmpties } from './empties.js';
import { fixtureTypes } from './schema-fixture.js';

const types = fixtureTypes('', 'rbac.authorization.k8s.io', 'apiextensions.k8s.io');

describe('dropEmpties', () => {
  it('takes away empty lists and maps wherever they are, and makes null of those that JSON always shows', () => {
    const role = { rules: [] };
    dropEmpties(types.struct('io.k8s.api.rbac.v1.ClusterRole'), role);
    expect(role).toEqual({ rules: null });
    const pod = {
      spec: {
        containers: [],
        volumes: [{ name: 'a', projected: { sources: [] } }],
        tolerations: [],
        overhead: {},
        securityContext: {},
      },
    };
    dropEmpties(types.struct('io.k8s.api.core.v1.Pod'), pod);
    expect(pod).toEqual({
      spec: { containers: null, volumes: [{ name: 'a', projected: { sources: null } }], securityContext: {} },
    });
  });

  it('goes into types that hold themselves', () => {
    const schema = { properties: { a: { items: { schema: { type: 'x' } } } } };
    const definition = { spec: { versions: [{ name: 'v1', schema: { openAPIV3Schema: schema } }], names: {} } };
    const struct = types.kind('apiextensions.k8s.io', 'v1', 'CustomResourceDefinition')!;
    expect(() => dropEmpties(struct, definition)).not.toThrow();
  });
});
