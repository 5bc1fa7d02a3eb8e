import type { AdmissionAttributes } from '../../../contracts/admission.js';
import type { KubeObject } from '../../../machinery/object.js';
import { userOf } from '../../auth/user-info.js';
import type { ObjectLookup } from '../object-lookup.js';
import { findNamespace, objectsAs } from '../request-matching.js';
import { requestFields } from '../webhooks/admission-review.js';
import type { AdmissionShapes, Invocation } from '../webhooks/admission-shapes.js';
import { namespaceOf } from '../webhooks/request-scope.js';
import type { AdmissionVariables } from './admission-activation.js';
import { withoutManagedFields } from './policy-params.js';

/** What upstream shows of a Namespace's metadata: no owners, no managed fields. */
const shownMetadata = [
  'name',
  'generateName',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'labels',
  'annotations',
  'finalizers',
] as const;

/** What policies are shown of one request, made when a policy first needs it and then kept for the others. */
export class PolicyRequest {
  readonly #attributes: AdmissionAttributes;
  readonly #shapes: AdmissionShapes;
  readonly #lookup: ObjectLookup;
  readonly #shown = new Map<string, Promise<Omit<AdmissionVariables, 'params'>>>();
  #namespace: Promise<object | undefined> | undefined;

  constructor(attributes: AdmissionAttributes, shapes: AdmissionShapes, lookup: ObjectLookup) {
    this.#attributes = attributes;
    this.#shapes = shapes;
    this.#lookup = lookup;
  }

  /** Of the namespace of the request; undefined where it has none. Rejects with NotFound. */
  namespace(): Promise<object | undefined> {
    return (this.#namespace ??= this.#findNamespace());
  }

  async #findNamespace(): Promise<object | undefined> {
    const attributes = this.#attributes;
    const { group, version, kind } = this.#shapes.kind(attributes, attributes.subresource) ?? attributes;
    // A Namespace lies in itself, but is not its own namespace here.
    if (kind === 'Namespace' && version === 'v1' && group === '') return undefined;
    const name = namespaceOf(attributes);
    if (!name) return undefined;
    const namespace = await findNamespace(name, this.#lookup);
    const { kind: _kind, apiVersion: _apiVersion, ...shown } = withoutManagedFields(namespace) as KubeObject;
    return shown;
  }

  /** The variables of expressions in the version that a policy is for. Rejects where the objects cannot be converted. */
  shown(invocation: Invocation): Promise<Omit<AdmissionVariables, 'params'>> {
    const { group, version, resource } = invocation.resource;
    const key = `${group}/${version}/${resource}`;
    let shown = this.#shown.get(key);
    if (!shown) {
      shown = this.#show(invocation);
      this.#shown.set(key, shown);
    }
    return shown;
  }

  async #show(invocation: Invocation): Promise<Omit<AdmissionVariables, 'params'>> {
    const attributes = this.#attributes;
    const { group, resource, subresource, name, caller } = attributes;
    const { object, oldObject } = await objectsAs(this.#shapes, attributes, invocation);
    const namespace = (await this.namespace()) as Partial<KubeObject> | undefined;
    return {
      object: this.#json(object, invocation),
      oldObject: this.#json(oldObject, invocation),
      request: this.fields(invocation),
      namespaceObject: namespace && { ...namespace, metadata: pick(namespace.metadata ?? {}, shownMetadata) },
      user: userOf(caller),
      target: { group, resource, subresource, namespace: namespaceOf(attributes), name },
    };
  }

  /** `request` for a policy that sees the request so. */
  fields(invocation: Invocation): Record<string, unknown> {
    const attributes = this.#attributes;
    return requestFields(attributes, invocation, this.#shapes.kind(attributes, attributes.subresource) ?? invocation.kind);
  }

  #json(object: Readonly<KubeObject> | undefined, { resource }: Invocation): object | undefined {
    return object && this.#shapes.toJson(resource, this.#attributes.subresource, object);
  }
}

function pick<T extends object, K extends string>(object: T, names: readonly K[]): Partial<T> {
  return Object.fromEntries(Object.entries(object).filter(([name]) => (names as readonly string[]).includes(name))) as Partial<T>;
}

/** Policies are not asked about what configures them, nor about questions that authentication and authorization answer. */
export function isExcluded({ group, resource }: AdmissionAttributes): boolean {
  return excluded.get(group)?.has(resource) ?? false;
}

/** Source: kubernetes pkg/kubeapiserver/admission/exclusion, apiserver pkg/admission/plugin/policy/generic. */
const excluded: ReadonlyMap<string, ReadonlySet<string>> = new Map([
  [
    'admissionregistration.k8s.io',
    new Set([
      'mutatingadmissionpolicies',
      'mutatingadmissionpolicybindings',
      'validatingadmissionpolicies',
      'validatingadmissionpolicybindings',
    ]),
  ],
  ['authentication.k8s.io', new Set(['selfsubjectreviews', 'tokenreviews'])],
  [
    'authorization.k8s.io',
    new Set(['localsubjectaccessreviews', 'selfsubjectaccessreviews', 'selfsubjectrulesreviews', 'subjectaccessreviews']),
  ],
]);
