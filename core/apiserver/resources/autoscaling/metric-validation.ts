import type {
  ContainerResourceMetricSource,
  CrossVersionObjectReference,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
  ResourceMetricSource,
} from '../../../api/generated/types.js';
import type { FieldErrors, FieldPath } from '../../../machinery/field-errors.js';
import { nameIsPathSegment, validateDns1123Label } from '../../../machinery/names.js';
import { parseApiVersion } from '../../../machinery/object.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { validateContainerResourceName } from '../core/resource-names.js';

/** What an autoscaler looks at. Source: pkg/apis/autoscaling/validation. */
const sourceOfType: Readonly<Record<string, keyof Omit<MetricSpec, 'type'>>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};
const sources = ['object', 'external', 'pods', 'resource', 'containerResource'] as const;

export interface ReferenceOptions {
  readonly allowEmptyGroup: boolean;
  readonly allowInvalidVersion: boolean;
}

export function validateReference(
  reference: CrossVersionObjectReference,
  path: FieldPath,
  errors: FieldErrors,
  options: ReferenceOptions,
): void {
  for (const field of ['kind', 'name'] as const) {
    const value = reference[field];
    if (!value) errors.required(path.child(field));
    else for (const text of nameIsPathSegment(value, false)) errors.invalid(path.child(field), value, text);
  }
  const text = apiVersionError(reference, options);
  if (text) errors.invalid(path.child('apiVersion'), reference.apiVersion ?? '', text);
}

export function apiVersionError({ apiVersion = '' }: CrossVersionObjectReference, options: ReferenceOptions): string | undefined {
  if (options.allowInvalidVersion) return undefined;
  // The empty text and a lone slash count as no version of no group.
  const version = apiVersion === '' || apiVersion === '/' ? { group: '' } : parseLenient(apiVersion);
  if (!version) return `unexpected GroupVersion string: ${apiVersion}`;
  return version.group || options.allowEmptyGroup ? undefined : 'apiVersion must specify API group';
}

function parseLenient(apiVersion: string): { group: string } | undefined {
  return parseApiVersion(
    apiVersion.endsWith('/') && apiVersion.indexOf('/') === apiVersion.length - 1 ? `${apiVersion}v` : apiVersion,
  );
}

export function validateMetric(metric: MetricSpec, path: FieldPath, errors: FieldErrors, options: ReferenceOptions): void {
  const { type } = metric;
  const known = Object.hasOwn(sourceOfType, type);
  if (!type) errors.required(path.child('type'), 'must specify a metric source type');
  if (!known) errors.notSupported(path.child('type'), type, Object.keys(sourceOfType));
  const present = sources.filter(source => metric[source]);
  if (present[0]) validateSource(metric, present[0], path.child(present[0]), { errors, options });
  const expected = known ? sourceOfType[type]! : undefined;
  if (!expected) errors.notSupported(path.child('type'), type, Object.keys(sourceOfType));
  else if (!metric[expected]) errors.required(path.child(expected), 'must populate information for the given metric source');
  if (present.length === 1) return;
  for (const source of present) {
    if (source !== expected) errors.forbidden(path.child(source), 'must populate the given metric source only');
  }
}

interface SourceCheck {
  readonly errors: FieldErrors;
  readonly options: ReferenceOptions;
}

function validateSource(
  metric: MetricSpec,
  source: (typeof sources)[number],
  path: FieldPath,
  { errors, options }: SourceCheck,
): void {
  const target = path.child('target');
  if (source === 'object') {
    const { describedObject, metric: identifier, target: wanted } = metric.object!;
    validateReference(describedObject, path.child('describedObject'), errors, options);
    validateIdentifier(identifier, path.child('metric'), errors);
    validateTarget(wanted, target, errors);
    if (wanted.value === undefined && wanted.averageValue === undefined) {
      errors.required(target.child('averageValue'), 'must set either a target value or averageValue');
    }
  } else if (source === 'external') {
    const { metric: identifier, target: wanted } = metric.external!;
    validateIdentifier(identifier, path.child('metric'), errors);
    validateTarget(wanted, target, errors);
    if (wanted.value === undefined && wanted.averageValue === undefined) {
      errors.required(target.child('averageValue'), 'must set either a target value for metric or a per-pod target');
    }
    if (wanted.value !== undefined && wanted.averageValue !== undefined) {
      errors.forbidden(target.child('value'), 'may not set both a target value for metric and a per-pod target');
    }
  } else if (source === 'pods') {
    const { metric: identifier, target: wanted } = metric.pods!;
    validateIdentifier(identifier, path.child('metric'), errors);
    validateTarget(wanted, target, errors);
    if (wanted.averageValue === undefined) {
      errors.required(target.child('averageValue'), 'must specify a positive target averageValue');
    }
  } else if (source === 'resource') {
    if (!metric.resource!.name) errors.required(path.child('name'), 'must specify a resource name');
    validateUtilization(metric.resource!, target, errors);
  } else validateContainerResource(metric.containerResource!, path, errors);
}

function validateContainerResource(source: ContainerResourceMetricSource, path: FieldPath, errors: FieldErrors): void {
  if (!source.name) errors.required(path.child('name'), 'must specify a resource name');
  else validateContainerResourceName(errors, path.child('name'), source.name);
  if (!source.container) errors.required(path.child('container'), 'must specify a container');
  else {
    for (const text of validateDns1123Label(source.container)) errors.invalid(path.child('container'), source.container, text);
  }
  validateUtilization(source, path.child('target'), errors);
}

function validateUtilization({ target }: ResourceMetricSource, path: FieldPath, errors: FieldErrors): void {
  validateTarget(target, path, errors);
  if (target.averageUtilization === undefined && target.averageValue === undefined) {
    errors.required(path.child('averageUtilization'), 'must set either a target raw value or a target utilization');
  }
  if (target.averageUtilization !== undefined && target.averageValue !== undefined) {
    errors.forbidden(path.child('averageValue'), 'may not set both a target raw value and a target utilization');
  }
}

function validateTarget(target: MetricTarget, path: FieldPath, errors: FieldErrors): void {
  const { type, averageUtilization } = target;
  if (!type) errors.required(path.child('type'), 'must specify a metric target type');
  if (type !== 'Utilization' && type !== 'Value' && type !== 'AverageValue') {
    errors.invalid(path.child('type'), type, 'must be either Utilization, Value, or AverageValue');
  }
  for (const field of ['value', 'averageValue'] as const) {
    const amount = target[field];
    if (amount !== undefined && parseQuantity(amount).sign !== 1) errors.invalid(path.child(field), amount, 'must be positive');
  }
  if (averageUtilization !== undefined && averageUtilization < 1) {
    errors.invalid(path.child('averageUtilization'), averageUtilization, 'must be greater than 0');
  }
}

function validateIdentifier({ name }: MetricIdentifier, path: FieldPath, errors: FieldErrors): void {
  if (!name) errors.required(path.child('name'), 'must specify a metric name');
  else for (const text of nameIsPathSegment(name, false)) errors.invalid(path.child('name'), name, text);
}
