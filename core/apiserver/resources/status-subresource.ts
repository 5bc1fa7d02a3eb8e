import type { FieldErrors } from '../../machinery/field-errors.js';
import type { KubeObject } from '../../machinery/object.js';
import { cloneJson } from '../../machinery/object.js';
import type { Check, RequestContext, StatusSubresource } from '../registry/resource-definition.js';

/**
 * The `status` endpoint of kinds that put back nothing but spec and, where upstream does, labels: annotations, finalizers and
 * owners can be changed there too. Pair it with `statusResetFields`.
 */
export function statusSubresource<T extends KubeObject & { spec?: unknown }>(options: {
  readonly keepLabels?: boolean;
  readonly checks?: readonly Check[];
  validateUpdate?(object: T, old: Readonly<T>, errors: FieldErrors, context: RequestContext): void;
}): StatusSubresource<T> {
  return {
    type: 'update',
    prepareForUpdate(object, old) {
      object.spec = cloneJson(old.spec);
      if (!options.keepLabels) return;
      if (old.metadata.labels) object.metadata.labels = { ...old.metadata.labels };
      else delete object.metadata.labels;
    },
    checks: options.checks,
    validateUpdate: options.validateUpdate,
  };
}

/** The fields that go back at the resource itself and at such a status endpoint. */
export const statusResetFields = { '': ['status'], status: ['spec'] } as const;
export const statusResetFieldsWithLabels = { '': ['status'], status: ['spec', 'metadata.labels'] } as const;
