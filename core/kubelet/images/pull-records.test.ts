import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../base/logger.js';
import type { PullCredentials } from './pull-credentials.js';
import { PullRecords } from './pull-records.js';

const image = 'r.example/team/app:1';
const secret = (secretUid: string, hash: string): PullCredentials => ({ auth: {}, secretUid, hash });

describe('who may use an image that is here', () => {
  let directory: string;
  let records: PullRecords;
  const reopen = (): void => void (records = new PullRecords({ directory, logger: silentLogger }));

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'pulls-'));
    reopen();
  });
  afterEach(() => rm(directory, { recursive: true }));

  async function pull(reference: string, imageId: string, own?: PullCredentials): Promise<void> {
    await records.begin(reference);
    await records.end(reference, { imageId, with: own });
  }

  it('is everybody, when it was here before or pulled without a secret', async () => {
    expect(await records.mustPull(image, 'id', [])).toBe(false);
    await pull(image, 'id');
    expect(await records.mustPull(image, 'id', [])).toBe(false);
    expect(await records.mustPull('r.example/team/app:2', 'id', [])).toBe(false);
  });

  it('is who has the secret it was pulled with, or another with the same words', async () => {
    await pull(image, 'id', secret('u1', 'h1'));
    for (let round = 0; round < 2; round++) {
      expect(await records.mustPull(image, 'id', [])).toBe(true);
      expect(await records.mustPull(image, 'id', [secret('u2', 'h2')])).toBe(true);
      expect(await records.mustPull(image, 'id', [secret('u2', 'h2'), secret('u1', 'h1')])).toBe(false);
      expect(await records.mustPull(image, 'id', [secret('u3', 'h1')])).toBe(false);
      // The words of a secret that pulled it may change.
      expect(await records.mustPull(image, 'id', [secret('u1', 'h9')])).toBe(false);
      reopen();
    }
    expect(await records.mustPull('elsewhere.example/app:1', 'id', [secret('u1', 'h1')])).toBe(true);
    await pull(image, 'id', secret('u2', 'h2'));
    expect(await records.mustPull(image, 'id', [secret('u2', 'h2')])).toBe(false);
    await pull(image, 'id');
    expect(await records.mustPull(image, 'id', [])).toBe(false);
  });

  it('is nobody without a pull, when one was begun and never ended', async () => {
    await records.begin(image);
    await records.begin(image);
    await records.end(image);
    reopen();
    expect(await records.mustPull(image, 'id', [])).toBe(true);
    await records.begin(image);
    await records.end(image);
    expect(await records.mustPull(image, 'id', [])).toBe(false);
    expect(await readdir(join(directory, 'pulling'))).toEqual([]);
  });

  it('is forgotten with the image, and no words are kept', async () => {
    await pull(image, 'id', { auth: { password: 'hidden' }, secretUid: 'u', hash: 'h' });
    const [name] = await readdir(join(directory, 'pulled'));
    expect(await readFile(join(directory, 'pulled', name!), 'utf8')).not.toContain('hidden');
    await records.prune(new Set(['id']));
    expect(await records.mustPull(image, 'id', [])).toBe(true);
    await records.prune(new Set());
    expect(await records.mustPull(image, 'id', [])).toBe(false);
    expect(await readdir(join(directory, 'pulled'))).toEqual([]);
  });

  it('is asked again when it could not be written, and spoiled files are passed over', async () => {
    await pull(image, 'id');
    await writeFile(join(directory, 'pulled', 'x.json'), 'no json');
    await writeFile(join(directory, 'pulled', 'y.json'), '{"imageId": 5}');
    reopen();
    expect(await records.mustPull(image, 'id', [])).toBe(false);
    await rm(join(directory, 'pulled'), { recursive: true });
    await records.begin(image);
    await writeFile(join(directory, 'pulled'), 'in the way');
    await records.end(image, { imageId: 'new', with: undefined });
    await rm(join(directory, 'pulled'));
    reopen();
    expect(await records.mustPull(image, 'new', [])).toBe(true);
  });

  it('cannot be told while the records cannot be read, and can afterwards', async () => {
    await writeFile(join(directory, 'pulled'), 'in the way');
    await expect(records.mustPull(image, 'id', [])).rejects.toThrow('ENOTDIR');
    await rm(join(directory, 'pulled'));
    expect(await records.mustPull(image, 'id', [])).toBe(false);
  });
});
