import type { MetricSpec, MetricStatus, MetricTarget, MetricValueStatus } from '../../../api/generated/types.js';

const unknown = '<unknown>';
const shown = 2;

/** `cpu: 10%/80%, 5/10 (avg) + 1 more...`. Source: formatHPAMetrics of upstream's printers. */
export function metricsCell(specs: readonly MetricSpec[], statuses: readonly MetricStatus[]): string {
  if (!specs.length) return '<none>';
  const texts = specs.map((spec, index) => metricText(spec, statuses[index]));
  const text = texts.slice(0, shown).join(', ');
  return texts.length > shown ? `${text} + ${texts.length - shown} more...` : text;
}

function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  switch (spec.type) {
    case 'External':
      return valueText(spec.external!.target, status?.external?.current);
    case 'Object':
      return valueText(spec.object!.target, status?.object?.current);
    case 'Pods':
      return `${amount(status?.pods?.current, 'averageValue')}/${spec.pods!.target.averageValue ?? ''}`;
    case 'Resource':
      return `${spec.resource!.name}: ${utilizationText(spec.resource!.target, status?.resource?.current)}`;
    case 'ContainerResource':
      return `${spec.containerResource!.name}: ${utilizationText(spec.containerResource!.target, status?.containerResource?.current)}`;
    default:
      return '<unknown type>';
  }
}

function amount(current: MetricValueStatus | undefined, field: 'value' | 'averageValue'): string {
  return current?.[field] ?? unknown;
}

function valueText(target: MetricTarget, current: MetricValueStatus | undefined): string {
  if (target.averageValue !== undefined) return `${amount(current, 'averageValue')}/${target.averageValue} (avg)`;
  return `${amount(current, 'value')}/${target.value ?? ''}`;
}

function utilizationText(target: MetricTarget, current: MetricValueStatus | undefined): string {
  if (target.averageValue !== undefined) return `${amount(current, 'averageValue')}/${target.averageValue}`;
  const now = current?.averageUtilization === undefined ? unknown : `${current.averageUtilization}%`;
  return `${now}/${target.averageUtilization === undefined ? '<auto>' : `${target.averageUtilization}%`}`;
}
