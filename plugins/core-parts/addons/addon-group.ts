import type { ApiGroup, GroupData, KubeObject, ResourceReference, TypeSchema } from '../../../core/plugin-api/index.js';

/** What was read from one file. Source: k3s-io/api k3s.cattle.io/v1. */
export interface Addon extends KubeObject {
  spec: { source?: string; checksum?: string };
}

export const Addons: ResourceReference<Addon> = {
  group: 'k3s.cattle.io',
  version: 'v1',
  resource: 'addons',
  kind: 'Addon',
  namespaced: true,
};

const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1';
const typeMeta = { name: 'typeMeta', type: `${meta}.TypeMeta`, inline: true };

const types: Record<string, TypeSchema> = {
  'io.cattle.k3s.v1.Addon': {
    fields: [
      typeMeta,
      { name: 'metadata', type: `${meta}.ObjectMeta`, number: 1, omitEmpty: true },
      { name: 'spec', type: 'io.cattle.k3s.v1.AddonSpec', number: 2, omitEmpty: true },
    ],
  },
  'io.cattle.k3s.v1.AddonList': {
    fields: [
      typeMeta,
      { name: 'metadata', type: `${meta}.ListMeta`, number: 1, omitEmpty: true },
      { name: 'items', type: '[]io.cattle.k3s.v1.Addon', number: 2, required: true },
    ],
  },
  'io.cattle.k3s.v1.AddonSpec': {
    fields: [
      { name: 'source', type: 'string', number: 1, omitEmpty: true },
      { name: 'checksum', type: 'string', number: 2, omitEmpty: true },
    ],
  },
};

const data: GroupData = {
  group: Addons.group,
  versions: ['v1'],
  kinds: [
    { version: 'v1', kind: 'Addon', type: 'io.cattle.k3s.v1.Addon', listKind: 'AddonList' },
    { version: 'v1', kind: 'AddonList', type: 'io.cattle.k3s.v1.AddonList' },
  ],
  resources: [
    {
      version: 'v1',
      name: 'addons',
      singularName: 'addon',
      namespaced: true,
      kind: 'Addon',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      columns: ['Name', 'Source', 'Checksum'].map(name => ({
        name,
        type: 'string',
        format: name === 'Name' ? 'name' : '',
        priority: 0,
      })),
    },
  ],
  types,
};

/** The group k3s.cattle.io with the kind Addon. */
export const addonGroup: ApiGroup = {
  data,
  resources: {
    addons: {
      type: 'stored',
      row: object => {
        const { metadata, spec = {} } = object as Addon;
        return [metadata.name, spec.source ?? '', spec.checksum ?? ''];
      },
    },
  },
};
