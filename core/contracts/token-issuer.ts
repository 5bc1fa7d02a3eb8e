import type { ObjectMeta } from '../machinery/object.js';

/** Makes tokens for service accounts. Source: KEP-1205 bound tokens, the TokenRequest API. */
export interface TokenIssuer {
  /** Those of the API server itself; what a request gets that names none. */
  readonly audiences: readonly string[];
  /** Longer wishes are cut to this; 0: they are not. */
  readonly maximumExpirationSeconds: number;
  /**
   * How long the tokens live in truth that the kubelet puts into pods, so that clients that never read them again go on for a
   * while; 0: as long as was asked.
   */
  readonly extendedExpirationSeconds: number;
  issue(request: TokenIssue): Promise<string> | string;
}

export const TokenIssuer: unique symbol = Symbol.for('k3s/token-issuer@1');

type Named = { readonly metadata: ObjectMeta };

export interface TokenIssue {
  readonly serviceAccount: Named;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  /** After this the token is used only by clients that should have read a new one. */
  readonly warnAfterSeconds?: number;
  /** What the token is bound to; a pod comes with its node. */
  readonly pod?: Named;
  readonly node?: Named;
  readonly secret?: Named;
  readonly nowMs: number;
}
