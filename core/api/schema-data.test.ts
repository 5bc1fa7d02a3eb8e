import { describe, expect, it } from '@jest/globals';
import { groupData, groupNames, loadTypes, resourceData } from './schema-data.js';

describe('schema data', () => {
  it('loads a group and what its types refer to', () => {
    const types = loadTypes('apps');
    const deployment = types.kind('apps', 'v1', 'Deployment')!;
    expect(types.has('io.k8s.api.core.v1.PodSpec')).toBe(false);
    const spec = deployment.jsonFields.get('spec')!.type;
    if (spec.kind !== 'struct') throw new Error('spec is no struct');
    const template = spec.struct.jsonFields.get('template')!.type;
    if (template.kind !== 'struct') throw new Error('template is no struct');
    expect([...template.struct.jsonFields.keys()]).toEqual(['metadata', 'spec']);
    expect(types.kind('', 'v1', 'Status')?.name).toBe('io.k8s.apimachinery.pkg.apis.meta.v1.Status');
    expect(() => types.struct('io.k8s.api.apps.v1.Nope')).toThrow('is not in the loaded schema data');
  });

  it('resolves every type of every group', () => {
    for (const group of groupNames()) {
      const types = loadTypes(group);
      for (const name of Object.keys(groupData(group)!.types))
        for (const member of types.struct(name).members) expect(member.type).toBeDefined();
    }
  });

  it('is frozen and knows resources', () => {
    expect(Object.isFrozen(groupData('')!.types['io.k8s.api.core.v1.Pod']!.fields)).toBe(true);
    expect(resourceData('', 'v1', 'pods')?.shortNames).toEqual(['po']);
    expect(groupData('nope')).toBeUndefined();
  });
});
