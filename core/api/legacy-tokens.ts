/** What is noted about tokens that lie in Secrets. Source: KEP-2799. */
export const lastUsedLabel = 'kubernetes.io/legacy-token-last-used';
/** Set on Secrets whose tokens are no longer taken. */
export const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since';

/** Tells since when uses are noted. */
export const trackingConfigMap = {
  namespace: 'kube-system',
  name: 'kube-apiserver-legacy-service-account-token-tracking',
  key: 'since',
} as const;

export const dayMs = 24 * 3600 * 1000;

/** A day as these notes name it, in UTC: 2026-01-31. */
export function dayOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 10);
}

/** The day's first millisecond; undefined for what `dayOf` would not have written. */
export function startOfDay(day: string | undefined): number | undefined {
  if (day === undefined || !/^\d{4}-\d{2}-\d{2}$/.test(day)) return undefined;
  const timeMs = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(timeMs) || dayOf(timeMs) !== day ? undefined : timeMs;
}
