import type { APIService, APIServiceCondition } from '../../../api/generated/types.js';

const available = 'Available';

export function availableCondition({ status }: Readonly<APIService>): APIServiceCondition | undefined {
  return status?.conditions?.find(({ type }) => type === available);
}

export function isAvailable(service: Readonly<APIService>): boolean {
  return availableCondition(service)?.status === 'True';
}

export type Availability = Pick<APIServiceCondition, 'status' | 'reason' | 'message'>;

/** What APIServices are that name no Service. */
export const locallyAvailable: Availability = {
  status: 'True',
  reason: 'Local',
  message: 'Local APIServices are always available',
};

/** Writes the condition into a draft; its time changes with its status only. */
export function setAvailability(service: APIService, { status, reason, message }: Availability, now: string): void {
  const conditions = (service.status.conditions ??= []);
  const existing = conditions.find(({ type }) => type === available);
  if (!existing) {
    conditions.push({ type: available, status, lastTransitionTime: now, reason, message });
    return;
  }
  if (existing.status !== status) Object.assign(existing, { status, lastTransitionTime: now });
  Object.assign(existing, { reason, message });
}
