import { CodedError, errorText } from '../base/errors.js';
import { MetricsPods } from '../api/generated/resources.js';
import type { CrossVersionObjectReference, PodMetrics } from '../api/generated/types.js';
import { parseTime } from '../api/time.js';
import type { Client } from '../client/client.js';
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

/** Reads metrics.k8s.io. Other metrics need an adapter, which takes this one's place. */
export class ApiMetricsSource implements MetricsSource {
  readonly #client: Client;

  constructor(client: Client) {
    this.#client = client;
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

  pods(): Promise<PodMetricsByName> {
    return Promise.reject(noCustomMetrics());
  }

  object(): Promise<number> {
    return Promise.reject(noCustomMetrics());
  }

  external({ metric }: { metric: string }): Promise<number[]> {
    const text = `unable to fetch metrics from external metrics API: the server could not find the requested resource (get ${metric}.external.metrics.k8s.io)`;
    return Promise.reject(new CodedError('NO_METRICS', text));
  }
}

function noCustomMetrics(): CodedError {
  const text = 'unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered';
  return new CodedError('NO_METRICS', text);
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
