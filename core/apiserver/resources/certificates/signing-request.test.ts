import { describe, expect, it } from '@jest/globals';
import { errorCode } from '../../../base/errors.js';
import { generateKeyPairSync } from 'node:crypto';
import { verifiedRequest } from './signing-request.js';

/** Made by openssl with a P-256 key, for O=team, CN=jane. */
const good = `-----BEGIN CERTIFICATE REQUEST-----
MIHZMIGAAgEAMB4xDTALBgNVBAoMBHRlYW0xDTALBgNVBAMMBGphbmUwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAARNAx38mEOjR2bFler1vCTNbG9lOdWbBGrcEx+s
y5Mwctni4VIx6ID7yhW9KjnjEjDqDO9YpSgFjSElpMBn+YMJoAAwCgYIKoZIzj0E
AwIDSAAwRQIga3RJlxGdRrZPEW9R/1GdK298UlmbeaehLg65311zmcsCIQC4GHfG
R2Q08TRQ4T+jKCwnsJdnrqLUmfsQWIDjAs2KPA==
-----END CERTIFICATE REQUEST-----
`;

/** The DER of `good` with one byte changed. */
function changed(at: number): string {
  const der = Buffer.from(good.split('\n').slice(1, -2).join(''), 'base64');
  der[at < 0 ? der.length + at : at]! ^= 0x15;
  return `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString('base64')}\n-----END CERTIFICATE REQUEST-----\n`;
}

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return errorCode(error);
  }
}

describe('verifiedRequest', () => {
  it('reads a request that is signed with its own key', () => {
    const { subject } = verifiedRequest(good);
    expect(subject).toMatchObject({ commonName: 'jane', organizations: ['team'] });
  });

  it('refuses another signature, another subject, and what is no request', () => {
    expect(codeOf(() => verifiedRequest(changed(-3)))).toBe('PKI_BAD_REQUEST');
    const subjectAt = Buffer.from(good.split('\n').slice(1, -2).join(''), 'base64').indexOf('jane');
    expect(codeOf(() => verifiedRequest(changed(subjectAt)))).toBe('PKI_BAD_REQUEST');
    const { publicKey } = generateKeyPairSync('ed25519');
    expect(codeOf(() => verifiedRequest(publicKey.export({ type: 'spki', format: 'pem' }).toString()))).toBe('PKI_BAD_REQUEST');
    expect(codeOf(() => verifiedRequest(good.replace(/CERTIFICATE REQUEST/g, 'CERTIFICATE')))).toBe('PKI_BAD_REQUEST');
    expect(codeOf(() => verifiedRequest(''))).toBe('PKI_BAD_REQUEST');
  });
});
