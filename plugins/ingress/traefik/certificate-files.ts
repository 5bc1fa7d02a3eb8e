import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../../core/plugin-api/index.js';
import { writeFileAtomically } from '../../../core/pki/atomic-file.js';
import { createAuthority } from '../../../core/pki/certificate-authority.js';
import { generatePrivateKeyPem } from '../../../core/pki/private-key.js';
import type { CertificateFile } from './dataplane/state.js';

const defaultName = 'default.pem';
const renewBeforeMs = 30 * 24 * 60 * 60 * 1000;

/**
 * Certificates with their keys as 0600 files, by content: the dataplane is told where they lie, never what is in them. A file
 * that nobody names any more is removed.
 */
export class CertificateFiles {
  readonly #directory: string;
  readonly #known = new Map<string, CertificateFile>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  async open(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
  }

  /** The certificate for names that nobody has one for; self-made, kept until shortly before it ends. */
  async default(nowMs: number): Promise<CertificateFile> {
    const path = join(this.#directory, defaultName);
    let pem: string | undefined;
    try {
      pem = await readFile(path, 'utf8');
      if (Date.parse(new X509Certificate(pem).validTo) - nowMs < renewBeforeMs) pem = undefined;
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' && !String(errorCode(error)).startsWith('ERR_OSSL')) throw error;
      pem = undefined;
    }
    if (pem === undefined) {
      const authority = await createAuthority('TRAEFIK DEFAULT CERT', { nowMs, lifetimeDays: 366 });
      const key = generatePrivateKeyPem();
      const names = ['traefik.default'];
      const chain = await authority.issue(key, {
        commonName: 'TRAEFIK DEFAULT CERT',
        subjectAltNames: names,
        usages: ['server'],
        nowMs,
      });
      pem = key + chain;
      await writeFileAtomically(path, pem);
    }
    return { path, id: idOf(pem) };
  }

  /** Writes the pair of a TLS secret, unless it lies there already. Throws when it is no pair. */
  async write(certificate: Buffer, key: Buffer): Promise<CertificateFile> {
    const pem = `${key.toString('latin1').trimEnd()}\n${certificate.toString('latin1')}`;
    const id = idOf(pem);
    const known = this.#known.get(id);
    if (known) return known;
    if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
      throw new Error('the key does not belong to the certificate');
    }
    const file = { path: join(this.#directory, `${id}.pem`), id };
    await writeFileAtomically(file.path, pem);
    this.#known.set(id, file);
    return file;
  }

  /** Removes all files but these. Only after the dataplane has taken what it was told. */
  async keepOnly(ids: ReadonlySet<string>): Promise<void> {
    for (const id of this.#known.keys()) if (!ids.has(id)) this.#known.delete(id);
    for (const name of await readdir(this.#directory)) {
      if (name === defaultName || (name.endsWith('.pem') && ids.has(name.slice(0, -'.pem'.length)))) continue;
      await rm(join(this.#directory, name), { force: true });
    }
  }
}

function idOf(pem: string): string {
  return createHash('sha256').update(pem).digest('hex').slice(0, 32);
}
