import { describe, expect, it } from '@jest/globals';
import { decodeObject } from '../machinery/codec/json-decode.js';
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

  it('tells what Go calls the types of fields, where messages need it', () => {
    const types = loadTypes('', 'authentication.k8s.io');
    const messageOf = (kind: string, body: object, plainNames = false): string => {
      const reference =
        kind === 'TokenReview' ? { group: 'authentication.k8s.io', version: 'v1', kind } : { group: '', version: 'v1', kind };
      const struct = types.kind(reference.group, 'v1', kind)!;
      try {
        decodeObject(struct, JSON.stringify(body), { kind: reference, plainNames });
        return '';
      } catch (error) {
        return (error as Error).message.replace(/^.* of type /, '');
      }
    };
    expect(messageOf('Pod', { spec: { restartPolicy: 1 } })).toBe('v1.RestartPolicy');
    expect(messageOf('Pod', { metadata: { ownerReferences: [{ uid: 1 }] } })).toBe('types.UID');
    expect(messageOf('PersistentVolumeClaim', { spec: { accessModes: 'x' } })).toBe('[]v1.PersistentVolumeAccessMode');
    expect(messageOf('PersistentVolumeClaim', { spec: { accessModes: [1] } })).toBe('v1.PersistentVolumeAccessMode');
    expect(messageOf('PersistentVolumeClaim', { spec: { resources: { limits: 'x' } } })).toBe('v1.ResourceList');
    expect(messageOf('TokenReview', { status: { user: { extra: { a: 'x' } } } })).toBe('v1.ExtraValue');
    expect(messageOf('TokenReview', { status: { user: { extra: { a: [1] } } } })).toBe('string');
    expect(messageOf('Pod', { spec: { restartPolicy: 1 } }, true)).toBe('string');
    expect(messageOf('Pod', { spec: { hostname: 1 } })).toBe('string');
  });

  it('is frozen and knows resources', () => {
    expect(Object.isFrozen(groupData('')!.types['io.k8s.api.core.v1.Pod']!.fields)).toBe(true);
    expect(resourceData('', 'v1', 'pods')?.shortNames).toEqual(['po']);
    expect(groupData('nope')).toBeUndefined();
  });
});
