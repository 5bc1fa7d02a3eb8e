import type { CallerIdentity } from '../../contracts/api-transport.js';

/** Who makes a request. Source: apiserver pkg/authentication/user. */
export interface UserInfo {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

export const anonymousUser = 'system:anonymous';
export const authenticatedGroup = 'system:authenticated';
export const unauthenticatedGroup = 'system:unauthenticated';
/** Members may do everything; no authorizer is asked. */
export const mastersGroup = 'system:masters';
export const nodesGroup = 'system:nodes';

export const nodeUserPrefix = 'system:node:';
const serviceAccountPrefix = 'system:serviceaccount:';
const serviceAccountsGroup = 'system:serviceaccounts';

export const extraKeys = {
  credentialId: 'authentication.kubernetes.io/credential-id',
  podName: 'authentication.kubernetes.io/pod-name',
  podUid: 'authentication.kubernetes.io/pod-uid',
  nodeName: 'authentication.kubernetes.io/node-name',
  nodeUid: 'authentication.kubernetes.io/node-uid',
} as const;

export function serviceAccountUsername(namespace: string, name: string): string {
  return `${serviceAccountPrefix}${namespace}:${name}`;
}

export function serviceAccountGroups(namespace: string): string[] {
  return [serviceAccountsGroup, `${serviceAccountsGroup}:${namespace}`];
}

// A label each, and a subdomain for the account: what upstream accepts as parts of a service account's user name.
const namespacePattern = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const accountPattern = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;

/** Namespace and name of a service account's user name; undefined for any other user. */
export function splitServiceAccountUsername(username: string): { namespace: string; name: string } | undefined {
  if (!username.startsWith(serviceAccountPrefix)) return undefined;
  const [namespace, name, ...more] = username.slice(serviceAccountPrefix.length).split(':');
  if (namespace === undefined || name === undefined || more.length > 0) return undefined;
  if (!namespacePattern.test(namespace) || !isDnsSubdomain(name)) return undefined;
  return { namespace, name };
}

/** The node's name of a user name `system:node:NAME`; undefined for any other user. */
export function nodeNameOfUsername(username: string): string | undefined {
  if (!username.startsWith(nodeUserPrefix)) return undefined;
  const name = username.slice(nodeUserPrefix.length);
  return isDnsSubdomain(name) ? name : undefined;
}

export function isDnsSubdomain(name: string): boolean {
  return name.length <= 253 && accountPattern.test(name);
}

/** The same user with `system:authenticated`, which every authenticated user has. */
export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  if (user.name === anonymousUser) return user;
  if (user.groups.includes(authenticatedGroup) || user.groups.includes(unauthenticatedGroup)) return user;
  return { ...user, groups: [...user.groups, authenticatedGroup] };
}

/** Who calls from within the process. */
export function userOf(caller: CallerIdentity): UserInfo {
  return { name: caller.name, uid: caller.uid, groups: caller.groups, extra: caller.extra ?? {} };
}
