import type { Step } from '../replay.js';

export const core = (resource: string): string => `/api/v1/namespaces/default/${resource}`;
export const merge = 'application/merge-patch+json';
export const strategic = 'application/strategic-merge-patch+json';
export const jsonPatch = 'application/json-patch+json';
export const apply = 'application/apply-patch+yaml';
export const container = { name: 'c', image: 'i' };

/** Of the pods that `pod` makes. */
export const account: Step = {
  do: 'create',
  at: core('serviceaccounts'),
  body: { metadata: { name: 'differential' }, automountServiceAccountToken: false },
};

export function pod(name: string, spec: object = {}): { metadata: { name: string }; spec: object } {
  return { metadata: { name }, spec: { serviceAccountName: 'differential', containers: [container], ...spec } };
}

export const patched = (type: string, patch: unknown, sub?: string): Step => ({
  do: 'patch',
  type,
  patch,
  ...(sub ? { sub } : {}),
});
