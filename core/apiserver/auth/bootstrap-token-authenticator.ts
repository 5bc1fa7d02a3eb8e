import type { Clock } from '../../base/clock.js';
import { bootstrapTokenPattern, secretsEqual } from '../../pki/join-token.js';
import type { AuthenticationOutcome, TokenAuthenticator } from './authenticator.js';
import { noCredentials } from './authenticator.js';

/** What the authenticator reads of a Secret `kube-system/bootstrap-token-ID`. */
export interface BootstrapTokenSecret {
  readonly type?: string;
  readonly metadata: { readonly deletionTimestamp?: string };
  /** Values in base64, as the API has them. */
  readonly data?: Readonly<Record<string, string>>;
}

export type BootstrapTokenLookup = (
  secretName: string,
) => BootstrapTokenSecret | undefined | Promise<BootstrapTokenSecret | undefined>;

const bootstrapGroup = 'system:bootstrappers';
const extraGroupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** Kubeadm's expiring join tokens. Source: plugin/pkg/auth/authenticator/token/bootstrap. */
export class BootstrapTokenAuthenticator implements TokenAuthenticator {
  readonly #lookup: BootstrapTokenLookup;
  readonly #clock: Clock;

  constructor(lookup: BootstrapTokenLookup, clock: Clock) {
    this.#lookup = lookup;
    this.#clock = clock;
  }

  authenticateToken(token: string): AuthenticationOutcome | Promise<AuthenticationOutcome> {
    const match = bootstrapTokenPattern.exec(token);
    if (!match) return noCredentials;
    const secret = this.#lookup(`bootstrap-token-${match[1]!}`);
    const check = (found: BootstrapTokenSecret | undefined): AuthenticationOutcome => this.#check(found, match[1]!, match[2]!);
    return secret instanceof Promise ? secret.then(check) : check(secret);
  }

  #check(secret: BootstrapTokenSecret | undefined, id: string, password: string): AuthenticationOutcome {
    if (!secret || secret.metadata.deletionTimestamp || secret.type !== 'bootstrap.kubernetes.io/token') return noCredentials;
    const value = (key: string): string => {
      const encoded = secret.data?.[key];
      return encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString('utf8');
    };
    if (value('token-id') !== id || value('token-secret') === '') return noCredentials;
    if (!secretsEqual(password, value('token-secret'))) return noCredentials;
    const expiration = value('expiration');
    if (expiration !== '') {
      // An unreadable time counts as past: the token was meant to end.
      const atMs = Date.parse(expiration);
      if (!(this.#clock.now() < atMs)) return noCredentials;
    }
    if (value('usage-bootstrap-authentication') !== 'true') return noCredentials;
    const groups = [bootstrapGroup];
    const extraGroups = value('auth-extra-groups');
    if (extraGroups !== '') {
      for (const group of extraGroups.split(',')) {
        if (!extraGroupPattern.test(group)) return noCredentials;
        groups.push(group);
      }
    }
    return { kind: 'authenticated', user: { name: `system:bootstrap:${id}`, groups: [...new Set(groups)].sort(), extra: {} } };
  }
}
