import type { KubeObject } from '../../machinery/object.js';
import type { StoredObject } from '../storage/stored-object.js';

/** What a list or a watch asks for, parsed. Absent parts match everything. */
export interface Selection {
  /** '' or absent: all namespaces. */
  readonly namespace?: string | undefined;
  /** Exactly this object, when a field selector says `metadata.name=x`. */
  readonly name?: string | undefined;
  readonly labels?: ((labels: Readonly<Record<string, string>>) => boolean) | undefined;
  readonly fields?: ((fields: Readonly<Record<string, string>>) => boolean) | undefined;
}

type SelectableEntry = Pick<StoredObject<KubeObject>, 'namespace' | 'name' | 'labels' | 'fields'>;

export function matches(selection: Selection, entry: SelectableEntry): boolean {
  if (selection.namespace && entry.namespace !== selection.namespace) return false;
  if (selection.name !== undefined && entry.name !== selection.name) return false;
  if (selection.labels && !selection.labels(entry.labels)) return false;
  return !selection.fields || selection.fields(fieldsOf(entry));
}

function fieldsOf(entry: SelectableEntry): Readonly<Record<string, string>> {
  return { ...entry.fields, 'metadata.name': entry.name, 'metadata.namespace': entry.namespace };
}
