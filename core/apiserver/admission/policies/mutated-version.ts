import { errorCode } from '../../../base/errors.js';
import type { GroupVersionKind, KubeObject } from '../../../machinery/object.js';
import { applyJsonPatch } from '../../../machinery/patch/json-patch.js';
import { atomicFields } from '../../../machinery/patch/managed-fields/atomic-fields.js';
import type { MergeType } from '../../../machinery/patch/managed-fields/merge-type.js';
import { mergeValues, validateApplied } from '../../../machinery/patch/managed-fields/typed-value.js';
import { internalError, serviceUnavailable } from '../../../machinery/status-error.js';
import { kindText } from '../../handlers/merge-misfit.js';
import { plainFault } from '../mutated-object.js';
import type { Invocation, MergingShapes } from '../webhooks/admission-shapes.js';
import { policyFault } from './policy-fault.js';

type Members = Readonly<Record<string, unknown>>;

/**
 * The object of a request in the version that policies match, and what they have made of it so far. Source: apiserver
 * pkg/admission/plugin/policy/mutating/patch.
 */
export class MutatedVersion {
  readonly invocation: Invocation;
  /** Whether a mutation was done, be it one that changed nothing. */
  isDirty = false;
  readonly #shapes: MergingShapes;
  readonly #subresource: string;
  #object: Readonly<KubeObject>;
  #json: object | undefined;

  constructor(shapes: MergingShapes, options: { invocation: Invocation; subresource: string; object: Readonly<KubeObject> }) {
    this.#shapes = shapes;
    this.invocation = options.invocation;
    this.#subresource = options.subresource;
    this.#object = options.object;
  }

  /** Never changed in place. */
  get object(): Readonly<KubeObject> {
    return this.#object;
  }

  /** As a client would read it. */
  get json(): object {
    return (this.#json ??= this.#shapes.toJson(this.invocation.resource, this.#subresource, this.#object));
  }

  /**
   * Merges a configuration into the object. Throws POLICY_FAULT for one that does not fit or would replace what is atomic, and a
   * StatusError where nothing can be merged.
   */
  apply(configuration: Members): void {
    const type = this.#mergeType();
    const { apiVersion, kind } = this.json as { apiVersion: unknown; kind: unknown };
    const applied = { ...configuration, apiVersion, kind };
    told('error applying patch: failed to convert patch object to typed object', () => validateApplied(applied, type));
    const atomic = atomicFields(applied, type);
    if (atomic.length > 0) {
      const what = 'may not mutate atomic arrays, maps or structs';
      throw policyFault(`error applying patch: invalid ApplyConfiguration: ${what}: ${atomic.join(', ')}`);
    }
    const merged = told('error applying patch: failed to merge patch', () => mergeValues(this.json, applied, type));
    const { resource } = this.invocation;
    this.#become(told('', () => this.#shapes.fromMerged(resource, this.#subresource, merged as object)));
  }

  /** Throws POLICY_FAULT for a patch that cannot be applied, and a StatusError where what it makes is no such object. */
  patch(operations: readonly Members[]): void {
    this.#mergeType();
    let patched: unknown;
    try {
      patched = applyJsonPatch(this.json, operations);
    } catch (error) {
      const { message } = plainFault(error);
      if (!message.endsWith(': test failed')) throw policyFault(`JSON Patch: ${message}`, error);
      patched = this.json;
    }
    const { resource } = this.invocation;
    try {
      this.#become(this.#shapes.fromJson(resource, this.#subresource, patched, true));
    } catch (error) {
      throw internalError(plainFault(error));
    }
  }

  #become(object: KubeObject): void {
    this.#object = object;
    this.#json = undefined;
    this.isDirty = true;
  }

  #mergeType(): MergeType {
    const { resource, kind } = this.invocation;
    const type = this.#shapes.mergeType(resource, this.#subresource);
    if (type) return type;
    throw serviceUnavailable(unknownKind(kind));
  }
}

function unknownKind(kind: GroupVersionKind): string {
  const delay = 'There can be a delay between when CustomResourceDefinitions are created and when they are available.';
  return `Resource kind ${kindText(kind)} not found. ${delay}`;
}

/** What does not fit is the policy's fault. */
function told<T>(what: string, step: () => T): T {
  try {
    return step();
  } catch (error) {
    const code = errorCode(error);
    if (code !== 'MERGE_FAULT' && code !== 'UNFIT_MERGE') throw error;
    const { message } = error as Error;
    throw policyFault(what ? `${what}: ${message}` : message, error);
  }
}
