import type { CertificateSigningRequest } from '../../api/generated/types.js';
import { errorText } from '../../base/errors.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { readCertificateRequest } from '../../pki/certificate-request.js';
import { isFor, refusal } from './refusal.js';

const clientSigner = 'kubernetes.io/kube-apiserver-client';
const mastersGroup = 'system:masters';

/** Nobody gets into `system:masters` by a certificate request. */
export class CertificateSubjectRestriction implements AdmissionPlugin {
  readonly name = 'CertificateSubjectRestriction';

  handles(attributes: AdmissionAttributes): boolean {
    return attributes.operation === 'CREATE' && isFor(attributes, 'certificates.k8s.io', 'certificatesigningrequests');
  }

  validate(attributes: AdmissionAttributes): void {
    const { signerName, request } = (attributes.object as unknown as CertificateSigningRequest).spec;
    if (signerName !== clientSigner) return;
    let organizations: readonly string[];
    try {
      ({ organizations } = readCertificateRequest(Buffer.from(request ?? '', 'base64').toString('latin1')).subject);
    } catch (error) {
      throw refusal(attributes, `failed to parse CSR: ${errorText(error)}`);
    }
    if (organizations.includes(mastersGroup))
      throw refusal(attributes, `use of ${clientSigner} signer with ${mastersGroup} group is not allowed`);
  }
}
