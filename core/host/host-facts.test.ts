import { describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { maximumThreads } from './host-facts.js';

describe('facts of the machine', () => {
  it('have the lower of the two limits of threads', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'facts-'));
    try {
      await writeFile(join(folder, 'pid_max'), '4194304\n');
      await writeFile(join(folder, 'threads-max'), '23145\n');
      expect(await maximumThreads(folder)).toBe(23_145);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
