import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { deepFreeze } from '../machinery/object.js';
import type { KindEntry, TypeSchema } from '../machinery/schema.js';
import { TypeSet } from '../machinery/schema.js';

/** What the tables say of one resource: names and table columns as upstream's API server shows them. */
export interface ResourceData {
  readonly version: string;
  readonly name: string;
  readonly singularName: string;
  readonly namespaced: boolean;
  readonly kind: string;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  readonly verbs: readonly string[];
  readonly storageVersionHash?: string;
  readonly subresources?: readonly SubresourceData[];
  readonly columns?: readonly ColumnData[];
  /** False where the server answers 406 to a Table. */
  readonly table?: boolean;
  readonly selectableFields?: readonly string[];
}

export interface SubresourceData {
  readonly name: string;
  readonly group?: string;
  readonly version?: string;
  readonly kind: string;
  readonly verbs: readonly string[];
}

export interface ColumnData {
  readonly name: string;
  readonly type: string;
  readonly format: string;
  readonly priority: number;
  /** Of custom resources: the tables have none. */
  readonly description?: string;
}

export interface GroupData {
  readonly group: string;
  /** In the server's order of preference. */
  readonly versions: readonly string[];
  readonly kinds: readonly (KindEntry & { readonly group?: string })[];
  readonly resources: readonly ResourceData[];
  readonly types: Readonly<Record<string, TypeSchema>>;
}

let located: URL | undefined;
const groups = new Map<string, GroupData>();

/** The tables lie beside this module, in `dist` after a build and in the sources before. */
function folder(): URL {
  if (!located) {
    const beside = new URL('./generated/', import.meta.url);
    located = existsSync(new URL('core.json', beside)) ? beside : new URL('../../../core/api/generated/', import.meta.url);
  }
  return located;
}

/** A group's tables, loaded when first asked for. '' is the core group; undefined for a group that has none. */
export function groupData(group: string): GroupData | undefined {
  const known = groups.get(group);
  if (known) return known;
  const file = new URL(`${group === '' ? 'core' : group}.json`, folder());
  if (!existsSync(file)) return undefined;
  const data = deepFreeze(JSON.parse(readFileSync(file, 'utf8')) as GroupData);
  groups.set(group, data);
  return data;
}

const otherTables: ReadonlySet<string> = new Set(['meta', 'bootstrap-rbac', 'default-objects', 'internal-types', 'go-types']);

/** The names of all groups that have tables; '' for the core group. */
export function groupNames(): string[] {
  return readdirSync(fileURLToPath(folder()))
    .filter(file => file.endsWith('.json') && !otherTables.has(file.slice(0, -'.json'.length)))
    .map(file => (file === 'core.json' ? '' : file.slice(0, -'.json'.length)))
    .sort();
}

/** Other tables of the folder: `bootstrap-rbac`, `default-objects`, `internal-types`, `go-types`. */
export function generatedData<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder()), 'utf8')) as T;
}

/** A set with the types of these groups and of meta/v1; others are added when a type refers to them. */
export function loadTypes(...wanted: readonly string[]): TypeSet {
  const loaded = new Set<string>();
  const types: TypeSet = new TypeSet(name => {
    const owner = groupOfType(name);
    if (owner === undefined || loaded.has(owner)) return false;
    load(owner);
    return types.has(name);
  }, goTypesOf);
  const load = (group: string): void => {
    loaded.add(group);
    const data = groupData(group);
    if (data) types.add(group, data.types, data.kinds);
  };
  const meta = groupData('meta');
  if (meta) {
    types.add('meta', meta.types, meta.kinds);
    // Status, Table and their like have a group and version of their own on the wire.
    for (const kind of meta.kinds) types.add(kind.group ?? '', {}, [kind]);
  }
  for (const group of wanted) load(group);
  return types;
}

let goTypes: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;

function goTypesOf(typeName: string): Readonly<Record<string, string>> | undefined {
  goTypes ??= generatedData<NonNullable<typeof goTypes>>('go-types');
  return goTypes[typeName];
}

/** A type's package names the first label of its group, so that no other group's tables are read in search of it. */
function groupOfType(name: string): string | undefined {
  const label = name.startsWith('io.k8s.apimachinery.') ? 'meta' : /\.apis?\.([a-z]+)\.v[0-9a-z]+\.[^.]+$/.exec(name)?.[1];
  if (label === undefined || label === 'meta') return label;
  return label === 'core' ? '' : groupNames().find(group => group.split('.')[0] === label);
}

export function resourceData(group: string, version: string, name: string): ResourceData | undefined {
  return groupData(group)?.resources.find(resource => resource.version === version && resource.name === name);
}
