import { X509Certificate } from 'node:crypto';
import { ConfigMaps } from '../../api/generated/resources.js';
import type { ConfigMap } from '../../api/generated/types.js';
import type { ApiTransport } from '../../contracts/api-transport.js';
import { jsonEqual, produce } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import { apiServerIdentity } from '../bootstrap.js';

/** What tells extension servers whom they may believe. */
export const authenticationConfigMap = { namespace: 'kube-system', name: 'extension-apiserver-authentication' } as const;

export interface TrustedAuthorities {
  /** Sign the certificates of clients. */
  readonly clientCaPem: string;
  /** Sign the certificate of the front proxy: what this server shows extension servers. */
  readonly requestHeaderCaPem: string;
  /** Common names that the front proxy may have. */
  readonly allowedNames: readonly string[];
}

const certificatePattern = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
const call = { caller: apiServerIdentity, resource: ConfigMaps, userAgent: 'kube-apiserver', ...authenticationConfigMap };

/**
 * Makes the ConfigMap, or adds what is missing in it: other servers on the datastore have authorities of their own. Certificates that
 * have run out go. Source: pkg/controlplane/controller/clusterauthenticationtrust.
 */
export async function ensureAuthenticationConfigMap(
  transport: ApiTransport,
  trusted: TrustedAuthorities,
  nowMs: number,
): Promise<void> {
  let found: ConfigMap | undefined;
  try {
    found = await transport.get<ConfigMap>(call);
  } catch (error) {
    if (!isStatusError(error, 'NotFound')) throw error;
  }
  const data = combined(found?.data ?? {}, trusted, nowMs);
  if (!found) {
    const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata: authenticationConfigMap, data } as unknown as ConfigMap;
    await transport.create<ConfigMap>({ ...call, object });
  } else if (!jsonEqual(found.data, data)) {
    await transport.update<ConfigMap>({ ...call, object: produce(found, draft => void (draft.data = data)) });
  }
}

function combined(data: Readonly<Record<string, string>>, trusted: TrustedAuthorities, nowMs: number): Record<string, string> {
  const list = (key: string, own: readonly string[]): Record<string, string> => {
    return { [key]: JSON.stringify([...new Set([...texts(data[key]), ...own])]) };
  };
  return {
    'client-ca-file': certificates([data['client-ca-file'], trusted.clientCaPem], nowMs),
    ...list('requestheader-allowed-names', trusted.allowedNames),
    'requestheader-client-ca-file': certificates([data['requestheader-client-ca-file'], trusted.requestHeaderCaPem], nowMs),
    ...list('requestheader-extra-headers-prefix', ['X-Remote-Extra-']),
    ...list('requestheader-group-headers', ['X-Remote-Group']),
    ...list('requestheader-uid-headers', ['X-Remote-Uid']),
    ...list('requestheader-username-headers', ['X-Remote-User']),
  };
}

/** Those of a list as JSON; none of a text that is no such list, which somebody else has written. */
function texts(json: string | undefined): string[] {
  if (!json) return [];
  try {
    const list: unknown = JSON.parse(json);
    return Array.isArray(list) ? list.filter(item => typeof item === 'string') : [];
  } catch (error) {
    if (error instanceof SyntaxError) return [];
    throw error;
  }
}

function certificates(bundles: readonly (string | undefined)[], nowMs: number): string {
  const kept = new Map<string, string>();
  for (const pem of bundles.join('\n').match(certificatePattern) ?? []) {
    const certificate = readCertificate(pem);
    if (certificate && certificate.validToDate.getTime() >= nowMs) kept.set(certificate.fingerprint256, `${pem}\n`);
  }
  return [...kept.values()].join('');
}

function readCertificate(pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem);
  } catch {
    // Not one of ours; extension servers could not read it either.
    return undefined;
  }
}
