import { isJsonObject } from '../../machinery/object.js';
import type { ExtensionResource } from '../discovery/discovery.js';

/** Whether a content type is that of aggregated discovery, in the version of today or the one before. */
export function isAggregatedList(contentType: string): boolean {
  const parameters = contentType.split(';').map(part => part.trim());
  return (
    parameters[0] === 'application/json' &&
    parameters.includes('g=apidiscovery.k8s.io') &&
    parameters.includes('as=APIGroupDiscoveryList') &&
    (parameters.includes('v=v2') || parameters.includes('v=v2beta1'))
  );
}

/** The resources of a version in an APIGroupDiscoveryList; none when the server does not have it. */
export function resourcesInList(list: unknown, group: string, version: string): ExtensionResource[] {
  for (const item of objects(member(list, 'items'))) {
    const name = member(item['metadata'], 'name');
    if ((typeof name === 'string' ? name : '') !== group) continue;
    const found = objects(item['versions']).find(candidate => candidate['version'] === version);
    if (found) return objects(found['resources']).map(resource => aggregatedResource(resource));
  }
  return [];
}

/** The same of an APIResourceList, the older form. Source: apiserver pkg/endpoints ConvertGroupVersionIntoToDiscovery. */
export function resourcesInLegacyList(list: unknown): ExtensionResource[] {
  const resources = new Map<string, Record<string, unknown>>();
  const parents = new Map<string, Record<string, unknown>[]>();
  for (const entry of objects(member(list, 'resources'))) {
    const name = text(entry['name']);
    const slash = name.indexOf('/');
    const resource = slash < 0 ? name : name.slice(0, slash);
    if (!resource) continue;
    const scope = entry['namespaced'] === true ? 'Namespaced' : 'Cluster';
    const responseKind = { group: text(entry['group']), version: text(entry['version']), kind: text(entry['kind']) };
    const verbs = texts(entry['verbs']);
    if (slash < 0) {
      resources.set(resource, {
        resource,
        responseKind,
        scope,
        singularResource: text(entry['singularName']),
        verbs,
        ...filled('shortNames', texts(entry['shortNames'])),
        ...filled('categories', texts(entry['categories'])),
      });
    } else {
      if (!resources.has(resource))
        resources.set(resource, { resource, responseKind: emptyKind, scope, singularResource: '', verbs: [] });
      parents.set(resource, [...(parents.get(resource) ?? []), { subresource: name.slice(slash + 1), responseKind, verbs }]);
    }
  }
  return Array.from(resources.values(), resource => {
    return { ...resource, ...filled('subresources', parents.get(resource['resource'] as string) ?? []) };
  });
}

/** Clients of some age fall over where it is missing. */
const emptyKind = { group: '', version: '', kind: '' };

function aggregatedResource(resource: Readonly<Record<string, unknown>>): ExtensionResource {
  return {
    resource: text(resource['resource']),
    responseKind: kindOf(resource['responseKind']),
    scope: resource['scope'] === 'Namespaced' ? 'Namespaced' : 'Cluster',
    singularResource: text(resource['singularResource']),
    verbs: texts(resource['verbs']),
    ...filled('shortNames', texts(resource['shortNames'])),
    ...filled('categories', texts(resource['categories'])),
    ...filled(
      'subresources',
      objects(resource['subresources']).map(sub => ({
        subresource: text(sub['subresource']),
        responseKind: kindOf(sub['responseKind']),
        verbs: texts(sub['verbs']),
      })),
    ),
  };
}

function kindOf(value: unknown): typeof emptyKind {
  return isJsonObject(value)
    ? { group: text(value['group']), version: text(value['version']), kind: text(value['kind']) }
    : emptyKind;
}

function filled(name: string, list: readonly unknown[]): Record<string, unknown> {
  return list.length > 0 ? { [name]: list } : {};
}

function member(value: unknown, name: string): unknown {
  return isJsonObject(value) ? value[name] : undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter(item => typeof item === 'string') : [];
}

function objects(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}
