import { internalValue } from '../../api/internal-value.js';
import { CodedError } from '../../base/errors.js';
import type { ApiGroup, VirtualApiResource } from '../../contracts/api-group.js';
import type { BadValue } from '../../machinery/field-errors.js';
import { fieldPath } from '../../machinery/field-errors.js';
import { isJsonObject } from '../../machinery/object.js';
import type { ResourceDefinition } from '../registry/resource-definition.js';

export interface MountedResource {
  readonly definition: ResourceDefinition;
  /** Undefined: the objects are stored. */
  readonly virtual: VirtualApiResource | undefined;
}

/** Throws `API_GROUP_DUPLICATE` when two parts bring one group, or one brings a built-in one. */
export function groupsByName(groups: readonly ApiGroup[], builtIn: readonly ResourceDefinition[]): ReadonlyMap<string, ApiGroup> {
  const taken = new Set(builtIn.map(({ reference }) => reference.group));
  const byName = new Map<string, ApiGroup>();
  for (const group of groups) {
    const { group: name } = group.data;
    if (byName.has(name) || taken.has(name)) throw new CodedError('API_GROUP_DUPLICATE', `the API group ${name} is served twice`);
    byName.set(name, group);
  }
  return byName;
}

/** The definitions of the resources that a part serves. */
export function mountGroup({ data, resources }: ApiGroup): MountedResource[] {
  return data.resources.flatMap((entry): MountedResource[] => {
    const { name: resource, version, kind, namespaced } = entry;
    const behaviour = Object.hasOwn(resources, resource) ? resources[resource]! : undefined;
    if (!behaviour) return [];
    const reference = { group: data.group, version, resource, kind, namespaced };
    const row = behaviour.row?.bind(behaviour);
    if (behaviour.type === 'virtual') {
      return [{ definition: { reference, ...(row ? { row } : {}), verbs: ['get', 'list'] }, virtual: behaviour }];
    }
    const definition: ResourceDefinition = {
      reference,
      ...(row ? { row } : {}),
      freeFinalizers: true,
      keepsEmptyLists: true,
      // As upstream lays custom resources.
      storagePrefix: `${data.group}/${resource}`,
      validate(object, errors) {
        for (const { field, value, message } of behaviour.validate?.(object) ?? [])
          errors.invalid(fieldPath(field), isJsonObject(value) ? internalValue('json', value) : (value as BadValue), message);
      },
    };
    return [{ definition, virtual: undefined }];
  });
}
