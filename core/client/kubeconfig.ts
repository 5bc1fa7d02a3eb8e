import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { load } from 'js-yaml';
import { CodedError } from '../base/errors.js';
import type { HttpCredentials } from './http-transport.js';

interface Kubeconfig {
  'current-context'?: string;
  clusters?: { name: string; cluster?: ClusterEntry }[];
  contexts?: { name: string; context?: { cluster?: string; user?: string; namespace?: string } }[];
  users?: { name: string; user?: UserEntry }[];
}

interface ClusterEntry {
  server?: string;
  'certificate-authority'?: string;
  'certificate-authority-data'?: string;
  'insecure-skip-tls-verify'?: boolean;
  'tls-server-name'?: string;
}

interface UserEntry {
  'client-certificate'?: string;
  'client-certificate-data'?: string;
  'client-key'?: string;
  'client-key-data'?: string;
  token?: string;
  tokenFile?: string;
  username?: string;
  password?: string;
}

/**
 * Reads one context of a kubeconfig file (its current one when none is named). Relative paths count from the file's folder.
 * Throws KUBECONFIG_INVALID. Exec plugins and auth providers are refused by name: nothing of ours writes them.
 */
export async function readKubeconfig(path: string, contextName?: string): Promise<HttpCredentials & { namespace?: string }> {
  return parseKubeconfig(await readFile(path, 'utf8'), { directory: dirname(path), contextName });
}

export async function parseKubeconfig(
  text: string,
  options: { directory?: string; contextName?: string | undefined } = {},
): Promise<HttpCredentials & { namespace?: string }> {
  const config = load(text) as Kubeconfig | null;
  const wanted = options.contextName ?? config?.['current-context'];
  const context = config?.contexts?.find(entry => entry.name === wanted)?.context;
  if (!config || !context) throw invalid(`context "${wanted ?? ''}" does not exist`);
  const cluster = config.clusters?.find(entry => entry.name === context.cluster)?.cluster;
  if (!cluster?.server) throw invalid(`cluster "${context.cluster ?? ''}" does not exist or has no server`);
  const user: UserEntry = config.users?.find(entry => entry.name === context.user)?.user ?? {};
  for (const key of ['exec', 'auth-provider']) {
    if (key in user) throw invalid(`user "${context.user}" wants ${key}, which is not supported`);
  }
  const bytes = async (data: string | undefined, file: string | undefined): Promise<Buffer | undefined> => {
    if (data) return Buffer.from(data, 'base64');
    return file ? readFile(resolve(options.directory ?? '.', file)) : undefined;
  };
  const token = user.token ?? (await bytes(undefined, user.tokenFile))?.toString('utf8').trim();
  return {
    server: cluster.server,
    certificateAuthority: await bytes(cluster['certificate-authority-data'], cluster['certificate-authority']),
    certificate: await bytes(user['client-certificate-data'], user['client-certificate']),
    key: await bytes(user['client-key-data'], user['client-key']),
    ...(token ? { token } : {}),
    ...(user.username ? { basic: { username: user.username, password: user.password ?? '' } } : {}),
    ...(cluster['tls-server-name'] ? { serverName: cluster['tls-server-name'] } : {}),
    ...(cluster['insecure-skip-tls-verify'] ? { insecureSkipVerify: true } : {}),
    ...(context.namespace ? { namespace: context.namespace } : {}),
  };
}

function invalid(message: string): CodedError {
  return new CodedError('KUBECONFIG_INVALID', `kubeconfig: ${message}`);
}
