import { CodedError, errorText } from '../base/errors.js';
import type { MetricIdentifier, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus, Pod } from '../api/generated/types.js';
import { labelSelectorFromObject } from '../machinery/label-selector.js';
import { Quantity } from '../machinery/quantity.js';
import { replicasForAverage, replicasForShare, replicasForUtilization, replicasForValue } from './autoscaler-calculator.js';
import type { Tolerances } from './autoscaler-calculator.js';
import type { MetricsSource, PodMetricsByName } from './autoscaler-metrics.js';

export interface EvaluationInput {
  readonly source: MetricsSource;
  readonly pods: readonly Pod[];
  /** Of the pods, as the target's scale says it. */
  readonly selector: string;
  readonly namespace: string;
  readonly currentReplicas: number;
  readonly statusReplicas: number;
  readonly tolerances: Tolerances;
  readonly nowMs: number;
}

export interface Evaluation {
  readonly replicas: number;
  /** For reasons of events. */
  readonly name: string;
  readonly status: MetricStatus;
}

/** A metric that could not be evaluated: `reason` is for events and conditions, `prefix` says which metric it was. */
export class MetricError extends CodedError {
  readonly reason: string;
  readonly prefix: string;

  constructor(reason: string, prefix: string, cause: unknown) {
    super('METRIC_FAILED', errorText(cause));
    this.reason = reason;
    this.prefix = prefix;
  }
}

/** What one metric of an autoscaler asks for. Throws MetricError. */
export async function evaluateMetric(spec: MetricSpec, input: EvaluationInput): Promise<Evaluation> {
  const [reason, prefix, evaluate] = kindOf(spec);
  try {
    return await evaluate(input);
  } catch (error) {
    throw new MetricError(reason, prefix, error);
  }
}

type Evaluate = (input: EvaluationInput) => Promise<Evaluation>;

function kindOf(spec: MetricSpec): readonly [reason: string, prefix: string, evaluate: Evaluate] {
  if (spec.type === 'Resource' && spec.resource) {
    const { name, target } = spec.resource;
    return [
      'FailedGetResourceMetric',
      `failed to get ${name} resource metric value: `,
      async input => {
        const found = await evaluateResource(input, name, target);
        return { ...found, status: { type: 'Resource', resource: { name, current: found.current } } };
      },
    ];
  }
  if (spec.type === 'ContainerResource' && spec.containerResource) {
    const { name, target, container } = spec.containerResource;
    return [
      'FailedGetContainerResourceMetric',
      `failed to get ${container} container metric value: `,
      async input => {
        const found = await evaluateResource(input, name, target, container);
        return {
          ...found,
          status: { type: 'ContainerResource', containerResource: { name, container, current: found.current } },
        };
      },
    ];
  }
  if (spec.type === 'Pods' && spec.pods) {
    return ['FailedGetPodsMetric', 'failed to get pods metric value: ', input => evaluatePods(input, spec.pods!)];
  }
  if (spec.type === 'Object' && spec.object) {
    return ['FailedGetObjectMetric', 'failed to get object metric value: ', input => evaluateObject(input, spec.object!)];
  }
  if (spec.type === 'External' && spec.external) {
    const prefix = `failed to get ${spec.external.metric.name} external metric value: `;
    return ['FailedGetExternalMetric', prefix, input => evaluateExternal(input, spec.external!)];
  }
  const refuse: Evaluate = () =>
    Promise.reject(new CodedError('INVALID_METRIC', `unknown metric source type ${JSON.stringify(spec.type)}`));
  return ['InvalidMetricSourceType', '', refuse];
}

async function evaluateResource(
  input: EvaluationInput,
  resource: string,
  target: MetricTarget,
  container?: string,
): Promise<{ replicas: number; name: string; current: MetricValueStatus }> {
  const { source, namespace, selector } = input;
  const read = async (what: string): Promise<PodMetricsByName> => {
    try {
      return await source.resource({ resource, namespace, selector, container });
    } catch (error) {
      const text = `failed to get ${resource} ${what}: unable to get metrics for resource ${resource}: ${errorText(error)}`;
      throw new CodedError('NO_METRICS', text);
    }
  };
  const format = resource === 'memory' ? 'BinarySI' : 'DecimalSI';
  if (target.averageValue !== undefined) {
    const metrics = await read('usage');
    const found = replicasForAverage({ ...input, metrics, resource }, Quantity.parse(target.averageValue).milliValue());
    const current = { averageValue: Quantity.ofMilli(found.average, format).toString() };
    return { replicas: found.replicas, name: `${resource} resource`, current };
  }
  if (target.averageUtilization === undefined) {
    const text =
      'invalid resource metric source: neither an average utilization target nor an average value (usage) target was set';
    throw new CodedError('INVALID_METRIC', text);
  }
  const metrics = await read('utilization');
  let found;
  try {
    found = replicasForUtilization({ ...input, metrics, resource }, target.averageUtilization, container);
  } catch (error) {
    throw new CodedError('NO_METRICS', `failed to get ${resource} utilization: ${errorText(error)}`);
  }
  const { utilization, average, replicas } = found;
  return {
    replicas,
    name: `${resource} ${container === undefined ? 'resource' : 'container resource'} utilization (percentage of request)`,
    current: { averageUtilization: utilization, averageValue: Quantity.ofMilli(average, format).toString() },
  };
}

const milliText = (value: number): string => Quantity.ofMilli(value).toString();
const metricSelectorOf = ({ selector }: MetricIdentifier): string =>
  selector ? labelSelectorFromObject(selector).toString() : '';

async function evaluatePods(input: EvaluationInput, { metric, target }: NonNullable<MetricSpec['pods']>): Promise<Evaluation> {
  const { source, namespace, selector } = input;
  let metrics: PodMetricsByName;
  try {
    metrics = await source.pods({ metric: metric.name, namespace, selector, metricSelector: metricSelectorOf(metric) });
  } catch (error) {
    throw new CodedError('NO_METRICS', `unable to get metric ${metric.name}: ${errorText(error)}`);
  }
  const found = replicasForAverage({ ...input, metrics }, Quantity.parse(target.averageValue ?? '0').milliValue());
  return {
    replicas: found.replicas,
    name: `pods metric ${metric.name}`,
    status: { type: 'Pods', pods: { metric, current: { averageValue: milliText(found.average) } } },
  };
}

async function evaluateObject(input: EvaluationInput, spec: NonNullable<MetricSpec['object']>): Promise<Evaluation> {
  const { describedObject, metric, target } = spec;
  const { source, namespace } = input;
  let value: number;
  try {
    value = await source.object({
      metric: metric.name,
      namespace,
      object: describedObject,
      metricSelector: metricSelectorOf(metric),
    });
  } catch (error) {
    const { kind, name } = describedObject;
    throw new CodedError(
      'NO_METRICS',
      `unable to get metric ${metric.name}: ${kind} on ${namespace} ${name}/${errorText(error)}`,
    );
  }
  const evaluation = evaluateValue(input, target, value, 'invalid object metric source');
  return {
    replicas: evaluation.replicas,
    name: `${describedObject.kind} metric ${metric.name}`,
    status: { type: 'Object', object: { describedObject, metric, current: evaluation.current } },
  };
}

async function evaluateExternal(input: EvaluationInput, spec: NonNullable<MetricSpec['external']>): Promise<Evaluation> {
  const { metric, target } = spec;
  const { source, namespace } = input;
  const metricSelector = metricSelectorOf(metric);
  let values: number[];
  try {
    values = await source.external({ metric: metric.name, namespace, metricSelector });
  } catch (error) {
    const where = `${namespace}/${metric.name}/${metric.selector ? `&LabelSelector${JSON.stringify(metric.selector)}` : 'nil'}`;
    throw new CodedError('NO_METRICS', `unable to get external metric ${where}: ${errorText(error)}`);
  }
  const total = values.reduce((sum, value) => sum + value, 0);
  const evaluation = evaluateValue(input, target, total, 'invalid external metric source');
  return {
    replicas: evaluation.replicas,
    name: `external metric ${metric.name}(${metric.selector ? `&LabelSelector${JSON.stringify(metric.selector)}` : 'nil'})`,
    status: { type: 'External', external: { metric, current: evaluation.current } },
  };
}

/** One value for all pods: shared by them, or to be kept as a whole. */
function evaluateValue(
  input: EvaluationInput,
  target: MetricTarget,
  value: number,
  what: string,
): { replicas: number; current: MetricValueStatus } {
  if (target.averageValue !== undefined) {
    const { statusReplicas, tolerances } = input;
    const found = replicasForShare(statusReplicas, tolerances, value, Quantity.parse(target.averageValue).milliValue());
    return { replicas: found.replicas, current: { averageValue: milliText(found.average) } };
  }
  if (target.value === undefined) {
    throw new CodedError('INVALID_METRIC', `${what}: neither a value target nor an average value target was set`);
  }
  const replicas = replicasForValue(input, value, Quantity.parse(target.value).milliValue());
  return { replicas, current: { value: milliText(value) } };
}
