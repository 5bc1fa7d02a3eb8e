import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import { didYouMean } from '../../base/nearest-name.js';
import type { CommandContext } from '../command.js';

const templatesDirectory = fileURLToPath(new URL('../templates/', import.meta.url));
const ownPackage = fileURLToPath(new URL('../../../../', import.meta.url));

/** `k3s plugin init DIR --slot SLOT`: a package that builds, keeps its slot's contract and can be run at once. */
export async function pluginInit(context: CommandContext): Promise<number> {
  const { directory, slot } = wordsOf(context.arguments);
  const slots = await templateSlots();
  if (!slots.includes(slot)) {
    throw new CodedError('SLOT_UNKNOWN', `--slot: no template for "${slot}"${didYouMean(slot, slots)}`, {
      mend: `there are templates for ${slots.join(', ')}`,
    });
  }
  const path = resolve(directory);
  const id = basename(path).replace(/^k3s-plugin-/, '');
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(id)) {
    throw new CodedError('ARGUMENT_INVALID', `"${id}" cannot be a plugin's id: small letters, digits and single dashes only`, {
      mend: `k3s plugin init ./my-${slot} --slot ${slot}`,
    });
  }
  const names = namesOf(slot, id);
  const written: string[] = [];
  try {
    await mkdir(path, { recursive: true });
    if ((await readdir(path)).length > 0) {
      throw new CodedError('ARGUMENT_INVALID', `${path} is not empty`, { mend: 'choose a directory that does not exist yet' });
    }
    await mkdir(join(path, 'src'));
    const write = async (file: string, text: string): Promise<void> => {
      await writeFile(join(path, file), text, { flag: 'wx' });
      written.push(file);
    };
    await write('package.json', await manifestOf(basename(path), id, slot));
    await write('tsconfig.json', await readFile(join(templatesDirectory, 'tsconfig.json'), 'utf8'));
    await write('.gitignore', 'node_modules/\ndist/\n');
    await write('README.md', names(await readFile(join(templatesDirectory, slot, 'README.md'), 'utf8')));
    for (const file of (await readdir(join(templatesDirectory, slot, 'src'))).sort()) {
      if (!file.endsWith('.ts') || file.endsWith('.d.ts')) continue;
      // Under its final name our own tests would take a template's for one of them.
      const target = names(file).replace(/-test\.ts$/, '.test.ts');
      await write(join('src', target), names(await readFile(join(templatesDirectory, slot, 'src', file), 'utf8')));
    }
  } catch (error) {
    if (errorCode(error) === 'ARGUMENT_INVALID') throw error;
    throw new CodedError('CANNOT_WRITE', `${path} cannot be written: ${errorText(error)}`, { cause: error });
  }
  for (const file of written) context.print(`wrote ${join(directory, file)}`);
  const asPath = directory.startsWith('.') || directory.startsWith('/') ? directory : `./${directory}`;
  context.print('');
  context.print('Next:');
  context.print(`  cd ${directory} && npm install && npm test`);
  context.print(`  k3s plugin check ${asPath}`);
  context.print(`  k3s server --preset sandbox --plugin ${asPath}`);
  return 0;
}

function wordsOf(argumentList: readonly string[]): { directory: string; slot: string } {
  const usage = { mend: 'k3s plugin init ./my-datastore --slot datastore' };
  try {
    const { values, positionals } = parseArgs({
      args: [...argumentList],
      options: { slot: { type: 'string' } },
      allowPositionals: true,
    });
    const [directory, ...more] = positionals;
    if (directory !== undefined && more.length === 0 && values.slot !== undefined) return { directory, slot: values.slot };
  } catch (error) {
    throw new CodedError('ARGUMENT_INVALID', `"k3s plugin init": ${errorText(error)}`, usage);
  }
  throw new CodedError('ARGUMENT_INVALID', '"k3s plugin init" takes one directory and --slot', usage);
}

async function templateSlots(): Promise<string[]> {
  const entries = await readdir(templatesDirectory, { withFileTypes: true });
  return entries.flatMap(entry => (entry.isDirectory() ? [entry.name] : [])).sort();
}

/** Gives the template's names the plugin's: `template-datastore`, `TemplateDatastore`. */
function namesOf(slot: string, id: string): (text: string) => string {
  const from = `template-${slot}`;
  return text => text.replaceAll(from, id).replaceAll(pascalCase(from), pascalCase(id));
}

function pascalCase(name: string): string {
  return name
    .split('-')
    .map(word => word[0]!.toUpperCase() + word.slice(1))
    .join('');
}

async function manifestOf(name: string, id: string, slot: string): Promise<string> {
  const own = JSON.parse(await readFile(join(ownPackage, 'package.json'), 'utf8')) as OwnManifest;
  const manifest = {
    name,
    version: '0.1.0',
    description: `k3s plugin ${id} for the slot ${slot}`,
    type: 'module',
    keywords: ['k3s-plugin'],
    exports: { '.': './dist/index.js', './package.json': './package.json' },
    files: ['dist', '!dist/*.test.*', 'README.md'],
    scripts: { build: 'tsc -p .', test: 'tsc -p . && node --test "dist/*.test.js"', prepack: 'tsc -p .' },
    engines: { node: '>=24' },
    // Optional: the running k3s stands for it, and npm need not bring a second one.
    peerDependencies: { 'k3s-ts': `>=${own.version}` },
    peerDependenciesMeta: { 'k3s-ts': { optional: true } },
    devDependencies: {
      // Types and testing kit: those of this k3s, which a registry may not have.
      'k3s-ts': ownPackage.includes('/node_modules/') ? `^${own.version}` : `file:${ownPackage}`,
      '@types/node': own.devDependencies['@types/node'],
      typescript: own.devDependencies['typescript'],
    },
  };
  return JSON.stringify(manifest, null, 2) + '\n';
}

interface OwnManifest {
  readonly version: string;
  readonly devDependencies: Readonly<Record<string, string>>;
}
