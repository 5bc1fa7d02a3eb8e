import type { Clock } from '../../base/clock.js';
import { CodedError } from '../../base/errors.js';
import { bindingReadiness, bindingTimeoutMs, isBindingTimedOut } from './binding-conditions.js';
import type { PodClaim } from './claim-state.js';
import type { DeviceClaims } from './device-claims.js';

export interface DeviceWaitingOptions {
  readonly claims: DeviceClaims;
  readonly clock: Clock;
}

/** Until all devices of the claims are ready for their node. Rejects with DEVICE_BINDING when one fails or takes too long. */
export async function waitForDevices(
  { claims, clock }: DeviceWaitingOptions,
  entries: readonly PodClaim[],
  signal: AbortSignal,
): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    for (const entry of entries) {
      const { namespace = '', name } = entry.claim.metadata;
      const claim = claims.get(namespace, name);
      if (!claim) return reject(fault(`resourceclaim.resource.k8s.io "${name}" not found`));
      entry.claim = claim;
      const readiness = bindingReadiness(claim);
      if (typeof readiness === 'object') return reject(fault(readiness.failed));
      if (readiness === 'ready') continue;
      if (isBindingTimedOut(claim, clock.now())) reject(fault(`device binding timeout: claim=${name}`));
      return;
    }
    resolve();
  };
  const onAbort = (): void => reject(signal.reason);
  const changes = claims.onChange(look);
  const timer = clock.setTimer(bindingTimeoutMs, () => reject(fault('device binding timeout: context deadline exceeded')));
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal.aborted) onAbort();
    else look();
    await promise;
  } finally {
    void changes.dispose();
    signal.removeEventListener('abort', onAbort);
    void timer.dispose();
  }
}

const fault = (text: string): CodedError => new CodedError('DEVICE_BINDING', text);
