import { createHash } from 'node:crypto';
import type { ResourceData } from '../../api/schema-data.js';
import { compareKubeVersions } from '../../machinery/structural/kube-version.js';
import type { ExtensionServer } from '../aggregation/extension-server.js';
import type { VersionPriority } from '../aggregation/group-priorities.js';
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

/** A resource as an extension server describes it, in the aggregated form. */
export type ExtensionResource = Readonly<Record<string, unknown>> & { readonly resource?: string };

/** A version that an extension server serves. */
export interface ExtensionVersion {
  readonly server: ExtensionServer;
  /** False: the server did not answer, and what it said last, if anything, is shown. */
  readonly isCurrent: boolean;
  readonly resources: readonly ExtensionResource[];
}

export interface DiscoveryOptions {
  /** What this server serves itself. */
  readonly resources: readonly DiscoveredResource[];
  readonly priority: (group: string, version: string) => VersionPriority;
  /** Each stands in the place of what this server may serve itself of the version. */
  readonly extensions?: readonly ExtensionVersion[];
  /** Whether the legacy list of groups has a version; all when absent. */
  readonly isListed?: (group: string, version: string) => boolean;
}

type Version = readonly DiscoveredResource[] | ExtensionVersion;

const isExtension = (version: Version): version is ExtensionVersion => 'server' in version;

/**
 * The discovery documents: aggregated (KEP-3352) and legacy. Built when the set of served resources changes, not per request.
 */
export class Discovery {
  readonly #documents = new Map<string, DiscoveryDocument>();
  /** Groups in the order of the aggregated form, then versions in order of preference, then resources. */
  readonly #groups = new Map<string, ReadonlyMap<string, Version>>();
  /** Names of groups in the order of the legacy list. */
  readonly #listed: readonly string[];
  readonly #builtIn = new Set<string>();
  readonly #isListed: (group: string, version: string) => boolean;

  constructor({ resources, priority, extensions = [], isListed = () => true }: DiscoveryOptions) {
    this.#isListed = isListed;
    const versions = new Map<string, Map<string, Version>>();
    for (const [key, list] of Map.groupBy(resources, ({ group, data }) => `${group}/${data.version}`)) {
      const [group, version] = splitKey(key);
      versionsOf(versions, group).set(
        version,
        list.sort((a, b) => (a.data.name < b.data.name ? -1 : 1)),
      );
      if (list.some(({ schemas }) => !schemas)) this.#builtIn.add(group);
    }
    for (const extension of extensions) {
      const { group, version } = extension.server;
      versionsOf(versions, group).set(version, extension);
    }
    const groups = Array.from(versions, ([name, ofGroup]) => sortedGroup(name, ofGroup, priority));
    const byPriority = (nameOf: (group: SortedGroup) => string) => (a: SortedGroup, b: SortedGroup) =>
      b.priority - a.priority || (nameOf(a) < nameOf(b) ? -1 : 1);
    for (const { name, versions: sorted } of groups.sort(byPriority(group => group.name))) this.#groups.set(name, sorted);
    this.#listed = groups.sort(byPriority(group => group.firstService)).map(({ name }) => name);
  }

  /** Who answers for a version: this server, or the extension server that it gets back. Undefined: nobody. */
  owner(group: string, version: string): 'local' | ExtensionServer | undefined {
    const found = this.#groups.get(group)?.get(version);
    if (!found) return undefined;
    return isExtension(found) ? found.server : 'local';
  }

  /** Whether a group has resources of this server that are no custom ones. */
  isBuiltIn(group: string): boolean {
    return this.#builtIn.has(group);
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
    const names = this.#listed.filter(group => group !== '' && this.#listedVersions(group).length > 0);
    const groups = names.map(group => this.#groupBody(group, this.#listedVersions(group)));
    return { kind: 'APIGroupList', apiVersion: 'v1', groups };
  }

  #group(group: string): object | undefined {
    if (group === '' || !this.#groups.has(group)) return undefined;
    const listed = this.#listedVersions(group);
    const versions = listed.length > 0 ? listed : [...this.#groups.get(group)!.keys()];
    return { kind: 'APIGroup', apiVersion: 'v1', ...this.#groupBody(group, versions) };
  }

  #listedVersions(group: string): string[] {
    return [...this.#groups.get(group)!.keys()].filter(version => this.#isListed(group, version));
  }

  #groupBody(group: string, names: readonly string[]): object {
    const versions = names.map(version => ({ groupVersion: `${group}/${version}`, version }));
    return { name: group, versions, preferredVersion: versions[0] };
  }

  #resourceList(group: string, version: string): object | undefined {
    const list = this.#groups.get(group)?.get(version);
    if (!list || isExtension(list)) return undefined;
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
        versions: [...versions].map(([version, list]) => aggregatedVersion(group, version, list)),
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

function aggregatedVersion(group: string, version: string, list: Version): object {
  if (isExtension(list)) {
    const { resources, isCurrent } = list;
    return { version, ...(resources.length > 0 ? { resources } : {}), freshness: isCurrent ? 'Current' : 'Stale' };
  }
  return {
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
  };
}

interface SortedGroup {
  readonly name: string;
  readonly versions: ReadonlyMap<string, Version>;
  /** The highest of its versions. */
  readonly priority: number;
  /** The name of the first APIService that has it: groups of the same priority are listed by these. */
  readonly firstService: string;
}

/** Source: kube-aggregator pkg/apis/apiregistration/helpers.go, apiserver pkg/endpoints/discovery/aggregated. */
function sortedGroup(
  name: string,
  versions: ReadonlyMap<string, Version>,
  priorityOf: (group: string, version: string) => VersionPriority,
): SortedGroup {
  const all = Array.from(versions, ([version, content]) => ({ version, content, priority: priorityOf(name, version) }));
  const priority = Math.max(...all.map(each => each.priority.group));
  const services = all.filter(each => each.priority.group === priority).map(({ version }) => `${version}.${name}`);
  all.sort((a, b) => b.priority.version - a.priority.version || compareKubeVersions(a.version, b.version));
  return {
    name,
    versions: new Map(all.map(({ version, content }) => [version, content])),
    priority,
    firstService: services.sort()[0]!,
  };
}

function versionsOf(groups: Map<string, Map<string, Version>>, group: string): Map<string, Version> {
  let versions = groups.get(group);
  if (!versions) groups.set(group, (versions = new Map()));
  return versions;
}

function splitKey(key: string): [group: string, version: string] {
  const slash = key.indexOf('/');
  return [key.slice(0, slash), key.slice(slash + 1)];
}
