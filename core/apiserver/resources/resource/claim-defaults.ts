import type { DeviceToleration, ExactDeviceRequest, ResourceClaimSpec } from '../../../api/generated/types.js';

/** Source: kubernetes pkg/apis/resource/v1/defaults.go. */
export function defaultClaimSpec({ devices }: ResourceClaimSpec): void {
  for (const { exactly, firstAvailable = [] } of devices?.requests ?? []) {
    if (exactly) defaultRequest(exactly);
    for (const alternative of firstAvailable) defaultRequest(alternative);
  }
}

function defaultRequest(request: Pick<ExactDeviceRequest, 'allocationMode' | 'count' | 'tolerations'>): void {
  request.allocationMode ||= 'ExactCount';
  if (request.allocationMode === 'ExactCount') request.count ||= 1;
  defaultTolerations(request.tolerations);
}

export function defaultTolerations(tolerations: readonly DeviceToleration[] = []): void {
  for (const toleration of tolerations) toleration.operator ||= 'Equal';
}
