import type { PodSpec } from '../../../api/generated/types.js';
import { everyContainer } from './pod-containers.js';

/**
 * Drops what only alpha or switched-off features of 1.36 read, unless the stored object has it already.
 * Source: dropDisabledFields with the gates as they are by default.
 */
export function dropDisabledPodFields(spec: PodSpec, old?: PodSpec): void {
  if (spec.schedulingGroup && !old?.schedulingGroup) delete spec.schedulingGroup;
  for (const kind of ['clusterTrustBundle', 'podCertificate'] as const) {
    if (!usesProjection(spec, kind) || (old && usesProjection(old, kind))) continue;
    for (const volume of spec.volumes ?? []) for (const source of volume.projected?.sources ?? []) delete source[kind];
  }
  if (!usesStopSignal(spec) || (old && usesStopSignal(old))) return;
  for (const { container } of everyContainer(spec)) {
    if (!container.lifecycle) continue;
    delete container.lifecycle.stopSignal;
    if (Object.keys(container.lifecycle).length === 0) delete container.lifecycle;
  }
}

function usesProjection(spec: PodSpec, kind: 'clusterTrustBundle' | 'podCertificate'): boolean {
  return (spec.volumes ?? []).some(volume => volume.projected?.sources?.some(source => source[kind]));
}

function usesStopSignal(spec: PodSpec): boolean {
  const has = (containers: PodSpec['containers'] | undefined): boolean =>
    (containers ?? []).some(container => container.lifecycle?.stopSignal !== undefined);
  return has(spec.containers) || has(spec.initContainers) || has(spec.ephemeralContainers as PodSpec['containers'] | undefined);
}
