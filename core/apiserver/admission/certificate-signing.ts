import type { CertificateSigningRequest } from '../../api/generated/types.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { semanticEqual } from '../../machinery/object.js';
import type { Authorizer } from '../auth/authorizer.js';
import { isFor, refusal } from './refusal.js';
import { maySigner } from './signer-permission.js';

/** Who writes a certificate or a condition must be allowed to sign for the request's signer. */
export class CertificateSigning implements AdmissionPlugin {
  readonly name = 'CertificateSigning';
  readonly #authorizer: Authorizer;

  constructor(authorizer: Authorizer) {
    this.#authorizer = authorizer;
  }

  handles(attributes: AdmissionAttributes): boolean {
    return attributes.operation === 'UPDATE' && isFor(attributes, 'certificates.k8s.io', 'certificatesigningrequests', 'status');
  }

  validate(attributes: AdmissionAttributes): void {
    const { status } = attributes.object as unknown as CertificateSigningRequest;
    const { status: before, spec } = attributes.oldObject as unknown as CertificateSigningRequest;
    const sameCertificate = (status?.certificate ?? '') === (before?.certificate ?? '');
    if (sameCertificate && semanticEqual(status?.conditions ?? [], before?.conditions ?? [])) return;
    if (maySigner(this.#authorizer, attributes.caller, 'sign', spec.signerName)) return;
    throw refusal(attributes, `user not permitted to sign requests with signerName ${JSON.stringify(spec.signerName)}`);
  }
}
