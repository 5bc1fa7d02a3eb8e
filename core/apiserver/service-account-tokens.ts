import { createPrivateKey } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import type { TokenIssuer } from '../contracts/token-issuer.js';
import type { ObjectMeta } from '../machinery/object.js';
import { signToken, signingKey } from '../pki/json-web-token.js';
import type { OpenidMetadata } from './auth/openid-metadata.js';
import { openidMetadata } from './auth/openid-metadata.js';
import { boundTokenClaims, legacyTokenClaims } from './auth/service-account-claims.js';
import { ServiceAccountTokenAuthenticator } from './auth/service-account-token-authenticator.js';
import { ServiceAccountTokenMetrics } from './auth/service-account-token-metrics.js';

export interface ServiceAccountTokensOptions {
  /** PEM of the key that signs. */
  readonly keyPem: string;
  readonly clusterDomain: string;
  readonly clock: Clock;
  /** An object as the cache shows it now. */
  readonly find: (resource: string, namespace: string, name: string) => unknown;
  /** A token of a Secret was used on that day. */
  readonly noteUse: (secret: ObjectMeta, day: string) => Promise<void>;
  /** `host:port` under which others reach this server. */
  readonly advertised: () => string;
}

interface Named {
  readonly metadata: ObjectMeta;
}

/** As kube-apiserver extends the tokens of pods by default (KEP-1205). */
const extendedExpirationSeconds = 365 * 24 * 3600;

/** Service account tokens: issued with the service key, good while what they are bound to exists. */
export class ServiceAccountTokens {
  readonly authenticator: ServiceAccountTokenAuthenticator;
  readonly metrics = new ServiceAccountTokenMetrics();
  readonly issuer: TokenIssuer;
  readonly audiences: readonly string[];
  /** What the Secret of that name may hold for its account. */
  readonly secretToken: (account: Named, secretName: string) => string;
  /** The documents by which others verify the tokens. */
  readonly metadata: () => OpenidMetadata;

  constructor(options: ServiceAccountTokensOptions) {
    const { clock, find } = options;
    const issuer = `https://kubernetes.default.svc.${options.clusterDomain}`;
    const key = signingKey(createPrivateKey(options.keyPem));
    const finder =
      <T>(resource: string) =>
      (namespace: string, name: string): T | undefined =>
        find(resource, namespace, name) as T | undefined;
    this.audiences = [issuer, 'k3s'];
    this.authenticator = new ServiceAccountTokenAuthenticator({
      issuers: [issuer],
      apiAudiences: this.audiences,
      keys: [key],
      clock,
      metrics: this.metrics,
      noteUse: options.noteUse,
      lookup: {
        getServiceAccount: finder<Named & { secrets?: { name?: string }[] }>('serviceaccounts'),
        getPod: finder<Named>('pods'),
        getSecret: finder<Named & { data?: Record<string, string> }>('secrets'),
        getNode: name => find('nodes', '', name) as Named | undefined,
      },
    });
    this.issuer = {
      audiences: this.audiences,
      maximumExpirationSeconds: 0,
      extendedExpirationSeconds,
      issue: request => signToken(key, boundTokenClaims({ issuer, ...request })),
    };
    this.secretToken = (account, secretName) => signToken(key, legacyTokenClaims(account, secretName));
    this.metadata = () => openidMetadata({ issuer, externalAddress: options.advertised(), keys: [key] });
  }
}
