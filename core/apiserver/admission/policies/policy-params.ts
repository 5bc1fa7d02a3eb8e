import type { ParamKind, ParamRef } from '../../../api/generated/types.js';
import type { LabelSelector } from '../../../machinery/label-selector.js';
import { labelSelectorFromObject } from '../../../machinery/label-selector.js';
import type { KubeObject } from '../../../machinery/object.js';

/** Objects of the kind that a policy takes its parameters from. */
export interface ParamResource {
  readonly namespaced: boolean;
  /** As JSON; undefined: there is none of that name. `namespace` is '' for what lies in none. */
  get(namespace: string, name: string): Promise<object | undefined>;
  list(namespace: string, selector: LabelSelector): Promise<readonly object[]>;
}

/** Finds what is served, native and custom. */
export interface ParamResources {
  find(group: string, version: string, kind: string): ParamResource | undefined;
}

/** Splits `group/version`; throws for what has more parts. */
export function parseGroupVersion(apiVersion: string): { group: string; version: string } {
  const parts = apiVersion.split('/');
  if (apiVersion === '/' || apiVersion === '') return { group: '', version: '' };
  if (parts.length > 2) throw new Error(`unexpected GroupVersion string: ${apiVersion}`);
  return parts.length === 1 ? { group: '', version: parts[0]! } : { group: parts[0]!, version: parts[1]! };
}

/** Undefined where the policy has no parameters. Throws where their kind is not served. */
export function paramResource(kind: ParamKind | undefined, resources: ParamResources): ParamResource | undefined {
  if (!kind) return undefined;
  const { group, version } = parseGroupVersion(kind.apiVersion ?? '');
  const found = resources.find(group, version, kind.kind ?? '');
  if (found) return found;
  const name = `${group}/${version}, Kind=${kind.kind ?? ''}`;
  throw new Error(`failed to find resource referenced by paramKind: '${name}'`);
}

/**
 * The parameters to evaluate a policy with, once for each; one that is undefined where there are none to have; none at all where
 * nothing was found and that is allowed. Rejects in upstream's words. Source: CollectParams of apiserver
 * pkg/admission/plugin/policy/generic.
 */
export async function collectParams(
  resource: ParamResource | undefined,
  ref: ParamRef | undefined,
  requestNamespace: string,
): Promise<readonly (object | undefined)[]> {
  if (!resource || !ref) return [undefined];
  const params = await findParams(resource, ref, paramsNamespace(resource, ref, requestNamespace));
  if (params.length === 0 && ref.parameterNotFoundAction === 'Deny')
    throw new Error('no params found for policy binding with `Deny` parameterNotFoundAction');
  return params;
}

function paramsNamespace({ namespaced }: ParamResource, { namespace }: ParamRef, requestNamespace: string): string {
  if (!namespaced) {
    if (namespace) throw new Error('paramRef.namespace must not be provided for a cluster-scoped `paramKind`');
    return '';
  }
  const found = namespace || requestNamespace;
  if (!found) throw new Error('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources');
  return found;
}

async function findParams(resource: ParamResource, { name, selector }: ParamRef, namespace: string): Promise<readonly object[]> {
  if (name) {
    if (selector) throw new Error('paramRef.name and paramRef.selector are mutually exclusive');
    const found = await resource.get(namespace, name);
    return found ? [found] : [];
  }
  if (!selector) throw new Error('one of name or selector must be provided');
  return resource.list(namespace, labelSelectorFromObject(selector));
}

/** As upstream's caches show objects. */
export function withoutManagedFields(object: Readonly<KubeObject>): object {
  const { managedFields, ...metadata } = object.metadata;
  return managedFields ? { ...object, metadata } : object;
}
