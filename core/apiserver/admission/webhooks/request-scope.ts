import type { AdmissionAttributes } from '../../../contracts/admission.js';
import type { ResourceName } from './admission-shapes.js';

const registration = 'admissionregistration.k8s.io';
const exemptKinds = new Set([
  'MutatingAdmissionPolicy',
  'MutatingAdmissionPolicyBinding',
  'MutatingWebhookConfiguration',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionPolicyBinding',
  'ValidatingWebhookConfiguration',
]);

/** What configures admission is never held up by it, or a bad webhook could not be taken away. */
export function isExempt({ group, kind }: AdmissionAttributes): boolean {
  return group === registration && exemptKinds.has(kind);
}

export function isNamespace({ group, resource }: ResourceName): boolean {
  return group === '' && resource === 'namespaces';
}

/** A Namespace lies in itself. */
export function namespaceOf(attributes: AdmissionAttributes): string {
  return attributes.namespace || (isNamespace(attributes) ? attributes.name : '');
}
