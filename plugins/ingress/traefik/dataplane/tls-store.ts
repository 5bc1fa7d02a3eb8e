import { readFile } from 'node:fs/promises';
import { X509Certificate } from 'node:crypto';
import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { CertificateFile } from './state.js';

interface Loaded {
  readonly id: string;
  readonly pem: string;
  readonly context: SecureContext;
  readonly names: readonly string[];
  readonly notAfterMs: number;
}

/** Oldest protocol that is spoken, as Traefik's default. */
const minVersion = 'TLSv1.2';

/**
 * Certificates by the names in them. A change is seen by the next handshake; connections that stand go on. A file that cannot be
 * used leaves what was there before.
 */
export class TlsStore {
  readonly #loaded = new Map<string, Loaded>();
  #byName = new Map<string, Loaded>();
  #fallback: Loaded | undefined;

  /** For handshakes that name no server; undefined while there is none. */
  get defaultPem(): string | undefined {
    return this.#fallback?.pem;
  }

  async setDefault(file: CertificateFile): Promise<void> {
    if (this.#fallback?.id !== file.id) this.#fallback = await load(file);
  }

  async set(key: string, file: CertificateFile): Promise<void> {
    if (this.#loaded.get(key)?.id === file.id) return;
    this.#loaded.set(key, await load(file));
    this.#index();
  }

  delete(key: string): void {
    if (this.#loaded.delete(key)) this.#index();
  }

  /** For a handshake; undefined only while there is no default certificate. */
  find(serverName: string): SecureContext | undefined {
    const name = serverName.toLowerCase();
    const dot = name.indexOf('.');
    const found = this.#byName.get(name) ?? (dot > 0 ? this.#byName.get(`*${name.slice(dot)}`) : undefined);
    return (found ?? this.#fallback)?.context;
  }

  #index(): void {
    const byName = new Map<string, Loaded>();
    for (const loaded of this.#loaded.values()) {
      for (const name of loaded.names) {
        const other = byName.get(name);
        if (!other || other.notAfterMs < loaded.notAfterMs) byName.set(name, loaded);
      }
    }
    this.#byName = byName;
  }
}

async function load({ path, id }: CertificateFile): Promise<Loaded> {
  const pem = await readFile(path, 'utf8');
  const context = createSecureContext({ cert: pem, key: pem, minVersion });
  const certificate = new X509Certificate(pem);
  const names = (certificate.subjectAltName ?? '')
    .split(', ')
    .flatMap(part => (part.startsWith('DNS:') ? [part.slice(4).toLowerCase()] : []));
  const commonName = /^CN=(.+)$/m.exec(certificate.subject)?.[1];
  if (names.length === 0 && commonName !== undefined) names.push(commonName.toLowerCase());
  return { id, pem, context, names, notAfterMs: Date.parse(certificate.validTo) };
}
