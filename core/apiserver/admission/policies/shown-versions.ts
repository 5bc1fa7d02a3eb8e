import type { AdmissionAttributes } from '../../../contracts/admission.js';
import { userOf } from '../../auth/user-info.js';
import { keepReadableOwners, replaceContents } from '../mutated-object.js';
import { objectsAs } from '../request-matching.js';
import type { Invocation, MergingShapes } from '../webhooks/admission-shapes.js';
import { namespaceOf } from '../webhooks/request-scope.js';
import type { AdmissionVariables } from './admission-activation.js';
import { MutatedVersion } from './mutated-version.js';
import type { PolicyInvocation } from './policy-invocations.js';
import type { PolicyRequest } from './policy-request.js';

type Invoked = Pick<PolicyInvocation<unknown, unknown, unknown>, 'invocation' | 'params'>;

/** A version of the object of a request. */
export interface Version {
  readonly mutated: MutatedVersion;
  readonly oldJson: object | undefined;
}

/** The object of a request in the versions that policies match; each is changed on its own, and the last one counts, as upstream has it. */
export class Versions {
  readonly #attributes: AdmissionAttributes;
  readonly #shapes: MergingShapes;
  readonly #found = new Map<string, Version | { readonly failure: string }>();

  constructor(attributes: AdmissionAttributes, shapes: MergingShapes) {
    this.#attributes = attributes;
    this.#shapes = shapes;
  }

  async find(invocation: Invocation): Promise<Version | { readonly failure: string }> {
    const { group, version, resource } = invocation.resource;
    const key = `${group}/${version}/${resource}`;
    let found = this.#found.get(key);
    if (!found) {
      found = await this.#make(invocation);
      this.#found.set(key, found);
    }
    return found;
  }

  async #make(invocation: Invocation): Promise<Version | { readonly failure: string }> {
    const { subresource } = this.#attributes;
    try {
      const { object, oldObject } = await objectsAs(this.#shapes, this.#attributes, invocation);
      return {
        mutated: new MutatedVersion(this.#shapes, { invocation, asked: this.#attributes, subresource, object: object! }),
        oldJson: oldObject && this.#shapes.toJson(invocation.resource, subresource, oldObject),
      };
    } catch (error) {
      return { failure: `failed to configure policy: ${error instanceof Error ? error.message : String(error)}` };
    }
  }

  /** Makes the draft of the request what became of a version. */
  async write(mutated: MutatedVersion): Promise<void> {
    mutated.checkKind();
    const {
      object,
      invocation: { resource },
    } = mutated;
    const attributes = this.#attributes;
    const draft = attributes.object!;
    const isSame =
      resource.resource === attributes.resource && resource.version === attributes.version && resource.group === attributes.group;
    const made = isSame ? object : await this.#shapes.convert(object, resource, attributes);
    keepReadableOwners(made, draft, attributes);
    replaceContents(draft, made);
  }
}

export interface ShownRequest {
  readonly attributes: AdmissionAttributes;
  readonly request: PolicyRequest;
  readonly namespace: object | undefined;
}

/** What the expressions of an invocation are shown; the object as it is at that moment. */
export class ShownVersion {
  readonly mutated: MutatedVersion;
  readonly #version: Version;
  readonly #invoked: Invoked;
  readonly #shown: ShownRequest;

  constructor(version: Version, invoked: Invoked, shown: ShownRequest) {
    this.mutated = version.mutated;
    this.#version = version;
    this.#invoked = invoked;
    this.#shown = shown;
  }

  get variables(): AdmissionVariables {
    return this.#variables(this.#invoked.invocation, this.#shown.namespace);
  }

  /** Conditions name the resource as the request does, and never see the namespace. */
  get conditionVariables(): AdmissionVariables {
    const { group, version, resource } = this.#shown.attributes;
    return this.#variables({ ...this.#invoked.invocation, resource: { group, version, resource } }, undefined);
  }

  #variables(invocation: Invocation, namespaceObject: object | undefined): AdmissionVariables {
    const { attributes, request } = this.#shown;
    const { group, resource, subresource, name, caller } = attributes;
    const { mutated } = this;
    return {
      get object() {
        return mutated.json;
      },
      oldObject: this.#version.oldJson,
      params: this.#invoked.params,
      request: request.fields(invocation),
      namespaceObject,
      user: userOf(caller),
      target: { group, resource, subresource, namespace: namespaceOf(attributes), name },
    };
  }
}
