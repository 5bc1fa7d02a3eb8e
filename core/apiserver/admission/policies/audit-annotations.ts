import type { AdmissionAttributes } from '../../../contracts/admission.js';
import { goJsonText } from '../../../machinery/field-errors.js';
import type { PolicyDecision, ValidatingBinding } from './validating-decision.js';

const longestValueBytes = 10 * 1024;
const failureKey = 'validation.policy.admission.k8s.io/validation_failure';

/** What a policy's audit annotations come to over all its bindings. */
export class AuditAnnotations {
  readonly #values = new Map<string, Set<string>>();

  add(key: string, value: string): void {
    let values = this.#values.get(key);
    if (!values) this.#values.set(key, (values = new Set()));
    values.add(shortened(value));
  }

  publish(policy: string, attributes: AdmissionAttributes): void {
    for (const [key, values] of this.#values) attributes.annotate?.(`${policy}/${key}`, [...values].join(', '));
  }
}

function shortened(value: string): string {
  const bytes = Buffer.from(value);
  return bytes.length > longestValueBytes ? bytes.subarray(0, longestValueBytes).toString() : value;
}

/** Key and value that tell of a failed validation. */
export function failureAnnotation(
  { metadata, spec }: ValidatingBinding,
  index: number,
  decision: PolicyDecision,
): [string, string] {
  const failure = {
    message: decision.message,
    policy: spec.policyName ?? '',
    binding: metadata.name,
    expressionIndex: index,
    validationActions: spec.validationActions ?? [],
  };
  return [failureKey, goJsonText([failure])];
}
