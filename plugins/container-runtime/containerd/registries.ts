import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadAll } from 'js-yaml';
import { CodedError, errorCode, errorText } from '../../../core/plugin-api/index.js';

/** K3s' `registries.yaml`, checked. Source: https://docs.k3s.io/installation/private-registry */
export interface Registries {
  readonly mirrors: ReadonlyMap<string, Mirror>;
  readonly configs: ReadonlyMap<string, RegistryConfig>;
}

export interface Mirror {
  readonly endpoints: readonly string[];
  readonly rewrites: readonly { readonly pattern: string; readonly replacement: string }[];
}

export interface RegistryConfig {
  readonly auth?: {
    readonly username: string;
    readonly password: string;
    readonly auth: string;
    readonly identityToken: string;
  };
  readonly tls?: {
    readonly caFile: string;
    readonly certFile: string;
    readonly keyFile: string;
    readonly insecureSkipVerify: boolean;
  };
}

const none: Registries = { mirrors: new Map(), configs: new Map() };

/** No file, no registries. Throws `REGISTRIES_INVALID` that names the place. */
export async function readRegistries(file: string): Promise<Registries> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return none;
    throw error;
  }
  return parseRegistries(text, file);
}

export function parseRegistries(text: string, file: string): Registries {
  const reader = new Checker(file);
  let value: unknown;
  try {
    [value] = loadAll(text);
  } catch (error) {
    throw reader.invalid(errorText(error).split('\n')[0]!);
  }
  if (value === undefined || value === null) return none;
  const top = reader.object(value, 'the file');
  reader.only(top, ['mirrors', 'configs'], 'the file');
  const mirrors = new Map<string, Mirror>();
  for (const [host, entry] of Object.entries(reader.object(top['mirrors'] ?? {}, 'mirrors'))) {
    const at = `mirrors."${host}"`;
    const mirror = reader.object(entry ?? {}, at);
    reader.only(mirror, ['endpoint', 'rewrite'], at);
    const endpoints = reader
      .texts(mirror['endpoint'] ?? [], `${at}.endpoint`)
      .map(endpoint => reader.url(endpoint, `${at}.endpoint`));
    const rewrites = Object.entries(reader.object(mirror['rewrite'] ?? {}, `${at}.rewrite`)).map(([pattern, replacement]) => ({
      pattern,
      replacement: reader.text(replacement, `${at}.rewrite`),
    }));
    mirrors.set(host, { endpoints, rewrites });
  }
  const configs = new Map<string, RegistryConfig>();
  for (const [host, entry] of Object.entries(reader.object(top['configs'] ?? {}, 'configs'))) {
    configs.set(host, registryConfig(reader, reader.object(entry ?? {}, `configs."${host}"`), `configs."${host}"`));
  }
  return { mirrors, configs };
}

function registryConfig(reader: Checker, value: Record<string, unknown>, at: string): RegistryConfig {
  reader.only(value, ['auth', 'tls'], at);
  const auth = value['auth'] === undefined || value['auth'] === null ? undefined : reader.object(value['auth'], `${at}.auth`);
  const tls = value['tls'] === undefined || value['tls'] === null ? undefined : reader.object(value['tls'], `${at}.tls`);
  if (auth) reader.only(auth, ['username', 'password', 'auth', 'identity_token'], `${at}.auth`);
  if (tls) reader.only(tls, ['ca_file', 'cert_file', 'key_file', 'insecure_skip_verify'], `${at}.tls`);
  const authText = (key: string): string => reader.text(auth?.[key] ?? '', `${at}.auth.${key}`);
  const tlsText = (key: string): string => reader.text(tls?.[key] ?? '', `${at}.tls.${key}`);
  return {
    ...(auth && {
      auth: {
        username: authText('username'),
        password: authText('password'),
        auth: authText('auth'),
        identityToken: authText('identity_token'),
      },
    }),
    ...(tls && {
      tls: {
        caFile: tlsText('ca_file'),
        certFile: tlsText('cert_file'),
        keyFile: tlsText('key_file'),
        insecureSkipVerify: tls['insecure_skip_verify'] === true,
      },
    }),
  };
}

class Checker {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  invalid(problem: string): CodedError {
    return new CodedError('REGISTRIES_INVALID', `${this.#file}: ${problem}`, {
      mend: 'see https://docs.k3s.io/installation/private-registry for its shape',
    });
  }

  object(value: unknown, at: string): Record<string, unknown> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw this.invalid(`${at} is no mapping`);
    return value as Record<string, unknown>;
  }

  only(value: Record<string, unknown>, known: readonly string[], at: string): void {
    const unknown = Object.keys(value).find(key => !known.includes(key));
    if (unknown !== undefined) throw this.invalid(`${at} has the unknown key "${unknown}"`);
  }

  text(value: unknown, at: string): string {
    if (typeof value === 'number' || typeof value === 'boolean') return String(value);
    if (typeof value !== 'string') throw this.invalid(`${at} is no text`);
    return value;
  }

  texts(value: unknown, at: string): string[] {
    if (!Array.isArray(value)) throw this.invalid(`${at} is no list`);
    return value.map(entry => this.text(entry, at));
  }

  /** An endpoint may lack its scheme. */
  url(value: string, at: string): string {
    const full = value.includes('://') ? value : `https://${value}`;
    if (!/^https?:\/\/[^/]/.test(full) || !URL.canParse(full)) throw this.invalid(`${at}: "${value}" is no URL`);
    return full.replace(/\/+$/, '');
  }
}

/** `hosts.toml` of every registry that is named, by folder name; and what could not be expressed. */
export function hostsFiles(registries: Registries): { files: Map<string, string>; warnings: string[] } {
  const files = new Map<string, string>();
  const warnings: string[] = [];
  const hosts = new Set([
    ...registries.mirrors.keys(),
    ...[...registries.configs].filter(([, { tls }]) => tls).map(([host]) => host),
  ]);
  for (const host of hosts) {
    const mirror = registries.mirrors.get(host);
    const lines: string[] = [];
    if (host !== '*') {
      const server = host === 'docker.io' ? 'registry-1.docker.io' : host;
      lines.push(`server = ${quote(`https://${server}/v2`)}`, 'capabilities = ["pull", "resolve", "push"]');
      lines.push(...tlsLines(registries.configs.get(server) ?? registries.configs.get(host), ''));
    }
    for (const endpoint of mirror?.endpoints ?? []) {
      const at = rewritten(endpoint, mirror!.rewrites);
      if (at === undefined) {
        warnings.push(`the rewrite of mirror "${host}" cannot be done by this containerd; its endpoint ${endpoint} is left out`);
        continue;
      }
      lines.push('', `[host.${quote(at.url)}]`, '  capabilities = ["pull", "resolve"]');
      if (at.wholePath) lines.push('  override_path = true');
      lines.push(...tlsLines(registries.configs.get(new URL(endpoint).host), '  '));
    }
    files.set(host === '*' ? '_default' : host, `${lines.join('\n')}\n`);
  }
  return { files, warnings };
}

/**
 * Rewriting names is K3s' own addition to containerd. What only puts something in front of every name is a path of the endpoint;
 * anything else is undefined.
 */
function rewritten(endpoint: string, rewrites: Mirror['rewrites']): { url: string; wholePath: boolean } | undefined {
  if (rewrites.length === 0) return { url: endpoint, wholePath: false };
  const [only] = rewrites;
  if (rewrites.length > 1 || !/^\^?\(\.[*+]\)\$?$/.test(only!.pattern)) return undefined;
  const prefix = /^([^$]+)\/\$(?:1|\{1\})$/.exec(only!.replacement)?.[1];
  if (prefix === undefined) return undefined;
  return { url: `${endpoint.replace(/\/v2$/, '')}/v2/${prefix}`, wholePath: true };
}

function tlsLines(config: RegistryConfig | undefined, indent: string): string[] {
  const tls = config?.tls;
  if (!tls) return [];
  const lines: string[] = [];
  if (tls.caFile) lines.push(`${indent}ca = [${quote(tls.caFile)}]`);
  if (tls.certFile && tls.keyFile) lines.push(`${indent}client = [[${quote(tls.certFile)}, ${quote(tls.keyFile)}]]`);
  if (tls.insecureSkipVerify) lines.push(`${indent}skip_verify = true`);
  return lines;
}

/** Credentials stand in containerd's own configuration. */
export function authSection(registries: Registries): string {
  let section = '';
  for (const [host, { auth }] of registries.configs) {
    if (!auth) continue;
    section += `\n[plugins."io.containerd.grpc.v1.cri".registry.configs.${quote(host)}.auth]\n`;
    for (const [key, value] of Object.entries(auth)) {
      if (value) section += `  ${key === 'identityToken' ? 'identitytoken' : key} = ${quote(value)}\n`;
    }
  }
  return section;
}

function quote(text: string): string {
  return JSON.stringify(text);
}

/** Makes `directory` hold exactly these. containerd reads them at every pull. */
export async function writeHostsFiles(directory: string, files: ReadonlyMap<string, string>): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (const [host, content] of files) {
    // A port's colon is part of the folder's name; a slash would leave it.
    const folder = join(directory, host.replaceAll('/', '_'));
    await mkdir(folder, { mode: 0o700 });
    await writeFile(join(folder, 'hosts.toml'), content, { mode: 0o600 });
  }
}
