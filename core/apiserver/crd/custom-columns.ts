import { jsonText } from '../../machinery/codec/json-text.js';
import type { ColumnData } from '../../api/schema-data.js';
import type { CustomResourceColumnDefinition } from '../../api/generated/types.js';
import { ageOf } from '../../machinery/human-duration.js';
import { JsonPath } from '../../machinery/json-path.js';
import type { KubeObject } from '../../machinery/object.js';

const nameColumn: ColumnData = { name: 'Name', type: 'string', format: 'name', priority: 0 };
const ageColumn: CustomResourceColumnDefinition = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

export interface CustomColumns {
  readonly columns: readonly ColumnData[];
  row(object: Readonly<KubeObject>, context: { readonly nowMs: number }): unknown[];
}

/** The columns of a version's Table. Source: apiextensions-apiserver pkg/registry/customresource/tableconvertor. */
export function customColumns(given: readonly CustomResourceColumnDefinition[] | undefined): CustomColumns {
  const cells: { type: string; path: JsonPath }[] = [];
  const columns: ColumnData[] = [nameColumn];
  for (const { name, type, format = '', description, priority = 0, jsonPath } of given?.length ? given : [ageColumn]) {
    let path: JsonPath;
    try {
      path = new JsonPath(jsonPath);
    } catch {
      // As upstream: the columns before the first that cannot be read.
      break;
    }
    cells.push({ type, path });
    columns.push({
      name,
      type,
      format,
      priority,
      description: description || `Custom resource definition column (in JSONPath format): ${jsonPath}`,
    });
  }
  return {
    columns,
    row: (object, { nowMs }) => [object.metadata.name, ...cells.map(({ type, path }) => cellOf(type, path.find(object), nowMs))],
  };
}

function cellOf(type: string, found: readonly unknown[], nowMs: number): unknown {
  if (found.length === 0) return null;
  const [value] = found;
  if (type === 'string') return textOf(value);
  if (value === null) return null;
  if (type === 'integer') return typeof value === 'number' ? Math.trunc(value) : typeof value === 'bigint' ? value : null;
  if (type === 'number') return typeof value === 'number' ? value : typeof value === 'bigint' ? Number(value) : null;
  if (type === 'boolean') return typeof value === 'boolean' ? value : null;
  if (type !== 'date' || typeof value !== 'string') return null;
  return Number.isNaN(Date.parse(value)) ? '<invalid>' : ageOf(value, nowMs);
}

/** What Go's JSONPath prints: text and numbers plain, the rest as JSON. */
function textOf(value: unknown): string {
  if (value === null) return '<nil>';
  return typeof value === 'object' ? jsonText(value) : String(value);
}
