import { CodedError } from '../../base/errors.js';
import type { VerificationKey } from '../../pki/json-web-token.js';
import { jsonWebKey } from '../../pki/json-web-token.js';

export const openidConfigurationPath = '/.well-known/openid-configuration';
export const jwksPath = '/openid/v1/jwks';
/** For `Cache-Control: public, max-age=`. */
export const openidMaxAgeSeconds = 3600;

export interface OpenidMetadata {
  /** `application/json` at `openidConfigurationPath`. */
  readonly configurationJson: string;
  /** `application/jwk-set+json` at `jwksPath`. */
  readonly keysJson: string;
}

export interface OpenidMetadataOptions {
  readonly issuer: string;
  /** `HOST:PORT` under which others reach the API server; used where `jwksUri` is absent. */
  readonly externalAddress: string;
  readonly jwksUri?: string;
  readonly keys: readonly VerificationKey[];
}

/**
 * The documents by which others verify service account tokens. Throws OPENID_BAD_ISSUER for an issuer that OpenID Connect
 * does not allow. Source: pkg/serviceaccount openidmetadata.
 */
export function openidMetadata(options: OpenidMetadataOptions): OpenidMetadata {
  requireHttps('service account issuer', options.issuer);
  const jwksUri = options.jwksUri ?? `https://${options.externalAddress}${jwksPath}`;
  requireHttps('service account JWKS URI', jwksUri);
  const keys = options.keys.map(jsonWebKey);
  return {
    configurationJson: JSON.stringify({
      issuer: options.issuer,
      jwks_uri: jwksUri,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [...new Set(keys.map(key => key.alg))].sort(),
    }),
    keysJson: JSON.stringify({ keys }),
  };
}

function requireHttps(what: string, text: string): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === 'https:' && url.search === '' && url.hash === '') return;
  throw new CodedError('OPENID_BAD_ISSUER', `${what} ${text} is no https URL without query and fragment`);
}
