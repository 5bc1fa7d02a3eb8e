import type { MetricSpec, MetricStatus, MetricTarget, MetricValueStatus } from '../../../api/generated/types.js';
import { isJsonObject } from '../../../machinery/object.js';
import { Quantity } from '../../../machinery/quantity.js';

/** As autoscaling/v1 writes metrics into annotations: nothing of it is in a schema. */
export type JsonObject = Readonly<Record<string, unknown>>;
type Kind = 'string' | 'number' | 'quantity' | 'reference' | 'selector';

interface SourceFields {
  /** In the order of Go's fields. */
  readonly fields: readonly (readonly [name: string, kind: Kind])[];
  readonly required: readonly string[];
}

const metric = ['metricName', 'string'] as const;
const target = ['target', 'reference'] as const;
const specs: Readonly<Record<string, SourceFields>> = {
  object: {
    fields: [target, metric, ['targetValue', 'quantity'], ['selector', 'selector'], ['averageValue', 'quantity']],
    required: ['target', 'metricName', 'targetValue'],
  },
  pods: {
    fields: [metric, ['targetAverageValue', 'quantity'], ['selector', 'selector']],
    required: ['metricName', 'targetAverageValue'],
  },
  resource: {
    fields: [
      ['name', 'string'],
      ['targetAverageUtilization', 'number'],
      ['targetAverageValue', 'quantity'],
    ],
    required: ['name'],
  },
  containerResource: {
    fields: [
      ['name', 'string'],
      ['targetAverageUtilization', 'number'],
      ['targetAverageValue', 'quantity'],
      ['container', 'string'],
    ],
    required: ['name', 'container'],
  },
  external: {
    fields: [metric, ['metricSelector', 'selector'], ['targetValue', 'quantity'], ['targetAverageValue', 'quantity']],
    required: ['metricName'],
  },
};
const statuses: Readonly<Record<string, SourceFields>> = {
  object: {
    fields: [target, metric, ['currentValue', 'quantity'], ['selector', 'selector'], ['averageValue', 'quantity']],
    required: ['target', 'metricName', 'currentValue'],
  },
  pods: {
    fields: [metric, ['currentAverageValue', 'quantity'], ['selector', 'selector']],
    required: ['metricName', 'currentAverageValue'],
  },
  resource: {
    fields: [
      ['name', 'string'],
      ['currentAverageUtilization', 'number'],
      ['currentAverageValue', 'quantity'],
    ],
    required: ['name', 'currentAverageValue'],
  },
  containerResource: {
    fields: [
      ['name', 'string'],
      ['currentAverageUtilization', 'number'],
      ['currentAverageValue', 'quantity'],
      ['container', 'string'],
    ],
    required: ['name', 'currentAverageValue', 'container'],
  },
  external: {
    fields: [metric, ['metricSelector', 'selector'], ['currentValue', 'quantity'], ['currentAverageValue', 'quantity']],
    required: ['metricName', 'currentValue'],
  },
};
const sources = ['object', 'pods', 'resource', 'containerResource', 'external'] as const;
const zeros: Readonly<Record<Kind, unknown>> = {
  string: '',
  number: 0,
  quantity: '0',
  reference: { kind: '', name: '' },
  selector: undefined,
};

/** Undefined for a text that is no list of metrics: it is passed over, as upstream does. */
export function readMetrics(text: string, of: 'spec' | 'status'): JsonObject[] | undefined {
  const list = readJson(text);
  if (!Array.isArray(list)) return undefined;
  const metrics = list.map(item => read(item, of === 'spec' ? specs : statuses));
  return metrics.some(each => each === undefined) ? undefined : (metrics as JsonObject[]);
}

export function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function read(item: unknown, tables: Readonly<Record<string, SourceFields>>): JsonObject | undefined {
  if (!isJsonObject(item)) return undefined;
  const { type = '' } = item;
  if (typeof type !== 'string') return undefined;
  const found: Record<string, unknown> = { type };
  for (const source of sources) {
    const value = item[source];
    if (value === undefined || value === null) continue;
    if (!isJsonObject(value)) return undefined;
    const read: Record<string, unknown> = {};
    for (const [name, kind] of tables[source]!.fields) {
      const field = value[name];
      if (field === undefined || field === null) continue;
      if (!isOf(kind, field)) return undefined;
      read[name] = kind === 'quantity' ? String(field) : field;
    }
    found[source] = filled(read, tables[source]!);
  }
  return found;
}

function isOf(kind: Kind, value: unknown): boolean {
  if (kind === 'quantity') return (typeof value === 'string' || typeof value === 'number') && isQuantity(String(value));
  if (kind === 'reference' || kind === 'selector') return isJsonObject(value);
  return typeof value === kind;
}

function isQuantity(text: string): boolean {
  try {
    Quantity.parse(text);
    return true;
  } catch {
    // Whatever it says is wrong, it is none.
    return false;
  }
}

/** In Go's order, with a zero for what is always written. */
function filled(values: JsonObject, { fields, required }: SourceFields): JsonObject {
  const result: Record<string, unknown> = {};
  for (const [name, kind] of fields) {
    const value = values[name] ?? (required.includes(name) ? zeros[kind] : undefined);
    if (value !== undefined) result[name] = value;
  }
  return result;
}

const reference = (value: { kind: string; name: string; apiVersion?: string }): JsonObject => ({
  kind: value.kind,
  name: value.name,
  ...(value.apiVersion ? { apiVersion: value.apiVersion } : {}),
});

/** What there is of the source of a metric, of whichever kind. */
interface AnySource {
  readonly name?: string;
  readonly container?: string;
  readonly metric?: { readonly name: string; readonly selector?: unknown };
  readonly describedObject?: Parameters<typeof reference>[0];
  readonly target?: MetricTarget;
  readonly current?: MetricValueStatus;
}

export function metricAsV1(spec: MetricSpec): JsonObject {
  return asV1(spec, 'target', specs);
}

export function metricStatusAsV1(status: MetricStatus): JsonObject {
  return asV1(status, 'current', statuses);
}

/** Each source has those of the fields that its table names. */
function asV1(
  spec: MetricSpec | MetricStatus,
  values: 'target' | 'current',
  tables: Readonly<Record<string, SourceFields>>,
): JsonObject {
  const result: Record<string, unknown> = { type: spec.type };
  for (const source of sources) {
    const found = spec[source] as AnySource | undefined;
    if (!found) continue;
    const { name, container, metric: identified, describedObject } = found;
    const { value, averageValue, averageUtilization } = found[values]!;
    const { name: metricName, selector } = identified ?? {};
    const all = {
      ...{ name, container, metricName, selector, metricSelector: selector, averageValue },
      [`${values}Value`]: value,
      [`${values}AverageValue`]: averageValue,
      [`${values}AverageUtilization`]: averageUtilization,
      ...(describedObject && { target: reference(describedObject) }),
    };
    result[source] = filled(all, tables[source]!);
  }
  return result;
}

export function metricFromV1(found: JsonObject): MetricSpec {
  return convert(found, (source, value) => {
    const { targetValue, averageValue, targetAverageValue, targetAverageUtilization } = value as Record<
      string,
      string | undefined
    >;
    if (source === 'object') {
      // v1 cannot leave its value out: a zero beside an average means none.
      const isZero = targetValue === undefined || Quantity.parse(targetValue).milliValue() === 0;
      const kept = averageValue === undefined || !isZero ? { value: targetValue } : {};
      return { target: { type: averageValue === undefined ? 'Value' : 'AverageValue', ...kept, ...optional({ averageValue }) } };
    }
    if (source === 'external') {
      const type = targetValue === undefined ? 'AverageValue' : 'Value';
      return { target: { type, ...optional({ value: targetValue, averageValue: targetAverageValue }) } };
    }
    const type = source === 'pods' || targetAverageUtilization === undefined ? 'AverageValue' : 'Utilization';
    const all = { averageValue: targetAverageValue, averageUtilization: targetAverageUtilization };
    return { target: { type, ...optional(all) } };
  }) as unknown as MetricSpec;
}

export function metricStatusFromV1(found: JsonObject): MetricStatus {
  return convert(found, (source, value) => {
    const { currentValue, averageValue, currentAverageValue, currentAverageUtilization } = value;
    if (source === 'object') return { current: optional({ value: currentValue, averageValue }) };
    if (source === 'external') return { current: optional({ value: currentValue, averageValue: currentAverageValue }) };
    const all = { averageValue: currentAverageValue, averageUtilization: currentAverageUtilization };
    return { current: optional(all) };
  }) as unknown as MetricStatus;
}

function convert(found: JsonObject, values: (source: string, value: JsonObject) => JsonObject): JsonObject {
  const result: Record<string, unknown> = { type: found['type'] };
  for (const source of sources) {
    const value = found[source] as JsonObject | undefined;
    if (!value) continue;
    const named =
      source === 'resource' || source === 'containerResource'
        ? { name: value['name'], ...optional({ container: value['container'] }) }
        : { metric: { name: value['metricName'], ...optional({ selector: value['selector'] ?? value['metricSelector'] }) } };
    const described = source === 'object' ? { describedObject: value['target'] } : {};
    result[source] = { ...described, ...named, ...values(source, value) };
  }
  return result;
}

function optional(values: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
