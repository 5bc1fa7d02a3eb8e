import { createHash } from 'node:crypto';
import type { GroupData, ResourceData } from '../../api/schema-data.js';
import { compareKubeVersions } from '../../machinery/structural/kube-version.js';
import type { CustomSchemas } from '../openapi/custom-schemas.js';

/** A resource as discovery lists it. */
export interface DiscoveredResource {
  readonly group: string;
  readonly data: ResourceData;
  /** Verbs of the main resource; empty for resources that only have subresources. */
  readonly verbs: readonly string[];
  readonly subresources: readonly DiscoveredSubresource[];
  /** Of custom resources, whose types are not in the tables. */
  readonly schemas?: CustomSchemas;
}

export interface DiscoveredSubresource {
  readonly name: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

/** One document, encoded once. */
export interface DiscoveryDocument {
  readonly contentType: string;
  readonly etag: string;
  readonly bytes: Buffer;
}

const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';

/**
 * The discovery documents: aggregated (KEP-3352) and legacy. Built when the set of served resources changes, not per request.
 */
export class Discovery {
  readonly #documents = new Map<string, DiscoveryDocument>();
  /** Group, then version in order of preference, then resources. */
  readonly #groups: ReadonlyMap<string, ReadonlyMap<string, readonly DiscoveredResource[]>>;

  constructor(resources: readonly DiscoveredResource[], groupData: (group: string) => Pick<GroupData, 'versions'> | undefined) {
    const groups = new Map<string, Map<string, DiscoveredResource[]>>();
    for (const name of [...new Set(resources.map(resource => resource.group))].sort(groupOrder)) {
      const served = resources.filter(resource => resource.group === name);
      const order = groupData(name)?.versions ?? [];
      const versions = new Map<string, DiscoveredResource[]>();
      const others = served.map(resource => resource.data.version).sort(compareKubeVersions);
      for (const version of [...order, ...others]) {
        const list = served.filter(resource => resource.data.version === version);
        if (list.length && !versions.has(version))
          versions.set(
            version,
            list.sort((a, b) => (a.data.name < b.data.name ? -1 : 1)),
          );
      }
      groups.set(name, versions);
    }
    this.#groups = groups;
  }

  has(group: string, version: string): boolean {
    return this.#groups.get(group)?.has(version) ?? false;
  }

  /** Whether a group has resources that are no custom ones. */
  isBuiltIn(group: string): boolean {
    return [...(this.#groups.get(group)?.values() ?? [])].some(list => list.some(({ schemas }) => !schemas));
  }

  groupVersions(): { group: string; version: string }[] {
    return [...this.#groups].flatMap(([group, versions]) => [...versions.keys()].map(version => ({ group, version })));
  }

  /** The document for a path, or undefined. `aggregated` says whether the client takes the aggregated form. */
  document(path: string, aggregated: boolean, serverAddress: string): DiscoveryDocument | undefined {
    const key = `${aggregated ? 'a' : 'l'}${path}${path === '/api' ? serverAddress : ''}`;
    const known = this.#documents.get(key);
    if (known) return known;
    const value = this.#build(path, aggregated, serverAddress);
    if (!value) return undefined;
    const bytes = Buffer.from(`${JSON.stringify(value)}\n`);
    const etag = `"${createHash('sha512').update(bytes).digest('hex').toUpperCase()}"`;
    const document = {
      contentType: aggregated && (path === '/api' || path === '/apis') ? aggregatedType : 'application/json',
      etag,
      bytes,
    };
    this.#documents.set(key, document);
    return document;
  }

  #build(path: string, aggregated: boolean, serverAddress: string): object | undefined {
    if (path === '/api') return aggregated ? this.#aggregated(true) : apiVersions(serverAddress);
    if (path === '/apis') return aggregated ? this.#aggregated(false) : this.#groupList();
    const [, root, first, second, extra] = path.split('/');
    if (root === 'api' && first && second === undefined) return this.#resourceList('', first);
    if (root !== 'apis' || !first || extra !== undefined) return undefined;
    return second === undefined ? this.#group(first) : this.#resourceList(first, second);
  }

  #groupList(): object {
    const groups = [...this.#groups.keys()].filter(group => group !== '').map(group => this.#groupBody(group));
    return { kind: 'APIGroupList', apiVersion: 'v1', groups };
  }

  #group(group: string): object | undefined {
    if (group === '' || !this.#groups.has(group)) return undefined;
    return { kind: 'APIGroup', apiVersion: 'v1', ...this.#groupBody(group) };
  }

  #groupBody(group: string): object {
    const versions = [...this.#groups.get(group)!.keys()].map(version => ({ groupVersion: `${group}/${version}`, version }));
    return { name: group, versions, preferredVersion: versions[0] };
  }

  #resourceList(group: string, version: string): object | undefined {
    const list = this.#groups.get(group)?.get(version);
    if (!list) return undefined;
    const resources = list.flatMap(({ data, verbs, subresources }) => [
      ...(verbs.length
        ? [
            {
              name: data.name,
              singularName: data.singularName,
              namespaced: data.namespaced,
              kind: data.kind,
              verbs,
              ...(data.shortNames ? { shortNames: data.shortNames } : {}),
              ...(data.categories ? { categories: data.categories } : {}),
              ...(data.storageVersionHash ? { storageVersionHash: data.storageVersionHash } : {}),
            },
          ]
        : []),
      ...subresources.map(sub => ({
        name: `${data.name}/${sub.name}`,
        singularName: '',
        namespaced: data.namespaced,
        ...(sub.group !== group || sub.version !== version ? { group: sub.group, version: sub.version } : {}),
        kind: sub.kind,
        verbs: sub.verbs,
      })),
    ]);
    return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: group ? `${group}/${version}` : version, resources };
  }

  #aggregated(core: boolean): object {
    const items = [...this.#groups]
      .filter(([group]) => (group === '') === core)
      .map(([group, versions]) => ({
        metadata: group ? { name: group, creationTimestamp: null } : { creationTimestamp: null },
        versions: [...versions].map(([version, list]) => ({
          version,
          freshness: 'Current',
          resources: list.map(({ data, verbs, subresources }) => ({
            resource: data.name,
            responseKind: { group, version, kind: data.kind },
            scope: data.namespaced ? 'Namespaced' : 'Cluster',
            singularResource: data.singularName,
            verbs,
            ...(data.shortNames ? { shortNames: data.shortNames } : {}),
            ...(data.categories ? { categories: data.categories } : {}),
            ...(subresources.length
              ? {
                  subresources: subresources.map(sub => ({
                    subresource: sub.name,
                    responseKind: { group: sub.group, version: sub.version, kind: sub.kind },
                    verbs: sub.verbs,
                  })),
                }
              : {}),
          })),
        })),
      }));
    return { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items };
  }
}

/** Whether an Accept header asks for the aggregated form before plain JSON. */
export function acceptsAggregated(accept: string | undefined): boolean {
  for (const clause of (accept ?? '').split(',')) {
    const parameters = clause.split(';').map(part => part.trim());
    if (
      parameters.includes('as=APIGroupDiscoveryList') &&
      parameters.includes('g=apidiscovery.k8s.io') &&
      parameters.includes('v=v2')
    )
      return true;
    if (parameters[0] === 'application/json' && parameters.length === 1) return false;
  }
  return false;
}

/** Whether each form that an Accept header names is one that is not served, as v2beta1 of the aggregated one. */
export function asksOnlyForOthers(accept: string | undefined): boolean {
  return accept !== undefined && accept.split(',').every(clause => /;\s*as=/.test(clause));
}

function apiVersions(serverAddress: string): object {
  return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress }] };
}

/** Upstream's order of groups: those without a dot and k8s.io ones as the server installs them; ours is by name, core first. */
function groupOrder(a: string, b: string): number {
  const rank = groupPriority.indexOf(a) - groupPriority.indexOf(b);
  if (groupPriority.includes(a) && groupPriority.includes(b)) return rank;
  if (groupPriority.includes(a)) return -1;
  if (groupPriority.includes(b)) return 1;
  return a < b ? -1 : 1;
}

/** Source: the priorities of kube-aggregator's API services. */
const groupPriority = [
  '',
  'apiregistration.k8s.io',
  'apps',
  'events.k8s.io',
  'authentication.k8s.io',
  'authorization.k8s.io',
  'autoscaling',
  'batch',
  'certificates.k8s.io',
  'networking.k8s.io',
  'policy',
  'rbac.authorization.k8s.io',
  'storage.k8s.io',
  'admissionregistration.k8s.io',
  'apiextensions.k8s.io',
  'scheduling.k8s.io',
  'coordination.k8s.io',
  'node.k8s.io',
  'discovery.k8s.io',
  'flowcontrol.apiserver.k8s.io',
];
