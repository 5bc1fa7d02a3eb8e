import type { CertificateSigningRequest } from '../../api/generated/types.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import type { Authorizer } from '../auth/authorizer.js';
import { isFor, refusal } from './refusal.js';
import { maySigner } from './signer-permission.js';

/** Who approves a request must be allowed to for its signer. */
export class CertificateApproval implements AdmissionPlugin {
  readonly name = 'CertificateApproval';
  readonly #authorizer: Authorizer;

  constructor(authorizer: Authorizer) {
    this.#authorizer = authorizer;
  }

  handles(attributes: AdmissionAttributes): boolean {
    return (
      attributes.operation === 'UPDATE' && isFor(attributes, 'certificates.k8s.io', 'certificatesigningrequests', 'approval')
    );
  }

  validate(attributes: AdmissionAttributes): void {
    // The stored signer: a request that changes it in the same breath must not help.
    const { signerName } = (attributes.oldObject as unknown as CertificateSigningRequest).spec;
    if (maySigner(this.#authorizer, attributes.caller, 'approve', signerName)) return;
    throw refusal(attributes, `user not permitted to approve requests with signerName ${JSON.stringify(signerName)}`);
  }
}
