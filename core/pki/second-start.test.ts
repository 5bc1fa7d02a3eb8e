import { expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const script = `
const [, directory, room] = process.argv;
const { ensureClusterCertificates } = await import(room + '/cluster-certificates.js');
const { isIssuingLibraryLoaded } = await import(room + '/certificate-authority.js');
const made = await ensureClusterCertificates({ directory, clusterDomain: 'cluster.local', serviceAddresses: ['10.43.0.1'] });
console.log(JSON.stringify({ written: made.written.length, loaded: isIssuingLibraryLoaded() }));
`;

it('a start that finds all certificates good does not load the issuing library', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'pki-'));
  try {
    const start = async (): Promise<unknown> => {
      const command = ['--input-type=module', '-e', script, directory, import.meta.dirname];
      return JSON.parse((await promisify(execFile)(process.execPath, command)).stdout) as unknown;
    };
    expect(await start()).toMatchObject({ loaded: true });
    expect(await start()).toEqual({ written: 0, loaded: false });
  } finally {
    await rm(directory, { recursive: true });
  }
});
