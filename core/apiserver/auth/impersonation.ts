import { quote } from '../../machinery/field-errors.js';
import { validateDns1123Subdomain, validateHttpPath } from '../../machinery/names.js';
import { badRequest, isStatusError } from '../../machinery/status-error.js';
import type { StatusError } from '../../machinery/status-error.js';
import type { Attributes, Authorizer } from './authorizer.js';
import { resourceAttributes } from './authorizer.js';
import { headerValues } from './authenticator.js';
import { forbiddenError } from './forbidden.js';
import { prefixedExtra } from './request-header-authenticator.js';
import type { UserInfo } from './user-info.js';
import {
  anonymousUser,
  authenticatedGroup,
  extraKeys,
  mastersGroup,
  nodeNameOfUsername,
  nodesGroup,
  serviceAccountGroups,
  splitServiceAccountUsername,
  unauthenticatedGroup,
} from './user-info.js';

const extraPrefix = 'impersonate-extra-';

/** Whom the impersonation headers name, as they came. */
interface WantedUser {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

type ModeName = 'associated-node' | 'arbitrary-node' | 'serviceaccount' | 'user-info';

/**
 * `Impersonate-*` headers: who may act as whom. The constrained modes of KEP-5284 are tried first (each needs one permission
 * for the user and one, `impersonate-on:MODE:VERB`, for the request), then the old `impersonate` verb.
 * Source: apiserver pkg/endpoints/filters/impersonation.
 */
export class Impersonation {
  readonly #authorizer: Authorizer;

  constructor(authorizer: Authorizer) {
    this.#authorizer = authorizer;
  }

  /**
   * The user that the request acts as: `user` itself without impersonation headers. `attributes` are those of the request,
   * with `user` as the user; without them only the old mode is tried. `heard` is told by which constrained mode it may, if by one.
   * Throws 400 for headers that name no user and 403.
   */
  impersonate(
    user: UserInfo,
    rawHeaders: readonly string[],
    attributes?: Attributes,
    heard?: (constraint: string) => void,
  ): UserInfo {
    if (!hasImpersonationHeader(rawHeaders)) return user;
    const wanted = readHeaders(rawHeaders);
    if (!wanted) return user;
    let firstError: StatusError | undefined;
    for (const mode of attributes ? constrainedModes : []) {
      if (!modeApplies(mode, wanted, user)) continue;
      try {
        const allowed = this.#constrained(mode, wanted, attributes!);
        heard?.(`impersonate:${mode}`);
        return allowed;
      } catch (error) {
        if (!isStatusError(error)) throw error;
        firstError ??= error;
      }
    }
    try {
      return this.#legacy(wanted, user);
    } catch (error) {
      throw firstError ?? error;
    }
  }

  #constrained(mode: ModeName, wanted: WantedUser, attributes: Attributes): UserInfo {
    const requestor = mode === 'associated-node' ? withKeysOnly(attributes.user) : attributes.user;
    this.#require({ ...attributes, user: requestor, verb: `impersonate-on:${mode}:${attributes.verb}` });
    const check = new FieldChecks(this.#authorizer, { requestor, verb: `impersonate:${mode}`, constrained: true });
    const nodeName = nodeNameOfUsername(wanted.name);
    const account = splitServiceAccountUsername(wanted.name);
    let { groups } = wanted;
    if (nodeName !== undefined) {
      // A permission for the associated node must hold for whichever node that is.
      check.require('nodes', mode === 'associated-node' ? '*' : nodeName);
      groups = [nodesGroup];
    } else if (account) {
      check.require('serviceaccounts', account.name, { namespace: account.namespace });
      groups = serviceAccountGroups(account.namespace);
    } else check.require('users', wanted.name);
    if (wanted.uid) check.require('uids', wanted.uid);
    check.requireGroups(wanted.groups);
    check.requireExtra(wanted.extra);
    return finished({ ...wanted, groups });
  }

  #legacy(wanted: WantedUser, requestor: UserInfo): UserInfo {
    const check = new FieldChecks(this.#authorizer, { requestor, verb: 'impersonate', constrained: false });
    const account = splitServiceAccountUsername(wanted.name);
    let { groups } = wanted;
    if (account) {
      check.require('serviceaccounts', account.name, { namespace: account.namespace });
      if (groups.length === 0) groups = serviceAccountGroups(account.namespace);
    } else check.require('users', wanted.name);
    if (wanted.uid) check.require('uids', wanted.uid);
    check.requireGroups(wanted.groups);
    check.requireExtra(wanted.extra);
    return finished({ ...wanted, groups });
  }

  #require(attributes: Attributes): void {
    requireAllowed(this.#authorizer, attributes);
  }
}

const constrainedModes: readonly ModeName[] = ['associated-node', 'arbitrary-node', 'serviceaccount', 'user-info'];

function modeApplies(mode: ModeName, wanted: WantedUser, requestor: UserInfo): boolean {
  const nodeName = nodeNameOfUsername(wanted.name);
  const isAccount = splitServiceAccountUsername(wanted.name) !== undefined;
  if (mode === 'user-info') return nodeName === undefined && !isAccount;
  if (wanted.uid || wanted.groups.length > 0 || Object.keys(wanted.extra).length > 0) return false;
  if (mode === 'serviceaccount') return isAccount;
  if (nodeName === undefined) return false;
  if (mode === 'arbitrary-node') return true;
  if (!splitServiceAccountUsername(requestor.name)) return false;
  const own = requestor.extra?.[extraKeys.nodeName];
  return own?.length === 1 && own[0] === nodeName;
}

/** With this many values one check for all of them is tried first. */
const manyChecks = 4;

interface CheckOptions {
  readonly requestor: UserInfo;
  readonly verb: string;
  readonly constrained: boolean;
}

class FieldChecks {
  readonly #authorizer: Authorizer;
  readonly #options: CheckOptions;

  constructor(authorizer: Authorizer, options: CheckOptions) {
    this.#authorizer = authorizer;
    this.#options = options;
  }

  require(resource: string, name: string, more: { namespace?: string; subresource?: string } = {}): void {
    requireAllowed(this.#authorizer, this.#attributes(resource, name, more));
  }

  requireGroups(groups: readonly string[]): void {
    if (this.#options.constrained) {
      if (groups.includes('')) this.#forbid('groups', '', 'impersonating the empty string group is not allowed');
      if (groups.includes(mastersGroup)) {
        this.#forbid('groups', mastersGroup, `impersonating the ${mastersGroup} group is not allowed`);
      }
      if (groups.length >= manyChecks && this.#allows('groups', '*')) return;
    }
    for (const group of groups) this.require('groups', group);
  }

  requireExtra(extra: WantedUser['extra']): void {
    const entries = Object.entries(extra);
    if (entries.length === 0) return;
    if (this.#options.constrained) {
      for (const [key, values] of entries) {
        const wrong = extraFault(key, values);
        if (wrong) this.#forbid('userextras', '', wrong);
      }
      const count = entries.reduce((sum, [, values]) => sum + values.length, 0);
      if (count >= manyChecks && this.#allows('userextras', '*', { subresource: '*' })) return;
    }
    for (const [key, values] of entries) {
      for (const value of values) this.require('userextras', value, { subresource: key });
    }
  }

  #attributes(resource: string, name: string, more: { namespace?: string; subresource?: string } = {}): Attributes {
    const { requestor, verb, constrained } = this.#options;
    // The old verb knows users, groups and service accounts in the core group.
    const core = !constrained && resource !== 'uids' && resource !== 'userextras';
    const group = core ? '' : 'authentication.k8s.io';
    return resourceAttributes({ user: requestor, verb, group, version: 'v1', resource, name, ...more });
  }

  #allows(resource: string, name: string, more: { subresource?: string } = {}): boolean {
    return this.#authorizer.authorize(this.#attributes(resource, name, more)).decision === 'allow';
  }

  #forbid(resource: string, name: string, reason: string): never {
    throw forbiddenError(this.#attributes(resource, name), reason);
  }
}

function requireAllowed(authorizer: Authorizer, attributes: Attributes): void {
  const verdict = authorizer.authorize(attributes);
  if (verdict.decision !== 'allow') throw forbiddenError(attributes, verdict.reason);
}

function extraFault(key: string, values: readonly string[]): string | undefined {
  if (key === '') return 'impersonating the empty string key in extra is not allowed';
  const fault = prefixedPathFault(key);
  if (fault) return `impersonating an invalid key in extra is not allowed: extra.key: ${fault}`;
  if (key !== key.toLowerCase()) return `impersonating a non-lowercase key in extra is not allowed: ${quote(key)}`;
  if (values.length === 0) return 'impersonating empty values in extra is not allowed';
  if (values.includes('')) return 'impersonating the empty string value in extra is not allowed';
  return undefined;
}

function prefixedPathFault(key: string): string | undefined {
  const slash = key.indexOf('/');
  if (slash <= 0 || slash === key.length - 1) {
    return `Invalid value: ${quote(key)}: must be a domain-prefixed path (such as "acme.io/foo")`;
  }
  const host = key.slice(0, slash);
  const path = key.slice(slash + 1);
  const hostFault = validateDns1123Subdomain(host)[0];
  if (hostFault) return `Invalid value: ${quote(host)}: ${hostFault}`;
  const pathFault = validateHttpPath(path)[0];
  return pathFault ? `Invalid value: ${quote(path)}: ${pathFault}` : undefined;
}

/** The requestor without the values of its extra: what the check for an associated node may depend on. */
function withKeysOnly(user: UserInfo): UserInfo {
  const keys = Object.keys(user.extra ?? {}).sort();
  return { ...user, extra: { 'authentication.kubernetes.io/associated-node-keys': keys } };
}

function finished(user: WantedUser): UserInfo {
  const groups = [...user.groups];
  const needed = user.name === anonymousUser ? unauthenticatedGroup : authenticatedGroup;
  if (!groups.includes(unauthenticatedGroup) && !groups.includes(needed)) groups.push(needed);
  return { name: user.name, ...(user.uid ? { uid: user.uid } : {}), groups, extra: user.extra };
}

/** Cheap for the requests without such headers, which are nearly all. */
function hasImpersonationHeader(rawHeaders: readonly string[]): boolean {
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const first = rawHeaders[i]!.charCodeAt(0) | 0x20;
    if (first === 0x69 && rawHeaders[i]!.toLowerCase().startsWith('impersonate-')) return true;
  }
  return false;
}

function readHeaders(rawHeaders: readonly string[]): WantedUser | undefined {
  const wanted: WantedUser = {
    name: headerValues(rawHeaders, 'impersonate-user')[0] ?? '',
    uid: headerValues(rawHeaders, 'impersonate-uid')[0] ?? '',
    groups: headerValues(rawHeaders, 'impersonate-group'),
    extra: prefixedExtra(rawHeaders, extraPrefix),
  };
  if (wanted.name !== '') return wanted;
  if (wanted.uid === '' && wanted.groups.length === 0 && Object.keys(wanted.extra).length === 0) return undefined;
  throw badRequest(`requested ${goText(wanted)} without impersonating a user name`);
}

/** The user as Go prints the struct: the text that clients of 1.36 see. */
function goText({ name, uid, groups, extra }: WantedUser): string {
  const list = (items: readonly string[]): string => `{${items.map(quote).join(', ')}}`;
  const keys = Object.keys(extra).sort();
  const groupsText = groups.length > 0 ? `[]string${list(groups)}` : '[]string(nil)';
  const entries = keys.map(key => `${quote(key)}:[]string${list(extra[key]!)}`).join(', ');
  const extraText = keys.length > 0 ? `map[string][]string{${entries}}` : 'map[string][]string(nil)';
  return `&user.DefaultInfo{Name:${quote(name)}, UID:${quote(uid)}, Groups:${groupsText}, Extra:${extraText}}`;
}
