import { CodedError, errorText } from '../base/errors.js';
import { MetricsPods } from '../api/generated/resources.js';
import type { CrossVersionObjectReference, PodMetrics } from '../api/generated/types.js';
import { parseTime } from '../api/time.js';
import type { Client } from '../client/client.js';
import type { ResourceReference } from '../api/resource-reference.js';
import type { ResourceCatalogue } from '../contracts/resource-catalogue.js';
import { parseApiVersion } from '../machinery/object.js';
import { Quantity } from '../machinery/quantity.js';
import { durationToMs } from '../machinery/time.js';

/** A sample of one pod. All amounts are thousandths. */
export interface PodMetric {
  readonly milliValue: number;
  readonly timestampMs: number;
  readonly windowMs: number;
}

export type PodMetricsByName = Map<string, PodMetric>;

/** Where the autoscaler reads. Throws CodedError or StatusError where there is nothing to read; selectors are texts, '' for all. */
export interface MetricsSource {
  /** What pods use of `cpu`, `memory` ..., all containers together or one. */
  resource(query: { resource: string; namespace: string; selector: string; container?: string }): Promise<PodMetricsByName>;
  /** A metric that each pod reports. */
  pods(query: { metric: string; namespace: string; selector: string; metricSelector: string }): Promise<PodMetricsByName>;
  /** A metric of one object. */
  object(query: {
    metric: string;
    namespace: string;
    object: CrossVersionObjectReference;
    metricSelector: string;
  }): Promise<number>;
  /** A metric that is not of this cluster; several values are added up. */
  external(query: { metric: string; namespace: string; metricSelector: string }): Promise<number[]>;
}

/** Reads metrics.k8s.io, and custom.metrics.k8s.io and external.metrics.k8s.io where an adapter serves them. */
export class ApiMetricsSource implements MetricsSource {
  readonly #client: Client;
  readonly #catalogue: ResourceCatalogue;

  constructor(client: Client, catalogue: ResourceCatalogue) {
    this.#client = client;
    this.#catalogue = catalogue;
  }

  async resource({
    resource,
    namespace,
    selector,
    container,
  }: {
    resource: string;
    namespace: string;
    selector: string;
    container?: string;
  }): Promise<PodMetricsByName> {
    let items: PodMetrics[];
    try {
      items = await this.#client.resource(MetricsPods, namespace).objects({ labelSelector: selector });
    } catch (error) {
      throw new CodedError('NO_METRICS', `unable to fetch metrics from resource metrics API: ${errorText(error)}`, {
        cause: error,
      });
    }
    if (items.length === 0) throw new CodedError('NO_METRICS', 'no metrics returned from resource metrics API');
    const metrics: PodMetricsByName = new Map();
    for (const item of items) {
      const milliValue = usageOf(item, resource, container);
      if (milliValue === undefined) continue;
      metrics.set(item.metadata.name, {
        milliValue,
        timestampMs: parseTime(item.timestamp) ?? 0,
        windowMs: item.window ? durationToMs(item.window) : 60_000,
      });
    }
    return metrics;
  }

  async pods({ metric, namespace, selector, metricSelector }: Parameters<MetricsSource['pods']>[0]): Promise<PodMetricsByName> {
    const items = await this.#custom({ resource: 'pods', namespace, name: '*', metric, selector, metricSelector });
    if (items.length === 0) throw new CodedError('NO_METRICS', 'no metrics returned from custom metrics API');
    const metrics: PodMetricsByName = new Map();
    for (const item of items) {
      const seconds = item.windowSeconds ?? item.window;
      metrics.set(item.describedObject?.name ?? '', {
        milliValue: Quantity.parse(item.value).milliValue(),
        timestampMs: parseTime(item.timestamp) ?? 0,
        windowMs: seconds === undefined ? defaultWindowMs : seconds * 1000,
      });
    }
    return metrics;
  }

  async object({ metric, namespace, object, metricSelector }: Parameters<MetricsSource['object']>[0]): Promise<number> {
    const { group } = parseApiVersion(object.apiVersion ?? '') ?? { group: '' };
    const isNamespace = group === '' && object.kind === 'Namespace';
    const items = isNamespace
      ? await this.#custom({ resource: 'metrics', namespace, name: metric, metricSelector })
      : await this.#custom({
          resource: this.#resourceOf(group, object.kind),
          namespace,
          name: object.name,
          metric,
          metricSelector,
        });
    if (items.length !== 1) {
      const text = `the custom metrics API server returned ${items.length} results when we asked for exactly one`;
      throw new CodedError('NO_METRICS', `unable to fetch metrics from custom metrics API: ${text}`);
    }
    return Quantity.parse(items[0]!.value).milliValue();
  }

  async external({ metric, namespace, metricSelector }: Parameters<MetricsSource['external']>[0]): Promise<number[]> {
    const resource = { ...externalMetrics, resource: metric, kind: 'ExternalMetricValueList', namespaced: true };
    const parameters: Record<string, string> = metricSelector ? { labelSelector: metricSelector } : {};
    const items = await fetched('external', async () => {
      const { group, version } = externalMetrics;
      if (!this.#catalogue.extensions?.().some(served => served.group === group && served.version === version)) {
        const text = `the server could not find the requested resource (get ${metric}.${group})`;
        throw new CodedError('NO_METRICS', text);
      }
      const client = this.#client.resource(resource as ResourceReference<MetricValues>, namespace);
      return valuesOf(await client.get('', { parameters }));
    });
    if (items.length === 0) throw new CodedError('NO_METRICS', 'no metrics returned from external metrics API');
    return items.map(({ value }) => Quantity.parse(value).milliValue());
  }

  #custom(query: {
    readonly resource: string;
    readonly namespace: string;
    readonly name: string;
    /** Absent: the name is the metric's. */
    readonly metric?: string;
    readonly selector?: string;
    readonly metricSelector: string;
  }): Promise<MetricValue[]> {
    const { resource, namespace, name, metric, selector, metricSelector } = query;
    return fetched('custom', async () => {
      const reference = {
        group: customGroup,
        version: this.#customVersion(),
        resource,
        kind: 'MetricValueList',
        namespaced: true,
      } as ResourceReference<MetricValues>;
      const client = this.#client.resource(reference, namespace);
      const parameters: Record<string, string> = {
        ...(selector ? { labelSelector: selector } : {}),
        ...(metricSelector ? { metricLabelSelector: metricSelector } : {}),
      };
      return valuesOf(await (metric === undefined ? client : client.subresource<MetricValues>(metric)).get(name, { parameters }));
    });
  }

  /** The version that an adapter prefers of those that are known here. */
  #customVersion(): string {
    const served = this.#catalogue.extensions?.().filter(({ group }) => group === customGroup) ?? [];
    if (served.length === 0) throw new CodedError('NO_METRICS', `no custom metrics API (${customGroup}) registered`);
    const known = served.find(({ version }) => customVersions.includes(version));
    if (!known) throw new CodedError('NO_METRICS', 'no known available metric versions found');
    return known.version;
  }

  #resourceOf(group: string, kind: string): string {
    const found = this.#catalogue.resources().find(({ reference }) => reference.group === group && reference.kind === kind);
    if (!found) {
      const text = `unable to map kind ${group ? `${kind}.${group}` : kind} to resource: no matches for kind "${kind}" in group "${group}"`;
      throw new CodedError('NO_METRICS', `unable to fetch metrics from custom metrics API: ${text}`);
    }
    const { resource } = found.reference;
    return group ? `${resource}.${group}` : resource;
  }
}

const customGroup = 'custom.metrics.k8s.io';
const customVersions: readonly string[] = ['v1beta1', 'v1beta2'];
const externalMetrics = { group: 'external.metrics.k8s.io', version: 'v1beta1' } as const;
const defaultWindowMs = 60_000;

/** Of both versions of custom metrics, and of external metrics. */
interface MetricValue {
  readonly describedObject?: { readonly name?: string };
  readonly timestamp?: string;
  readonly value: string;
  readonly windowSeconds?: number;
  /** Its name in v1beta1. */
  readonly window?: number;
}

interface MetricValues {
  readonly items?: readonly MetricValue[] | null;
}

function valuesOf({ items }: MetricValues): MetricValue[] {
  return [...(items ?? [])];
}

async function fetched<T>(api: 'custom' | 'external', fetch: () => Promise<T>): Promise<T> {
  try {
    return await fetch();
  } catch (error) {
    throw new CodedError('NO_METRICS', `unable to fetch metrics from ${api} metrics API: ${errorText(error)}`, { cause: error });
  }
}

/** Undefined when one of the containers that count did not report it. */
function usageOf({ containers }: PodMetrics, resource: string, container: string | undefined): number | undefined {
  const counted = container === undefined ? containers : containers.filter(({ name }) => name === container);
  if (container !== undefined && counted.length === 0) return undefined;
  let milliValue = 0;
  for (const { usage } of counted) {
    const amount = usage[resource];
    if (amount === undefined) return undefined;
    milliValue += Quantity.parse(amount).milliValue();
  }
  return milliValue;
}
