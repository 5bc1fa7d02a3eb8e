import type {
  HPAScalingRules,
  HorizontalPodAutoscaler,
  HorizontalPodAutoscalerBehavior,
  HorizontalPodAutoscalerCondition,
  HorizontalPodAutoscalerV1,
  MetricSpec,
  MetricStatus,
} from '../../../api/generated/types.js';
import { withoutUndefined } from '../../../api/objects.js';
import { goJsonText } from '../../../machinery/field-errors.js';
import type { ObjectMeta } from '../../../machinery/object.js';
import { isJsonObject, jsonEqual } from '../../../machinery/object.js';
import type { JsonObject } from './metric-v1.js';
import { metricAsV1, metricFromV1, metricStatusAsV1, metricStatusFromV1, readJson, readMetrics } from './metric-v1.js';

const prefix = 'autoscaling.alpha.kubernetes.io/';
const annotations = {
  metrics: `${prefix}metrics`,
  behavior: `${prefix}behavior`,
  currentMetrics: `${prefix}current-metrics`,
  conditions: `${prefix}conditions`,
} as const;
/** They stand for fields, so they are never kept as what they are. */
const roundTrip: ReadonlySet<string> = new Set([
  ...Object.values(annotations),
  `${prefix}scale-down-tolerance`,
  `${prefix}scale-up-tolerance`,
]);
const defaultUtilizationPercent = 80;

/** Source: pkg/apis/autoscaling/v1/conversion.go. */
export function autoscalerAsV1(stored: Readonly<HorizontalPodAutoscaler>): HorizontalPodAutoscalerV1 {
  const { spec, status } = stored;
  const { metrics = [] } = spec;
  const currentMetrics = status.currentMetrics ?? [];
  const conditions = status.conditions ?? [];
  const others = metrics.filter(metric => !isCpu(metric));
  const added: Record<string, string> = {};
  if (others.length > 0) added[annotations.metrics] = goJsonText(others.map(metricAsV1));
  if (currentMetrics.length > 0) added[annotations.currentMetrics] = goJsonText(currentMetrics.map(metricStatusAsV1));
  if (spec.behavior) added[annotations.behavior] = goJsonText(behaviorAsGo(spec.behavior));
  if (conditions.length > 0) added[annotations.conditions] = goJsonText(conditions.map(conditionAsGo));
  const usage = currentMetrics.findLast(
    ({ type, resource }) => type === 'Resource' && resource?.name === 'cpu' && resource.current.averageUtilization !== undefined,
  );
  return {
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v1',
    metadata: withAnnotations(stored.metadata, added),
    spec: withoutUndefined({
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      targetCPUUtilizationPercentage: metrics.find(isCpu)?.resource!.target.averageUtilization,
    }),
    status: withoutUndefined({
      observedGeneration: status.observedGeneration,
      lastScaleTime: status.lastScaleTime,
      currentReplicas: status.currentReplicas ?? 0,
      desiredReplicas: status.desiredReplicas,
      currentCPUUtilizationPercentage: usage?.resource!.current.averageUtilization,
    }),
  } as HorizontalPodAutoscalerV1;
}

/** `stored` is what is there: a status that was not changed stays as it is, with what v1 cannot show. */
export function autoscalerFromV1(
  view: Readonly<HorizontalPodAutoscalerV1>,
  stored?: Readonly<HorizontalPodAutoscaler>,
): HorizontalPodAutoscaler {
  const { spec, metadata } = view;
  const said = metadata.annotations ?? {};
  const others = readMetrics(said[annotations.metrics] ?? '', 'spec')?.map(metricFromV1) ?? [];
  const percent = spec.targetCPUUtilizationPercentage;
  const metrics = [...others, ...(percent === undefined ? [] : [cpu(percent)])];
  return {
    kind: 'HorizontalPodAutoscaler',
    apiVersion: 'autoscaling/v2',
    metadata: withAnnotations(metadata, {}),
    spec: withoutUndefined({
      scaleTargetRef: spec.scaleTargetRef,
      minReplicas: spec.minReplicas,
      maxReplicas: spec.maxReplicas,
      metrics: metrics.length > 0 ? metrics : [cpu(defaultUtilizationPercent)],
      behavior: behaviorFromGo(readJson(said[annotations.behavior] ?? '')),
    }),
    status: stored && showsStatusOf(view, stored) ? stored.status : statusOf(view),
  } as HorizontalPodAutoscaler;
}

function showsStatusOf(view: Readonly<HorizontalPodAutoscalerV1>, stored: Readonly<HorizontalPodAutoscaler>): boolean {
  const shown = autoscalerAsV1(stored);
  const same = (name: string): boolean => shown.metadata.annotations?.[name] === view.metadata.annotations?.[name];
  return jsonEqual(shown.status, view.status) && same(annotations.currentMetrics) && same(annotations.conditions);
}

function statusOf(view: Readonly<HorizontalPodAutoscalerV1>): HorizontalPodAutoscaler['status'] {
  const { metadata, status } = view;
  return withoutUndefined({
    observedGeneration: status?.observedGeneration,
    lastScaleTime: status?.lastScaleTime,
    currentReplicas: status?.currentReplicas || undefined,
    desiredReplicas: status?.desiredReplicas ?? 0,
    // Upstream writes this list also where it is not there.
    currentMetrics: currentMetrics(view) ?? (null as never),
    conditions: conditionsFromGo(readJson(metadata.annotations?.[annotations.conditions] ?? '')),
  });
}

function currentMetrics({ metadata, status }: Readonly<HorizontalPodAutoscalerV1>): MetricStatus[] | undefined {
  const said = readMetrics(metadata.annotations?.[annotations.currentMetrics] ?? '', 'status');
  if (said) return said.map(metricStatusFromV1);
  const percent = status?.currentCPUUtilizationPercentage;
  if (percent === undefined) return undefined;
  return [{ type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: percent } } }];
}

function isCpu({ type, resource }: MetricSpec): boolean {
  return type === 'Resource' && resource?.name === 'cpu' && resource.target.averageUtilization !== undefined;
}

function cpu(averageUtilization: number): MetricSpec {
  return { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } };
}

/** The same metadata where nothing changes. */
function withAnnotations(metadata: ObjectMeta, added: Readonly<Record<string, string>>): ObjectMeta {
  const before = Object.entries(metadata.annotations ?? {});
  if (Object.keys(added).length === 0 && !before.some(([name]) => roundTrip.has(name))) return metadata;
  const all = [...before.filter(([name]) => !roundTrip.has(name)), ...Object.entries(added)];
  if (all.length === 0) {
    const { annotations: _annotations, ...rest } = metadata;
    return rest;
  }
  return { ...metadata, annotations: Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

/** Go writes this type without names of JSON. */
function behaviorAsGo({ scaleUp, scaleDown }: HorizontalPodAutoscalerBehavior): JsonObject {
  return { ScaleUp: rulesAsGo(scaleUp), ScaleDown: rulesAsGo(scaleDown) };
}

function rulesAsGo(rules: HPAScalingRules | undefined): JsonObject | null {
  if (!rules) return null;
  const { stabilizationWindowSeconds, selectPolicy, policies, tolerance } = rules;
  return {
    StabilizationWindowSeconds: stabilizationWindowSeconds ?? null,
    SelectPolicy: selectPolicy ?? null,
    Policies:
      policies?.map(({ type, value, periodSeconds }) => ({ Type: type, Value: value, PeriodSeconds: periodSeconds })) ?? null,
    Tolerance: tolerance ?? null,
  };
}

function behaviorFromGo(value: unknown): HorizontalPodAutoscalerBehavior | undefined {
  if (!isJsonObject(value)) return undefined;
  const scaleUp = rulesFromGo(value['ScaleUp']);
  const scaleDown = rulesFromGo(value['ScaleDown']);
  return scaleUp || scaleDown ? withoutUndefined({ scaleUp, scaleDown }) : undefined;
}

function rulesFromGo(value: unknown): HPAScalingRules | undefined {
  if (!isJsonObject(value)) return undefined;
  const { StabilizationWindowSeconds: seconds, SelectPolicy: policy, Policies: policies, Tolerance: tolerance } = value;
  const list = Array.isArray(policies) ? policies.filter(isJsonObject) : undefined;
  return withoutUndefined({
    stabilizationWindowSeconds: typeof seconds === 'number' ? seconds : undefined,
    selectPolicy: typeof policy === 'string' ? policy : undefined,
    policies: list?.map(({ Type, Value, PeriodSeconds }) => ({
      type: String(Type ?? ''),
      value: Number(Value ?? 0),
      periodSeconds: Number(PeriodSeconds ?? 0),
    })),
    tolerance: typeof tolerance === 'string' ? tolerance : undefined,
  });
}

function conditionAsGo({ type, status, lastTransitionTime, reason, message }: HorizontalPodAutoscalerCondition): JsonObject {
  return {
    type,
    status,
    lastTransitionTime: lastTransitionTime ?? null,
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
  };
}

function conditionsFromGo(value: unknown): HorizontalPodAutoscalerCondition[] | undefined {
  if (!Array.isArray(value) || !value.every(isJsonObject)) return undefined;
  const text = (field: unknown): string => (typeof field === 'string' ? field : '');
  return value.map(({ type, status, lastTransitionTime, reason, message }) => ({
    type: text(type),
    status: text(status),
    lastTransitionTime: text(lastTransitionTime) || (null as never),
    ...(reason ? { reason: text(reason) } : {}),
    ...(message ? { message: text(message) } : {}),
  }));
}
