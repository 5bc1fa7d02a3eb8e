import type { CertificateSigningRequest } from '../api/generated/types.js';
import type { RequestContent } from '../contracts/cluster-authority.js';

/** What the cluster's own signers accept. Source: pkg/apis/certificates helpers, pkg/controller/certificates/signer. */
export const kubeletServingSigner = 'kubernetes.io/kubelet-serving';
export const kubeletClientSigner = 'kubernetes.io/kube-apiserver-client-kubelet';
export const apiserverClientSigner = 'kubernetes.io/kube-apiserver-client';
export const legacySigner = 'kubernetes.io/legacy-unknown';

const clientUsages = ['key encipherment', 'digital signature', 'client auth'];
const servingUsages = ['key encipherment', 'digital signature', 'server auth'];

/** Elliptic keys have no use for key encipherment: it may be left out. */
function usagesMatch(usages: readonly string[], wanted: readonly string[]): boolean {
  const given = new Set(usages);
  given.delete('key encipherment');
  return wanted.every(usage => usage === 'key encipherment' || given.delete(usage)) && given.size === 0;
}

function usagesError(wanted: readonly string[]): string {
  return `usages did not match [${[...wanted].sort().join(' ')}]`;
}

function nodeSubjectError({ commonName, organizations }: RequestContent): string | undefined {
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes') return 'subject organization is not system:nodes';
  return commonName.startsWith('system:node:') ? undefined : 'subject common name does not begin with system:node:';
}

/** Why this is no client certificate of a node; undefined when it is. */
export function kubeletClientError(request: RequestContent, usages: readonly string[]): string | undefined {
  const { organizations, dnsNames, ipAddresses, otherNames } = request;
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes') return 'subject organization is not system:nodes';
  if (dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (otherNames > 0) return 'Email subjectAltNames are not allowed';
  if (ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  return nodeSubjectError(request) ?? (usagesMatch(usages, clientUsages) ? undefined : usagesError(clientUsages));
}

function kubeletServingError(request: RequestContent, usages: readonly string[]): string | undefined {
  const { organizations, dnsNames, ipAddresses, otherNames } = request;
  if (organizations.length !== 1 || organizations[0] !== 'system:nodes') return 'subject organization is not system:nodes';
  if (dnsNames.length === 0 && ipAddresses.length === 0) return 'DNS or IP subjectAltName is required';
  if (otherNames > 0) return 'Email subjectAltNames are not allowed';
  if (!usagesMatch(usages, servingUsages)) return usagesError(servingUsages);
  return nodeSubjectError(request);
}

function apiserverClientError(usages: readonly string[]): string | undefined {
  for (const usage of usages) {
    if (!clientUsages.includes(usage)) return `invalid usage for client certificate: ${usage}`;
  }
  return usages.includes('client auth') ? undefined : 'missing required usage for client certificate: client auth';
}

export interface SignerPolicy {
  readonly authority: 'client' | 'server';
  /** Why the request is refused for good; undefined when it is signed. */
  refuse(request: RequestContent, usages: readonly string[]): string | undefined;
}

/** By signer's name; others are signed elsewhere. */
export const signerPolicies: Readonly<Record<string, SignerPolicy>> = {
  [apiserverClientSigner]: { authority: 'client', refuse: (_request, usages) => apiserverClientError(usages) },
  [kubeletClientSigner]: { authority: 'client', refuse: kubeletClientError },
  [kubeletServingSigner]: { authority: 'server', refuse: kubeletServingError },
  [legacySigner]: { authority: 'server', refuse: () => undefined },
};

export function hasTrueCondition({ status }: CertificateSigningRequest, type: string): boolean {
  return (status?.conditions ?? []).some(condition => condition.type === type && condition.status !== 'False');
}

/** Approved and not denied. */
export function isApproved(request: CertificateSigningRequest): boolean {
  return hasTrueCondition(request, 'Approved') && !hasTrueCondition(request, 'Denied');
}

/** The PEM text that the API carries in base64. */
export function pemOf(bytes: string): string {
  return Buffer.from(bytes, 'base64').toString('utf8');
}
