import { errorCode } from '../../../base/errors.js';
import { quote } from '../../../machinery/field-errors.js';
import type { GroupVersionKind, KubeObject } from '../../../machinery/object.js';
import { formatApiVersion } from '../../../machinery/object.js';
import { applyJsonPatch } from '../../../machinery/patch/json-patch.js';
import { atomicFields } from '../../../machinery/patch/managed-fields/atomic-fields.js';
import { mergeValues, validateApplied } from '../../../machinery/patch/managed-fields/typed-value.js';
import { internalError } from '../../../machinery/status-error.js';
import { kindText } from '../../handlers/merge-misfit.js';
import { plainFault } from '../mutated-object.js';
import type { Invocation, MergingShapes, ResourceName } from '../webhooks/admission-shapes.js';
import { policyFault } from './policy-fault.js';

const misfit = 'error applying patch: failed to convert patch object to typed object';

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
  readonly #asked: ResourceName;
  readonly #subresource: string;
  #object: Readonly<KubeObject>;
  #json: object | undefined;
  #misfit: Error | undefined;

  /** `asked`: under which name the request has it. */
  constructor(
    shapes: MergingShapes,
    options: { invocation: Invocation; asked: ResourceName; subresource: string; object: Readonly<KubeObject> },
  ) {
    this.#shapes = shapes;
    this.#asked = options.asked;
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
   * Merges a configuration into the object. Throws POLICY_FAULT for one that does not fit or would replace what is atomic.
   */
  apply(configuration: Members): void {
    const { resource, kind: target } = this.invocation;
    const type = this.#shapes.mergeType(resource, this.#subresource);
    if (!type) throw policyFault(`${misfit}: no corresponding type for ${kindText(target)}`);
    const { apiVersion, kind } = this.json as { apiVersion: unknown; kind: unknown };
    const applied = { ...configuration, apiVersion, kind };
    told(misfit, () => validateApplied(applied, type));
    const atomic = atomicFields(applied, type);
    if (atomic.length > 0) {
      const what = 'may not mutate atomic arrays, maps or structs';
      throw policyFault(`error applying patch: invalid ApplyConfiguration: ${what}: ${atomic.join(', ')}`);
    }
    const merged = told('error applying patch: failed to merge patch', () => mergeValues(this.json, applied, type));
    this.#become(told('', () => this.#shapes.fromMerged(resource, this.#subresource, merged as object)));
  }

  /** Throws POLICY_FAULT for a patch that cannot be applied, and a StatusError where what it makes is no such object. */
  patch(operations: readonly Members[]): void {
    let patched: unknown;
    try {
      patched = applyJsonPatch(this.json, operations);
    } catch (error) {
      const { message } = plainFault(error);
      if (!message.endsWith(': test failed')) throw policyFault(`JSON Patch: ${message}`, error);
      patched = this.json;
    }
    let object: KubeObject;
    try {
      object = this.#shapes.fromJson(this.invocation.resource, this.#subresource, patched, true);
    } catch (error) {
      const fault = plainFault(error);
      // Upstream reads any kind, and finds that it is another one when it wants to go on with it.
      if (!fault.message.endsWith(': unknown conversion')) throw internalError(fault);
      object = this.#otherKind(patched);
      this.#become(object);
      this.#misfit = new Error(`failed to convert object: ${fault.message}`, { cause: error });
      return;
    }
    this.#become(object);
  }

  /** Throws a StatusError where the object is of another kind than the request. */
  checkKind(): void {
    if (this.#misfit) throw internalError(this.#misfit);
  }

  #otherKind(json: unknown): KubeObject {
    try {
      return this.#shapes.fromAnyJson(json as KubeObject, true);
    } catch (error) {
      throw internalError(plainFault(error));
    }
  }

  #become(object: KubeObject): void {
    const { resource, kind } = this.invocation;
    const { group, version } = this.#asked;
    if ((resource.version !== version || resource.group !== group) && this.#shapes.isBuiltIn(resource)) {
      throw policyFault(conversionFault(kind, this.#asked));
    }
    this.#object = object;
    this.#json = undefined;
    this.#misfit = undefined;
    this.isDirty = true;
  }
}

/** Upstream makes the result one of the request's version, and knows no way there but for custom resources. */
function conversionFault({ group, version, kind }: GroupVersionKind, asked: ResourceName): string {
  if (asked.group === group) return `converting (${version}.${kind}) to (${asked.version}.${kind}): unknown conversion`;
  const target = quote(formatApiVersion(asked));
  return `${version}.${kind} is not suitable for converting to ${target} in scheme "pkg/runtime/scheme.go:111"`;
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
