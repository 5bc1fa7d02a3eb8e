import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { createRequire, findPackageJSON, registerHooks } from 'node:module';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { errorCode, errorText } from '../base/errors.js';
import { clusterError } from './cluster-errors.js';
import type { ClusterErrorCode } from './cluster-errors.js';

/** What is looked for, as messages name it. */
export interface PackageKind {
  /** `--plugin` */
  readonly flag: string;
  readonly keyword: string;
  /** `plugin` */
  readonly word: string;
  readonly invalid: ClusterErrorCode;
  readonly missing: ClusterErrorCode;
}

/** How long the file of a descriptor may take, which imports next to nothing. */
const importDeadlineMs = 20_000;

/**
 * URL of the file at which a package begins: one looked up by name from `directory` and then beside k3s, or the path of a package's
 * directory or of a file. Throws CodedErrors that name package and mend.
 */
export async function locatePackage(name: string, directory: string, kind: PackageKind): Promise<string> {
  mapOwnPackage();
  return isPath(name) ? pathUrl(name, resolve(directory, name), kind) : packageUrl(name, directory, kind);
}

/** A module that waits at its top for what never comes would hold the start for ever. */
export async function importWithin(url: string, deadlineMs = importDeadlineMs): Promise<Record<string, unknown>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`its import did not end within ${deadlineMs} ms`)), deadlineMs);
  });
  try {
    return (await Promise.race([import(url), late])) as Record<string, unknown>;
  } finally {
    clearTimeout(timer);
  }
}

/** A directory is a package: its own `exports` or `main` say where it begins. */
async function pathUrl(name: string, path: string, { flag, invalid, missing, word }: PackageKind): Promise<string> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(path)).isDirectory();
  } catch (error) {
    throw clusterError(missing, `${flag} ${name} cannot be read: ${errorText(error)}`, { mend: 'check the path' });
  }
  if (!isDirectory) return pathToFileURL(path).href;
  const manifestFile = join(path, 'package.json');
  let manifest: { name?: unknown; exports?: unknown; main?: unknown };
  try {
    manifest = JSON.parse(await readFile(manifestFile, 'utf8')) as typeof manifest;
  } catch (error) {
    const why = errorCode(error) === 'ENOENT' ? 'has no package.json' : `has no valid package.json: ${errorText(error)}`;
    const mend = `name the directory of a package, or the file of a ${word}`;
    throw clusterError(invalid, `${flag} ${name}: the directory ${why}`, { mend });
  }
  let url: string;
  try {
    const own = typeof manifest.name === 'string' && manifest.exports !== undefined;
    url = own
      ? resolveFrom(manifest.name as string, pathToFileURL(manifestFile).href)
      : pathToFileURL(createRequire(manifestFile).resolve(path)).href;
    await stat(fileURLToPath(url));
  } catch (error) {
    if (manifest.exports === undefined && manifest.main === undefined) {
      throw clusterError(invalid, `${flag} ${name}: its package.json does not say where it begins`, {
        mend: 'as in "exports": "./dist/index.js"',
      });
    }
    const text = `${flag} ${name}: what its package.json names as its entry is not there`;
    const mend =
      errorCode(error) === 'EACCES' ? 'let this user read it' : 'build the package first, as with "npm run build" in it';
    throw clusterError(invalid, text, { cause: error, mend });
  }
  return url;
}

/** Directory of the package that a file lies in, or the file where it lies in none. */
export function locationOf(url: string): string {
  const manifestFile = findPackageJSON('.', url);
  return manifestFile === undefined ? fileURLToPath(url) : dirname(manifestFile);
}

/** Of the package that a file lies in. */
export async function versionOf(url: string): Promise<string | undefined> {
  const manifestFile = findPackageJSON('.', url);
  if (manifestFile === undefined) return undefined;
  try {
    const { version } = JSON.parse(await readFile(manifestFile, 'utf8')) as { version?: unknown };
    return typeof version === 'string' ? version : undefined;
  } catch {
    // A manifest that cannot be read is no fault of the plugin, which was loaded.
    return undefined;
  }
}

export function isPath(name: string): boolean {
  return name.startsWith('.') || isAbsolute(name);
}

async function packageUrl(name: string, directory: string, kind: PackageKind): Promise<string> {
  const { flag, keyword, word } = kind;
  const bases = [pathToFileURL(join(directory, 'package.json')).href, import.meta.url];
  for (const base of bases) {
    const manifestFile = findManifest(name, base);
    if (manifestFile === undefined) continue;
    const manifest = await readManifest(name, manifestFile, kind);
    if (!Array.isArray(manifest.keywords) || !manifest.keywords.includes(keyword)) {
      throw clusterError(kind.invalid, `${flag} ${name}: the package is no ${word}, it lacks the keyword "${keyword}"`);
    }
    try {
      return resolveFrom(name, base);
    } catch (error) {
      throw clusterError(kind.invalid, `${flag} ${name}: the package does not say where it begins: ${errorText(error)}`, {
        mend: 'as in "exports": "./dist/index.js" of its package.json',
      });
    }
  }
  // It is no list between commas: a path may hold some.
  const mend = name.includes(',')
    ? `name each by a ${flag} of its own`
    : `npm install ${name}${existsSync(resolve(directory, name)) ? `, or ${flag} ./${name} for what lies here` : ''}`;
  throw clusterError(kind.missing, `${flag} ${name}: the package is not installed`, { mend });
}

async function readManifest(name: string, file: string, { flag, invalid }: PackageKind): Promise<{ keywords?: unknown }> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as { keywords?: unknown };
  } catch (error) {
    throw clusterError(invalid, `${flag} ${name}: ${file} is not valid: ${errorText(error)}`, { mend: `npm install ${name}` });
  }
}

function findManifest(name: string, base: string): string | undefined {
  try {
    return findPackageJSON(name, base);
  } catch (error) {
    if (errorCode(error) === 'ERR_MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

/** `import.meta.resolve` as seen from another place. The URL carries the base to the hook below. */
function resolveFrom(name: string, base: string): string {
  return import.meta.resolve(`${requestPrefix}${encodeURIComponent(name)}:${encodeURIComponent(base)}`);
}

const requestPrefix = 'k3s-plugin-request:';
const ownEntries: Readonly<Record<string, string>> = {
  'k3s-ts/plugin': new URL('../plugin-api/index.js', import.meta.url).href,
  'k3s-ts/testing': new URL('../testing/index.js', import.meta.url).href,
};
let mapped = false;

/**
 * Makes `k3s-ts/plugin` and `k3s-ts/testing` mean this running copy wherever a plugin lies; tokens would agree anyhow, decorators' metadata would not.
 * Holds for the process, since plugins import lazily.
 */
function mapOwnPackage(): void {
  if (mapped) return;
  mapped = true;
  try {
    registerHooks({
      resolve(specifier, context, nextResolve) {
        const own = Object.hasOwn(ownEntries, specifier) ? ownEntries[specifier] : undefined;
        if (own !== undefined) return { url: own, format: 'module', shortCircuit: true };
        if (specifier.startsWith(requestPrefix)) {
          const [name, base] = specifier.slice(requestPrefix.length).split(':').map(decodeURIComponent);
          return nextResolve(name!, { ...context, parentURL: base! });
        }
        return nextResolve(specifier, context);
      },
    });
  } catch {
    // A test runner with a module loader of its own (Jest) refuses hooks; its resolver finds the k3s-ts that the test has anyhow.
  }
}
