import { chmod, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../base/errors.js';
import { syncDirectoryOf, writeFileAtomically } from './atomic-file.js';
import type { CertificateUsage } from './certificate-authority.js';
import { CertificateAuthority, createAuthority } from './certificate-authority.js';
import type { Certificate } from './certificate.js';
import { canonicalIp, clientAuthUsage, readCertificate, serverAuthUsage } from './certificate.js';
import { isIP } from 'node:net';
import { generatePrivateKeyPem, readPrivateKey, readPrivateKeys } from './private-key.js';

const dayMs = 24 * 60 * 60 * 1000;
/** K3s renews at start what has less than this left (`CertificateRenewDays`). */
export const renewBeforeDays = 120;

export interface CertificatePair {
  readonly certPem: string;
  readonly keyPem: string;
}

export interface ClusterCertificatesOptions {
  /** `<data-dir>/server/tls`; created with mode 0700. */
  readonly directory: string;
  readonly clusterDomain: string;
  /** The first address of every service range: what Service `kubernetes` gets. */
  readonly serviceAddresses: readonly string[];
  readonly nodeName?: string;
  readonly nodeAddresses?: readonly string[];
  /** Values of `--tls-san`. */
  readonly tlsSans?: readonly string[];
  readonly nowMs?: number;
}

const authorities = {
  'client-ca': 'k3s-client',
  'server-ca': 'k3s-server',
  'request-header-ca': 'k3s-request-header',
} as const;
type AuthorityName = keyof typeof authorities;

interface LeafRecipe {
  readonly authority: AuthorityName;
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly usages: readonly CertificateUsage[];
  readonly subjectAltNames?: readonly string[];
}

const client = (commonName: string, ...organizations: string[]): LeafRecipe => ({
  authority: 'client-ca',
  commonName,
  organizations,
  usages: ['client'],
});

/** File names and identities are K3s' own. */
const clientRecipes = {
  'client-admin': client('system:admin', 'system:masters'),
  'client-supervisor': client('system:k3s-supervisor', 'system:masters'),
  'client-controller': client('system:kube-controller-manager'),
  'client-scheduler': client('system:kube-scheduler'),
  'client-kube-apiserver': client('system:apiserver', 'system:masters'),
  'client-kube-proxy': client('system:kube-proxy'),
  'client-k3s-controller': client('system:k3s-controller'),
  'client-k3s-cloud-controller': client('k3s-cloud-controller-manager'),
  'client-auth-proxy': { ...client('system:auth-proxy'), authority: 'request-header-ca' },
} as const satisfies Record<string, LeafRecipe>;

export type ClientCertificateName = keyof typeof clientRecipes;

/**
 * All that K3s keeps under `server/tls`. Made by `ensureClusterCertificates`; what is on disk and still good stays as it is,
 * so a start that has nothing to issue does not load the issuing library.
 */
export class ClusterCertificates {
  readonly directory: string;
  readonly clientAuthority: CertificateAuthority;
  readonly serverAuthority: CertificateAuthority;
  readonly requestHeaderAuthority: CertificateAuthority;
  /** For the API server's listener. */
  readonly serving: CertificatePair;
  readonly clients: Readonly<Record<ClientCertificateName, CertificatePair>>;
  /** PEM of the service account keys: the first signs, all verify. */
  readonly serviceKeyPem: string;
  /** Files written by this run, by name: empty when all was there and good. */
  readonly written: readonly string[];

  constructor(content: {
    directory: string;
    authorities: Readonly<Record<AuthorityName, CertificateAuthority>>;
    serving: CertificatePair;
    clients: Readonly<Record<ClientCertificateName, CertificatePair>>;
    serviceKeyPem: string;
    written: readonly string[];
  }) {
    this.directory = content.directory;
    this.clientAuthority = content.authorities['client-ca'];
    this.serverAuthority = content.authorities['server-ca'];
    this.requestHeaderAuthority = content.authorities['request-header-ca'];
    this.serving = content.serving;
    this.clients = content.clients;
    this.serviceKeyPem = content.serviceKeyPem;
    this.written = content.written;
  }

  /** What clients trust; served at `/cacerts` and hashed into tokens. */
  get serverCaPem(): string {
    return this.serverAuthority.certificatePem;
  }

  get clientCaPem(): string {
    return this.clientAuthority.certificatePem;
  }

  /** The kubelet's identity towards the API server. `current` is returned when it is still good. */
  async kubeletClient(nodeName: string, keyPem: string, current?: string, nowMs = Date.now()): Promise<string> {
    const recipe = kubeletClientRecipe(nodeName);
    return this.#leafFor(this.clientAuthority, recipe, { keyPem, current, nowMs });
  }

  /** The certificate of the kubelet's own HTTPS listener. `current` is returned when it is still good. */
  async kubeletServing(
    node: { readonly name: string; readonly addresses: readonly string[] },
    keyPem: string,
    current?: string,
    nowMs = Date.now(),
  ): Promise<string> {
    const recipe = kubeletServingRecipe(node.name, node.addresses);
    return this.#leafFor(this.serverAuthority, recipe, { keyPem, current, nowMs });
  }

  async #leafFor(
    authority: CertificateAuthority,
    recipe: LeafRecipe,
    have: { keyPem: string; current: string | undefined; nowMs: number },
  ): Promise<string> {
    const renewAtMs = have.nowMs + renewBeforeDays * dayMs;
    if (have.current && isGoodLeaf(have.current, have.keyPem, { recipe, authority, renewAtMs })) return have.current;
    return authority.issue(have.keyPem, { ...recipe, nowMs: have.nowMs });
  }
}

export function kubeletClientRecipe(nodeName: string): LeafRecipe {
  return client(`system:node:${nodeName}`, 'system:nodes');
}

export function kubeletServingRecipe(nodeName: string, addresses: readonly string[]): LeafRecipe {
  return {
    authority: 'server-ca',
    commonName: nodeName,
    organizations: [],
    usages: ['server'],
    subjectAltNames: [nodeName, 'localhost', '127.0.0.1', '::1', ...addresses],
  };
}

/** Reads what is there, issues what is missing, wrong or has less than 120 days left, and writes it with mode 0600. */
export async function ensureClusterCertificates(options: ClusterCertificatesOptions): Promise<ClusterCertificates> {
  const nowMs = options.nowMs ?? Date.now();
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  await chmod(options.directory, 0o700);
  const written: string[] = [];
  const store: Store = {
    read: name => readIfThere(join(options.directory, name)),
    async write(name, content) {
      await writeFileAtomically(join(options.directory, name), content);
      written.push(name);
    },
  };
  const [clientCa, serverCa, requestHeaderCa] = await Promise.all([
    ensureAuthority(store, 'client-ca', nowMs),
    ensureAuthority(store, 'server-ca', nowMs),
    ensureAuthority(store, 'request-header-ca', nowMs),
  ]);
  const byName = { 'client-ca': clientCa, 'server-ca': serverCa, 'request-header-ca': requestHeaderCa };
  const renewAtMs = nowMs + renewBeforeDays * dayMs;
  const leaf = (name: string, recipe: LeafRecipe): Promise<CertificatePair> =>
    ensureLeaf(store, name, { recipe, authority: byName[recipe.authority], renewAtMs, nowMs });
  const clientNames = Object.keys(clientRecipes) as ClientCertificateName[];
  const [serving, serviceKeyPem, ...clients] = await Promise.all([
    leaf('serving-kube-apiserver', servingRecipe(options)),
    ensureServiceKey(store),
    ...clientNames.map(name => leaf(name, clientRecipes[name])),
  ]);
  // K3s hands these two keys to the agent of its own node and to agents that still ask for them.
  await Promise.all(['client-kubelet', 'serving-kubelet'].map(name => ensureKey(store, name)));
  if (written.length > 0) await syncDirectoryOf(join(options.directory, 'any'));
  return new ClusterCertificates({
    directory: options.directory,
    authorities: byName,
    serving,
    clients: Object.fromEntries(clientNames.map((name, i) => [name, clients[i]!])) as Record<
      ClientCertificateName,
      CertificatePair
    >,
    serviceKeyPem,
    written,
  });
}

interface Store {
  read(name: string): Promise<string | undefined>;
  write(name: string, content: string): Promise<void>;
}

function servingRecipe(options: ClusterCertificatesOptions): LeafRecipe {
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', `kubernetes.default.svc.${options.clusterDomain}`];
  names.push('localhost', '127.0.0.1', '::1');
  if (options.nodeName) names.push(options.nodeName);
  names.push(...(options.nodeAddresses ?? []), ...options.serviceAddresses, ...(options.tlsSans ?? []));
  return {
    authority: 'server-ca',
    commonName: 'kube-apiserver',
    organizations: [],
    usages: ['server'],
    subjectAltNames: [...new Set(names)],
  };
}

async function ensureAuthority(store: Store, name: AuthorityName, nowMs: number): Promise<CertificateAuthority> {
  const [certPem, keyPem] = await Promise.all([store.read(`${name}.crt`), store.read(`${name}.key`)]);
  let authority: CertificateAuthority;
  if (certPem && keyPem) {
    authority = new CertificateAuthority(certPem, keyPem);
    // Reading both now names the broken file at start, not at the first join.
    void authority.key;
  } else {
    const commonName = `${authorities[name]}-ca@${Math.floor(nowMs / 1000)}`;
    authority = await createAuthority(commonName, { keyPem, nowMs });
    // The key first: a crash between the two leaves a key that the next start uses.
    if (!keyPem) await store.write(`${name}.key`, authority.keyPem);
    await store.write(`${name}.crt`, authority.certificatePem);
  }
  if (name === 'request-header-ca') return authority;
  // The signing controllers want one certificate where the file holds a chain.
  const single = authority.certificate.x509.toString();
  if ((await store.read(`${name}.nochain.crt`)) !== single) await store.write(`${name}.nochain.crt`, single);
  return authority;
}

interface LeafWish {
  readonly recipe: LeafRecipe;
  readonly authority: CertificateAuthority;
  readonly renewAtMs: number;
}

async function ensureLeaf(store: Store, name: string, wish: LeafWish & { nowMs: number }): Promise<CertificatePair> {
  const [certPem, oldKeyPem] = await Promise.all([store.read(`${name}.crt`), store.read(`${name}.key`)]);
  if (certPem && oldKeyPem && isGoodLeaf(certPem, oldKeyPem, wish)) return { certPem, keyPem: oldKeyPem };
  const keyPem = oldKeyPem && isReadableKey(oldKeyPem) ? oldKeyPem : generatePrivateKeyPem();
  const issued = await wish.authority.issue(keyPem, { ...wish.recipe, nowMs: wish.nowMs });
  if (keyPem !== oldKeyPem) await store.write(`${name}.key`, keyPem);
  await store.write(`${name}.crt`, issued);
  return { certPem: issued, keyPem };
}

async function ensureServiceKey(store: Store): Promise<string> {
  let pem = await store.read('service.key');
  if (!pem) {
    pem = generatePrivateKeyPem();
    await store.write('service.key', pem);
  }
  const current = /-----BEGIN ([A-Z ]*PRIVATE KEY)-----[^-]+-----END \1-----/.exec(pem)?.[0];
  // Throws for a file without a key: signing would fail much later and further away.
  const first = current ? `${current}\n` : '';
  readPrivateKey(first);
  readPrivateKeys(pem);
  if ((await store.read('service.current.key')) !== first) await store.write('service.current.key', first);
  return pem;
}

async function ensureKey(store: Store, name: string): Promise<string> {
  const pem = await store.read(`${name}.key`);
  if (pem) return pem;
  const made = generatePrivateKeyPem();
  await store.write(`${name}.key`, made);
  return made;
}

/** Whether a leaf still says what the recipe asks for, belongs to the key and the authority, and has enough time left. */
function isGoodLeaf(certPem: string, keyPem: string, wish: LeafWish): boolean {
  let leaf: Certificate;
  try {
    leaf = readCertificate(certPem);
    if (!leaf.x509.checkPrivateKey(readPrivateKey(keyPem))) return false;
  } catch (error) {
    // A damaged leaf costs nothing to replace.
    if (errorCode(error) === 'PKI_MALFORMED') return false;
    throw error;
  }
  const authority = wish.authority.certificate;
  // An authority near its own end cannot give more time than it has.
  if (leaf.notAfterMs < Math.min(wish.renewAtMs, authority.notAfterMs)) return false;
  if (!leaf.x509.checkIssued(authority.x509) || !leaf.x509.verify(authority.x509.publicKey)) return false;
  const { recipe } = wish;
  if (leaf.subject.commonName !== recipe.commonName) return false;
  if (!sameSet(leaf.subject.organizations, recipe.organizations)) return false;
  const usages = leaf.extendedKeyUsages ?? [];
  if (!recipe.usages.every(usage => usages.includes(usage === 'server' ? serverAuthUsage : clientAuthUsage))) return false;
  return (recipe.subjectAltNames ?? []).every(name =>
    isIP(name) ? leaf.ipAddresses.includes(canonicalIp(name)) : leaf.dnsNames.includes(name),
  );
}

function isReadableKey(pem: string): boolean {
  try {
    readPrivateKey(pem);
    return true;
  } catch (error) {
    if (errorCode(error) === 'PKI_MALFORMED') return false;
    throw error;
  }
}

function sameSet(left: readonly string[], right: readonly string[]): boolean {
  const set = new Set(left);
  return set.size === new Set(right).size && right.every(item => set.has(item));
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
