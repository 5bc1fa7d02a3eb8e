import type { ResourceSlice } from '../../../api/generated/types.js';
import { ResourceSlices } from '../../../api/generated/resources.js';
import { quote } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { formatTime } from '../../../machinery/time.js';
import { age } from '../../handlers/table.js';
import { defineResource } from '../../registry/resource-definition.js';
import { validateSlice } from './slice-validation.js';

/** Fields of features that are off in 1.36: attributes that are lists, and devices that stand for resources of nodes. */
const disabledValues = ['bools', 'ints', 'strings', 'versions'] as const;

/** Slices whose spec a client changed: fields that are dropped count, too. */
const changed = new WeakSet<object>();

const apiVersion = 'resource.k8s.io/v1';

/** Source: kubernetes pkg/registry/resource/resourceslice. */
export const resourceSlice = defineResource<ResourceSlice>({
  reference: ResourceSlices,
  returnsDeleted: true,
  defaults({ spec }) {
    for (const { taints = [] } of spec.devices ?? []) for (const taint of taints) taint.timeAdded ??= formatTime(Date.now());
  },
  generation: object => changed.has(object),
  unknownFieldText: label => `field label not supported for ${apiVersion}, Kind=ResourceSlice: ${label}`,
  prepareForCreate(object) {
    object.metadata.generation = 1;
    dropDisabledFields(object);
  },
  prepareForUpdate(object, old) {
    if (!semanticEqual(object.spec, old.spec)) changed.add(object);
    dropDisabledFields(object);
  },
  validate: (object, errors) => validateSlice(object, undefined, errors),
  checks: { update: ['change', 'validateUpdate'] },
  validateUpdate: (object, old, errors) => validateSlice(object, old, errors),
  warnings({ spec: { driver = '' } }) {
    if (driver === driver.toLowerCase()) return [];
    return [`spec.driver: driver names should be lowercase; ${quote(driver)} contains uppercase characters`];
  },
  row: (object, context) => {
    const { nodeName = '', driver, pool } = object.spec;
    return [object.metadata.name, nodeName, driver, pool.name, age(object, context)];
  },
  selectableFields: {
    'spec.driver': ({ spec }) => spec.driver,
    'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
  },
});

function dropDisabledFields({ spec }: ResourceSlice): void {
  for (const device of spec.devices ?? []) {
    delete device.nodeAllocatableResourceMappings;
    for (const attribute of Object.values(device.attributes ?? {})) for (const field of disabledValues) delete attribute[field];
  }
}
