import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../base/errors.js';
import type { NodeCredentials } from '../../contracts/node-credentials.js';
import { writeFileAtomically } from '../../pki/atomic-file.js';
import { generatePrivateKeyPem } from '../../pki/private-key.js';

export interface ServingCredentials {
  readonly certPem: string;
  readonly keyPem: string;
  readonly clientCaPem: string;
}

/** The key and certificate of the kubelet's HTTPS API, kept where K3s keeps them; what is on disk and still good stays. */
export async function servingCredentials(request: {
  readonly credentials: NodeCredentials;
  /** `<data-dir>/agent`. */
  readonly directory: string;
  readonly nodeName: string;
  readonly addresses: readonly string[];
}): Promise<ServingCredentials> {
  const { credentials, directory, nodeName, addresses } = request;
  const files = {
    key: join(directory, 'serving-kubelet.key'),
    certificate: join(directory, 'serving-kubelet.crt'),
    clientCa: join(directory, 'client-ca.crt'),
  };
  await mkdir(directory, { recursive: true });
  const [oldKey, currentPem, oldCa] = await Promise.all(Object.values(files).map(readIfThere));
  const keyPem = oldKey ?? generatePrivateKeyPem();
  if (oldKey === undefined) await writeFileAtomically(files.key, keyPem);
  const [certPem, clientCaPem] = await Promise.all([
    credentials.kubeletServing({ nodeName, addresses, keyPem, currentPem }),
    credentials.clientCaPem(),
  ]);
  if (certPem !== currentPem) await writeFileAtomically(files.certificate, certPem);
  if (clientCaPem !== oldCa) await writeFileAtomically(files.clientCa, clientCaPem);
  return { certPem, keyPem, clientCaPem };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
