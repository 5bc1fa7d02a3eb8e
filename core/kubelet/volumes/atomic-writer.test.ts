import { expect, it } from '@jest/globals';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeAtomically } from './atomic-writer.js';

it('files that cannot all be written leave nothing of a try behind, and the volume as it was', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'atomic-'));
  const file = { content: Buffer.from('x'), mode: 0o644 };
  await writeAtomically(directory, new Map([['a', file]]));
  const before = (await readdir(directory)).sort();
  const impossible = new Map([
    ['a', file],
    ['a/b', file],
  ]);
  for (const _try of [1, 2]) await expect(writeAtomically(directory, impossible)).rejects.toMatchObject({ code: 'ENOTDIR' });
  expect((await readdir(directory)).sort()).toEqual(before);
  await rm(directory, { recursive: true });
});
