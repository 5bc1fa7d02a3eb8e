import { ageOf } from '../../machinery/human-duration.js';
import type { KubeObject, ObjectMeta } from '../../machinery/object.js';
import type { ColumnData } from '../../api/schema-data.js';
import type { StoredObject } from '../storage/stored-object.js';
import type { ServedKind } from './served-resource.js';

const defaultColumns: readonly ColumnData[] = [
  { name: 'Name', type: 'string', format: 'name', priority: 0 },
  { name: 'Created At', type: 'date', format: '', priority: 0 },
];

/** meta/v1 Table: columns from the tables of schema data, cells from the definition. */
export function tableOf<T extends KubeObject>(
  served: ServedKind<T>,
  entries: readonly Pick<StoredObject<T>, 'object' | 'resourceVersion'>[],
  options: { version: string; include: 'None' | 'Metadata' | 'Object'; nowMs: number; columns?: boolean },
): object {
  const { row, tableOrder } = served.definition;
  const ordered = tableOrder ? entries.toSorted((a, b) => tableOrder(a.object, b.object)) : entries;
  const columns = row ? (served.data.columns ?? defaultColumns) : defaultColumns;
  return {
    kind: 'Table',
    apiVersion: `meta.k8s.io/${options.version}`,
    metadata: entries.length === 1 && entries[0]!.resourceVersion ? { resourceVersion: entries[0]!.resourceVersion } : {},
    columnDefinitions:
      options.columns === false
        ? null
        : columns.map(({ name, type, format, priority, description = '' }) => ({ name, type, format, description, priority })),
    rows: ordered.map(entry => {
      const { object } = entry;
      const cells = row ? row(object, { nowMs: options.nowMs }) : [object.metadata.name, object.metadata.creationTimestamp ?? ''];
      return {
        cells,
        ...(options.include === 'None'
          ? { object: null }
          : {
              object:
                options.include === 'Object'
                  ? object
                  : partialObject(object, options.version, served.definition.versionAnnotations),
            }),
      };
    }),
  };
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
