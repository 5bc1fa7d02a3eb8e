import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** One place of a template's code, and what it says instead. */
export interface TemplateFault {
  readonly file: string;
  readonly before: string;
  readonly after: string;
}

/** Copies of what `k3s plugin init` writes for a slot, built, for tests that change them. */
export class TemplateCopies {
  readonly #slot: string;
  #directory = '';

  constructor(slot: string) {
    this.#slot = slot;
  }

  async make(): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), `${this.#slot}-faults-`));
    await mkdir(join(this.#directory, 'node_modules'));
    await symlink(root, join(this.#directory, 'node_modules', 'k3s-ts'));
  }

  dispose(): Promise<void> {
    return rm(this.#directory, { recursive: true });
  }

  /** The entry of a copy, with the fault in it. */
  async with(fault: TemplateFault | undefined): Promise<string> {
    const copy = await mkdtemp(join(this.#directory, 'package-'));
    await cp(join(root, 'dist/core/cli/templates', this.#slot, 'src'), copy, {
      recursive: true,
      filter: path => !/contract-test|\.map$/.test(path),
    });
    await writeFile(join(copy, 'package.json'), JSON.stringify({ name: 'template', type: 'module', exports: './index.js' }));
    if (fault) {
      const { file, before, after } = fault;
      const code = await readFile(join(copy, file), 'utf8');
      const count = code.split(before).length - 1;
      // With a code it is not taken for a promise that was broken.
      if (count !== 1) throw Object.assign(new Error(`${file} has "${before}" ${count} times`), { code: 'ERR_NO_FAULT' });
      await writeFile(
        join(copy, file),
        code.replace(before, () => after),
      );
    }
    return join(copy, 'index.js');
  }
}
