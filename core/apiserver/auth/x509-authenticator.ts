import { hash } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import { errorText } from '../../base/errors.js';
import type { Certificate, ChainFailure } from '../../pki/certificate.js';
import { clientAuthUsage, readCertificate, readCertificates, verifyChain } from '../../pki/certificate.js';
import type { AuthenticationOutcome, AuthenticationRequest, Authenticator } from './authenticator.js';
import { noCredentials, rejected } from './authenticator.js';
import { RecentCache } from './recent-cache.js';
import { extraKeys } from './user-info.js';

export interface X509AuthenticatorOptions {
  /** PEM of the authorities that sign client certificates. Asked each time, so that a rotation is seen at once. */
  readonly clientCaPem: () => string;
  readonly clock: Clock;
}

interface Known {
  readonly outcome: AuthenticationOutcome;
  readonly validFromMs: number;
  readonly validUntilMs: number;
}

const longestChain = 10;

/**
 * Client certificates: the common name is the user, organizations are the groups.
 * Source: apiserver pkg/authentication/request/x509.
 */
export class X509Authenticator implements Authenticator {
  readonly #options: X509AuthenticatorOptions;
  /** Certificates that were verified, by fingerprint: a signature check costs a hundred times what the look-up does. */
  readonly #known = new RecentCache<Known>(1000);
  #rootsPem = '';
  #roots: Certificate[] = [];

  constructor(options: X509AuthenticatorOptions) {
    this.#options = options;
  }

  authenticate(request: AuthenticationRequest): AuthenticationOutcome {
    const chain = request.clientCertificates;
    if (!chain || chain.length === 0) return noCredentials;
    const rootsPem = this.#options.clientCaPem();
    if (rootsPem !== this.#rootsPem) {
      this.#roots = readCertificates(rootsPem);
      this.#rootsPem = rootsPem;
      this.#known.clear();
    }
    const nowMs = this.#options.clock.now();
    const fingerprint = hash('sha256', chain[0]!, 'hex');
    const known = this.#known.get(fingerprint);
    if (known && nowMs >= known.validFromMs && nowMs <= known.validUntilMs) return known.outcome;
    return this.#verify(chain, fingerprint, nowMs);
  }

  #verify(chain: readonly Uint8Array[], fingerprint: string, nowMs: number): AuthenticationOutcome {
    let leaf: Certificate;
    let intermediates: Certificate[];
    try {
      leaf = readCertificate(chain[0]!);
      intermediates = chain.slice(1, longestChain).map(der => readCertificate(der));
    } catch (error) {
      return rejected(`unreadable client certificate: ${errorText(error)}`);
    }
    const checked = verifyChain(leaf, { roots: this.#roots, intermediates, usage: clientAuthUsage, nowMs });
    if ('kind' in checked) return rejected(failureText(checked, nowMs));
    const outcome = identity(leaf, fingerprint);
    this.#known.set(fingerprint, { outcome, validFromMs: leaf.notBeforeMs, validUntilMs: checked.validUntilMs });
    return outcome;
  }
}

function identity({ subject }: Certificate, fingerprint: string): AuthenticationOutcome {
  if (subject.commonName === '') return noCredentials;
  if (subject.userUids.length > 1) return rejected(`expected 1 UID, but found multiple: ${subject.userUids.join(' ')}`);
  if (subject.userUids[0] === '') return rejected('UID cannot be an empty string');
  return {
    kind: 'authenticated',
    user: {
      name: subject.commonName,
      ...(subject.userUids[0] === undefined ? {} : { uid: subject.userUids[0] }),
      groups: subject.organizations,
      extra: { [extraKeys.credentialId]: [`X509SHA256=${fingerprint}`] },
    },
  };
}

function failureText(failure: ChainFailure, nowMs: number): string {
  const { x509 } = failure.certificate;
  const reasons: Record<ChainFailure['kind'], string> = {
    expired: `x509: certificate has expired or is not yet valid: current time ${new Date(nowMs).toISOString()} is after ${x509.validToDate.toISOString()}`,
    'not-yet-valid': `x509: certificate has expired or is not yet valid: current time ${new Date(nowMs).toISOString()} is before ${x509.validFromDate.toISOString()}`,
    'unknown-authority': 'x509: certificate signed by unknown authority',
    'wrong-usage': 'x509: certificate specifies an incompatible key usage',
  };
  return `verifying certificate SN=${x509.serialNumber} failed: ${reasons[failure.kind]}`;
}
