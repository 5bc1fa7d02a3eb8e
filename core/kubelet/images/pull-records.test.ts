import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../base/logger.js';
import type { PullCredentials } from './pull-credentials.js';
import { PullRecords } from './pull-records.js';

const image = 'r.example/team/app:1';
const state = { id: 'id', pinned: false };
const newState = { id: 'new', pinned: false };
const pinnedState = { id: 'id', pinned: true };
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
    expect(await records.mustPull(image, state, [])).toBe(false);
    await pull(image, 'id');
    expect(await records.mustPull(image, state, [])).toBe(false);
    expect(await records.mustPull('r.example/team/app:2', state, [])).toBe(false);
  });

  it('is who has the secret it was pulled with, or another with the same words', async () => {
    await pull(image, 'id', secret('u1', 'h1'));
    for (let round = 0; round < 2; round++) {
      expect(await records.mustPull(image, state, [])).toBe(true);
      expect(await records.mustPull(image, state, [secret('u2', 'h2')])).toBe(true);
      expect(await records.mustPull(image, state, [secret('u2', 'h2'), secret('u1', 'h1')])).toBe(false);
      expect(await records.mustPull(image, state, [secret('u3', 'h1')])).toBe(false);
      // The words of a secret that pulled it may change.
      expect(await records.mustPull(image, state, [secret('u1', 'h9')])).toBe(false);
      reopen();
    }
    expect(await records.mustPull('elsewhere.example/app:1', state, [secret('u1', 'h1')])).toBe(true);
    await pull(image, 'id', secret('u2', 'h2'));
    expect(await records.mustPull(image, state, [secret('u2', 'h2')])).toBe(false);
    await pull(image, 'id');
    expect(await records.mustPull(image, state, [])).toBe(false);
  });

  it('is nobody without a pull, when one was begun and never ended', async () => {
    await records.begin(image);
    await records.begin(image);
    await records.end(image);
    reopen();
    expect(await records.mustPull(image, state, [])).toBe(true);
    await records.begin(image);
    await records.end(image);
    expect(await records.mustPull(image, state, [])).toBe(false);
    expect(await readdir(join(directory, 'pulling'))).toEqual([]);
  });

  it('is forgotten with the image, and no words are kept', async () => {
    await pull(image, 'id', { auth: { password: 'hidden' }, secretUid: 'u', hash: 'h' });
    const [name] = await readdir(join(directory, 'pulled'));
    expect(await readFile(join(directory, 'pulled', name!), 'utf8')).not.toContain('hidden');
    await records.prune(new Set(['id']));
    expect(await records.mustPull(image, state, [])).toBe(true);
    await records.prune(new Set());
    expect(await records.mustPull(image, state, [])).toBe(false);
    expect(await readdir(join(directory, 'pulled'))).toEqual([]);
  });

  it('is asked again when it could not be written, and spoiled files are passed over', async () => {
    await pull(image, 'id');
    await writeFile(join(directory, 'pulled', 'x.json'), 'no json');
    await writeFile(join(directory, 'pulled', 'y.json'), '{"imageId": 5}');
    reopen();
    expect(await records.mustPull(image, state, [])).toBe(false);
    await rm(join(directory, 'pulled'), { recursive: true });
    await records.begin(image);
    await writeFile(join(directory, 'pulled'), 'in the way');
    await records.end(image, { imageId: 'new', with: undefined });
    await rm(join(directory, 'pulled'));
    reopen();
    expect(await records.mustPull(image, newState, [])).toBe(true);
  });

  it('cannot be told while the records cannot be read, and can afterwards', async () => {
    await writeFile(join(directory, 'pulled'), 'in the way');
    await expect(records.mustPull(image, state, [])).rejects.toThrow('ENOTDIR');
    await rm(join(directory, 'pulled'));
    expect(await records.mustPull(image, state, [])).toBe(false);
  });

  it('is everybody after pulls at once that all failed', async () => {
    for (let round = 0; round < 20; round++) {
      await Promise.all(
        [1, 2, 3].map(async () => {
          await records.begin(image);
          expect(await records.mustPull(image, state, [])).toBe(true);
          await records.end(image);
        }),
      );
      expect(await records.mustPull(image, state, [])).toBe(false);
    }
    expect(await readdir(join(directory, 'pulling'))).toEqual([]);
  });

  it('is everybody after a pull that could not even be written down', async () => {
    await writeFile(join(directory, 'pulling'), 'in the way');
    await expect(records.mustPull(image, state, [])).rejects.toThrow('ENOTDIR');
    await rm(join(directory, 'pulling'));
    expect(await records.mustPull(image, state, [])).toBe(false);
    await writeFile(join(directory, 'pulling'), 'in the way');
    await expect(records.begin(image)).rejects.toThrow(/EEXIST|ENOTDIR/);
    expect(await records.mustPull(image, state, [])).toBe(false);
  });

  it('is everybody, whatever pull was cut, when whoever runs the node has put it there', async () => {
    await records.begin(image);
    reopen();
    expect(await records.mustPull(image, state, [])).toBe(true);
    expect(await records.mustPull(image, pinnedState, [])).toBe(false);
    await records.end(image, { imageId: 'id', with: secret('u', 'h') });
    expect(await records.mustPull(image, pinnedState, [])).toBe(true);
  });
});
