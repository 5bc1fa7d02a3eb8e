import type { ParamKind, ParamRef } from '../../../api/generated/types.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import { fieldPath } from '../../../machinery/field-errors.js';
import { parseGroupVersion } from '../../admission/policies/policy-params.js';
import type { UserInfo } from '../../auth/user-info.js';
import { mastersGroup, userOf } from '../../auth/user-info.js';
import type { RequestContext } from '../../registry/resource-definition.js';

/** The plural name under which a kind is served; undefined for what is not served. */
export type ResourceNames = (group: string, version: string, kind: string) => string | undefined;

/**
 * Whoever writes a policy must be able to read what it takes its parameters from, or it would read it for them. Source: kubernetes
 * pkg/registry/admissionregistration, authz.go of the policies.
 */
export async function checkParamKind(
  paramKind: ParamKind,
  errors: FieldErrors,
  context: RequestContext,
  names: ResourceNames,
): Promise<void> {
  if (context.caller.groups.includes(mastersGroup)) return;
  const asked = askedResource(paramKind, names);
  if (await context.allows({ verb: 'get', name: '*', namespace: '*', ...asked })) return;
  const { kind = '', apiVersion = '' } = paramKind;
  const what = `all objects of the referenced paramKind (kind=${kind}, apiVersion=${apiVersion})`;
  const user = goUserText(userOf(context.caller));
  errors.forbidden(fieldPath('spec', 'paramKind'), `user ${user} must have "get" permission on ${what}`);
}

export interface BoundParams {
  readonly policyName: string;
  /** Undefined: there is no such policy. */
  readonly policy: { readonly spec: { readonly paramKind?: ParamKind } } | undefined;
  readonly paramRef: ParamRef;
}

/** The same for bindings, which name the parameters. */
export async function checkParamRef(
  { policyName, policy, paramRef }: BoundParams,
  errors: FieldErrors,
  context: RequestContext,
  names: ResourceNames,
): Promise<void> {
  if (context.caller.groups.includes(mastersGroup)) return;
  const paramKind = policy?.spec.paramKind;
  const asked = paramKind ? askedResource(paramKind, names) : anything;
  const { name = '', namespace = '' } = paramRef;
  const verb = name ? 'get' : 'list';
  if (await context.allows({ verb, name, namespace, ...asked })) return;
  const user = goUserText(userOf(context.caller));
  const minimum = `to determine minimum required permissions and user ${user} does not have "${verb}" permission`;
  const path = fieldPath('spec', 'paramRef');
  if (!policy) errors.forbidden(path, `unable to get policy ${policyName} ${minimum} for all groups, versions and resources`);
  else if (paramKind && asked.resource === '*') {
    const kind = `&{${paramKind.apiVersion ?? ''} ${paramKind.kind ?? ''}}`;
    errors.forbidden(path, `unable to resolve paramKind ${kind} ${minimum} for all groups, versions and resources`);
  } else errors.forbidden(path, `user ${user} does not have "${verb}" permission on the object referenced by paramRef`);
}

const anything = { group: '*', resource: '*' };

function askedResource({ apiVersion = '', kind = '' }: ParamKind, names: ResourceNames): { group: string; resource: string } {
  const { group, version } = parseGroupVersion(apiVersion);
  return { group, resource: names(group, version, kind) ?? '*' };
}

/** A user as Go prints one. */
function goUserText({ name, uid = '', groups, extra = {} }: UserInfo): string {
  const entries = Object.keys(extra)
    .sort()
    .map(key => `${key}:[${extra[key]!.join(' ')}]`);
  return `&{${name} ${uid} [${groups.join(' ')}] map[${entries.join(' ')}]}`;
}
