import { readFile } from 'node:fs/promises';
import { findPackageJSON, registerHooks } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { errorCode, errorText } from '../base/errors.js';
import { assertDescriptor } from '../plugin-api/descriptor.js';
import type { CatalogueEntry } from '../kernel/wiring.js';
import { clusterError } from './cluster-errors.js';

/**
 * Imports what `--plugin` names: a package with the keyword `k3s-plugin`, looked up from `directory` and then beside k3s, or a path.
 * It exports one descriptor or a list, as `plugin`, `plugins` or `default`. Throws CodedErrors that name package and mend.
 */
export async function loadPlugin(name: string, directory: string): Promise<readonly CatalogueEntry[]> {
  mapOwnPackage();
  const url = isPath(name) ? pathToFileURL(resolve(directory, name)).href : await packageUrl(name, directory);
  let exported: Record<string, unknown>;
  try {
    exported = (await import(url)) as Record<string, unknown>;
  } catch (error) {
    const missing = errorCode(error) === 'ERR_MODULE_NOT_FOUND' && isPath(name);
    const text = `--plugin ${name} cannot be loaded: ${errorText(error).split('\n', 1)[0]}`;
    throw clusterError(missing ? 'PLUGIN_NOT_INSTALLED' : 'PLUGIN_INVALID', text, { cause: error });
  }
  const found = exported['plugins'] ?? exported['plugin'] ?? exported['default'];
  const descriptors: unknown[] = Array.isArray(found) ? found : [found];
  const version = await versionOf(url);
  return descriptors.map(descriptor => {
    if (descriptor === undefined) {
      throw clusterError('PLUGIN_INVALID', `--plugin ${name} exports no descriptor as "plugin", "plugins" or "default"`);
    }
    assertDescriptor(descriptor);
    return { descriptor, origin: name, ...(version === undefined ? {} : { version }) };
  });
}

/** Of the package that a file lies in. */
async function versionOf(url: string): Promise<string | undefined> {
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

function isPath(name: string): boolean {
  return name.startsWith('.') || isAbsolute(name);
}

async function packageUrl(name: string, directory: string): Promise<string> {
  const bases = [pathToFileURL(join(directory, 'package.json')).href, import.meta.url];
  for (const base of bases) {
    const manifestFile = findManifest(name, base);
    if (manifestFile === undefined) continue;
    const manifest = JSON.parse(await readFile(manifestFile, 'utf8')) as { keywords?: unknown };
    if (!Array.isArray(manifest.keywords) || !manifest.keywords.includes('k3s-plugin')) {
      throw clusterError('PLUGIN_INVALID', `--plugin ${name}: the package is no plugin, it lacks the keyword "k3s-plugin"`);
    }
    return resolveFrom(name, base);
  }
  throw clusterError('PLUGIN_NOT_INSTALLED', `--plugin ${name}: the package is not installed`, { mend: `npm install ${name}` });
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
const ownEntry = new URL('../plugin-api/index.js', import.meta.url).href;
let mapped = false;

/**
 * Makes `k3s-ts/plugin` mean this running copy wherever a plugin lies; tokens would agree anyhow, decorators' metadata would not.
 * Holds for the process, since plugins import lazily.
 */
function mapOwnPackage(): void {
  if (mapped) return;
  mapped = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      if (specifier === 'k3s-ts/plugin') return { url: ownEntry, format: 'module', shortCircuit: true };
      if (specifier.startsWith(requestPrefix)) {
        const [name, base] = specifier.slice(requestPrefix.length).split(':').map(decodeURIComponent);
        return nextResolve(name!, { ...context, parentURL: base! });
      }
      return nextResolve(specifier, context);
    },
  });
}
