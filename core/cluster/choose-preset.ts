import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errorCode, errorText } from '../base/errors.js';
import { didYouMean } from '../base/nearest-name.js';
import { flags } from '../../config/index.js';
import { presets } from '../../presets/index.js';
import type { Preset } from '../../presets/index.js';
import { slots as slotDefinitions } from '../plugin-api/slots.js';
import { clusterError } from './cluster-errors.js';
import { importWithin, isPath, locatePackage } from './package-locator.js';
import type { PackageKind } from './package-locator.js';

const kind: PackageKind = {
  flag: '--preset',
  keyword: 'k3s-preset',
  word: 'preset',
  invalid: 'PRESET_INVALID',
  missing: 'PRESET_UNKNOWN',
};
const dataFile = /\.(ya?ml|json)$/;

/**
 * One of ours by its name, or the user's own: `slots`, `flags`, `pluginOptions` and `temporary` as data, which begin with what `from`
 * names (`default` when absent). They come from a YAML (or JSON) file, or from an npm package with the keyword `k3s-preset` (by name,
 * or by the path of its directory), which begins with such a file or exports it as `preset` or `default`.
 * Throws `PRESET_UNKNOWN` or `PRESET_INVALID`.
 */
export async function choosePreset(name: string, directory: string): Promise<Preset> {
  if (Object.hasOwn(presets, name)) return presets[name]!;
  const isFile = dataFile.test(name) || (!isPath(name) && name.includes('/') && !/^@[^/]+\/[^/]+$/.test(name));
  if (isFile) return checkPreset(name, await readData(name, resolve(directory, name)));
  if (!isPath(name) && !packageName.test(name)) throw unknown(name);
  let url: string;
  try {
    url = await locatePackage(name, directory, kind);
  } catch (error) {
    if (errorCode(error) === 'PRESET_UNKNOWN') throw unknown(name);
    throw error;
  }
  if (dataFile.test(url)) return checkPreset(name, await readData(name, fileURLToPath(url)));
  let exported: Record<string, unknown>;
  try {
    exported = await importWithin(url);
  } catch (error) {
    throw invalid(name, `cannot be loaded: ${errorText(error).split('\n', 1)[0]}`);
  }
  return checkPreset(name, exported['preset'] ?? exported['default']);
}

const packageName = /^(@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/;

function unknown(name: string): Error {
  return clusterError('PRESET_UNKNOWN', `unknown preset "${name}"${didYouMean(name, Object.keys(presets))}`, {
    mend: `there are ${Object.keys(presets).join(', ')}; a file is named by its path, a package must be installed`,
  });
}

const keys = ['flags', 'from', 'pluginOptions', 'slots', 'summary', 'temporary'];

async function readData(name: string, file: string): Promise<unknown> {
  const yaml = await import('js-yaml');
  try {
    return yaml.load(await readFile(file, 'utf8'));
  } catch (error) {
    throw invalid(name, `cannot be read: ${errorText(error).split('\n', 1)[0]}`, error);
  }
}

function checkPreset(name: string, document: unknown): Preset {
  if (!isMap(document)) throw invalid(name, 'must be a map');
  known(name, 'key', Object.keys(document), keys);
  const { from = 'default', summary = '', temporary = false } = document;
  if (typeof from !== 'string' || !Object.hasOwn(presets, from)) {
    throw invalid(name, `"from" must be one of ${Object.keys(presets).join(', ')}`);
  }
  if (typeof temporary !== 'boolean') throw invalid(name, '"temporary" must be true or false');
  const slots = section(name, document, 'slots');
  known(
    name,
    'slot',
    Object.keys(slots),
    Array.from(slotDefinitions, ({ id }) => id),
  );
  for (const [slot, plugin] of Object.entries(slots)) {
    const ids: unknown[] = Array.isArray(plugin) ? plugin : [plugin];
    if (ids.some(id => typeof id !== 'string'))
      throw invalid(name, `slots.${slot} must be the name of a plugin, or a list of them`);
  }
  const values = section(name, document, 'flags');
  known(name, 'flag', Object.keys(values), Object.keys(flags));
  const pluginOptions = section(name, document, 'pluginOptions');
  for (const [plugin, options] of Object.entries(pluginOptions)) {
    if (!isMap(options)) throw invalid(name, `pluginOptions.${plugin} must be a map`);
  }
  const base = presets[from]!;
  return {
    id: basename(name).replace(/\.[a-z]+$/, ''),
    summary: String(summary),
    slots: { ...base.slots, ...(slots as Preset['slots']) },
    flags: { ...base.flags, ...(values as Preset['flags']) },
    pluginOptions: { ...base.pluginOptions, ...(pluginOptions as Preset['pluginOptions']) },
    temporary: 'temporary' in document ? temporary : (base.temporary ?? false),
  };
}

function section(name: string, document: Record<string, unknown>, key: string): Record<string, unknown> {
  const value = document[key] ?? {};
  if (!isMap(value)) throw invalid(name, `"${key}" must be a map`);
  return value;
}

function known(name: string, what: string, given: readonly string[], names: readonly string[]): void {
  const stray = given.find(own => !names.includes(own));
  if (stray !== undefined) throw invalid(name, `unknown ${what} "${stray}"${didYouMean(stray, names)}`);
}

function invalid(name: string, problem: string, cause?: unknown): Error {
  return clusterError('PRESET_INVALID', `--preset ${name}: ${problem}`, { cause });
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
