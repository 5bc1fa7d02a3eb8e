import { ageOf } from '../../machinery/human-duration.js';
import type { KubeObject, ObjectMeta } from '../../machinery/object.js';
import type { ColumnData } from '../../api/schema-data.js';
import type { StoredObject } from '../storage/stored-object.js';
import type { ServedKind } from './served-resource.js';

const defaultColumns: readonly ColumnData[] = [
  { name: 'Name', type: 'string', format: 'name', priority: 0 },
  { name: 'Created At', type: 'date', format: '', priority: 0 },
];

type TableEntry<T extends KubeObject> = Pick<StoredObject<T>, 'object' | 'resourceVersion'>;

interface TableOptions {
  readonly version: string;
  readonly include: 'None' | 'Metadata' | 'Object';
  readonly nowMs: number;
}

/** meta/v1 Table: columns from the tables of schema data, cells from the definition. */
export function tableOf<T extends KubeObject>(
  served: ServedKind<T>,
  entries: readonly TableEntry<T>[],
  options: TableOptions & { readonly columns?: boolean },
): object {
  const columns = served.definition.row ? (served.data.columns ?? defaultColumns) : defaultColumns;
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata: entries.length === 1 && entries[0]!.resourceVersion ? { resourceVersion: entries[0]!.resourceVersion } : {},
    columnDefinitions:
      options.columns === false
        ? null
        : columns.map(({ name, type, format, priority, description = '' }) => ({ name, type, format, description, priority })),
    rows: rowsOf(served, inTableOrder(served, entries), options),
  };
}

export function inTableOrder<T extends KubeObject, E extends TableEntry<T>>(
  { definition: { tableOrder } }: ServedKind<T>,
  entries: readonly E[],
): readonly E[] {
  return tableOrder ? entries.toSorted((a, b) => tableOrder(a.object, b.object)) : entries;
}

export function rowsOf<T extends KubeObject>(
  { definition: { row, versionAnnotations } }: ServedKind<T>,
  entries: readonly TableEntry<T>[],
  { version, include, nowMs }: TableOptions,
): object[] {
  return entries.map(({ object }) => {
    const cells = row ? row(object, { nowMs }) : [object.metadata.name, object.metadata.creationTimestamp ?? ''];
    if (include === 'None') return { cells, object: null };
    return { cells, object: include === 'Object' ? object : partialObject(object, version, versionAnnotations) };
  });
}

const scaleColumns: readonly ColumnData[] = [
  { name: 'Name', type: 'string', format: '', priority: 0 },
  { name: 'Desired', type: 'integer', format: '', priority: 0 },
  { name: 'Available', type: 'integer', format: '', priority: 0 },
  { name: 'Age', type: 'string', format: '', priority: 0 },
];

/** The Table of a Scale, the only kind that is shown so without being a resource of its own. */
export function scaleTable(
  object: Readonly<KubeObject>,
  options: { version: string; include: 'None' | 'Metadata' | 'Object'; nowMs: number },
): object {
  const { spec, status } = object as { spec?: { replicas?: number }; status?: { replicas?: number } };
  const { metadata } = object;
  const shown = options.include === 'Object' ? object : partialObject(object, options.version);
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata: metadata.resourceVersion ? { resourceVersion: metadata.resourceVersion } : {},
    columnDefinitions: scaleColumns.map(({ name, type, format, priority }) => ({
      name,
      type,
      format,
      description: '',
      priority,
    })),
    rows: [
      {
        cells: [metadata.name, spec?.replicas ?? 0, status?.replicas ?? 0, age(object, options)],
        object: options.include === 'None' ? null : shown,
      },
    ],
  };
}

/** Its metadata alone, without the annotations that only a version of the API writes. */
export function partialObject(object: Readonly<KubeObject>, version: string, hidden: readonly string[] = []): KubeObject {
  const { metadata } = object;
  const shown = hidden.some(name => metadata.annotations?.[name] !== undefined) ? withoutAnnotations(metadata, hidden) : metadata;
  return { kind: 'PartialObjectMetadata', apiVersion: `meta.k8s.io/${version}`, metadata: shown };
}

function withoutAnnotations({ annotations, ...rest }: ObjectMeta, hidden: readonly string[]): ObjectMeta {
  const kept = Object.entries(annotations ?? {}).filter(([name]) => !hidden.includes(name));
  return kept.length > 0 ? { ...rest, annotations: Object.fromEntries(kept) } : rest;
}

/** The Age cell of most tables. */
export function age(object: Readonly<KubeObject>, context: { nowMs: number }): string {
  return ageOf(object.metadata.creationTimestamp, context.nowMs);
}
