import { errorCode, errorText } from '../base/errors.js';
import type { CodedError } from '../base/errors.js';
import { assertDescriptor } from '../plugin-api/check-descriptor.js';
import type { CatalogueEntry } from '../kernel/wiring.js';
import { clusterError } from './cluster-errors.js';
import { importWithin, locatePackage, locationOf, versionOf } from './package-locator.js';
import type { PackageKind } from './package-locator.js';

const kind: PackageKind = {
  flag: '--plugin',
  keyword: 'k3s-plugin',
  word: 'plugin',
  invalid: 'PLUGIN_INVALID',
  missing: 'PLUGIN_NOT_INSTALLED',
};

/**
 * Imports what `--plugin` names: a package with the keyword `k3s-plugin`, looked up from `directory` and then beside k3s, or the path
 * of a package's directory or of a file. It exports one descriptor or a list, as `plugin`, `plugins` or `default`. Throws CodedErrors
 * that name package and mend.
 */
export async function loadPlugin(name: string, directory: string, deadlineMs?: number): Promise<readonly CatalogueEntry[]> {
  const url = await locatePackage(name, directory, kind);
  let exported: Record<string, unknown>;
  try {
    exported = await importWithin(url, deadlineMs);
  } catch (error) {
    // Without the cause: its text is in the message, its stack is the plugin's affair.
    if (errorCode(error) === 'PLUGIN_INVALID') throw invalid(name, errorText(error), mendOf(error));
    const text = `--plugin ${name} cannot be loaded: ${errorText(error).split('\n', 1)[0]}${syntaxPlace(error)}`;
    throw clusterError('PLUGIN_INVALID', text, { mend: loadMend(error) });
  }
  const descriptors = descriptorsOf(exported);
  if (descriptors.length === 0) {
    throw clusterError('PLUGIN_INVALID', `--plugin ${name} exports no descriptor as "plugin", "plugins" or "default"`, {
      mend: "export const plugin = definePlugin({ ... }), with definePlugin of 'k3s-ts/plugin'",
    });
  }
  const version = await versionOf(url);
  const location = locationOf(url);
  return descriptors.map(descriptor => {
    try {
      assertDescriptor(descriptor);
    } catch (error) {
      throw invalid(name, errorText(error), mendOf(error));
    }
    return { descriptor, origin: name, location, ...(version === undefined ? {} : { version }) };
  });
}

/** Of an ES module, or of CommonJS, whose `module.exports` comes as the default export. */
function descriptorsOf(exported: Readonly<Record<string, unknown>>): readonly unknown[] {
  const common = (exported['default'] ?? {}) as Readonly<Record<string, unknown>>;
  const found = [
    exported['plugins'],
    exported['plugin'],
    common['plugins'],
    common['plugin'],
    common['default'],
    exported['default'],
  ];
  const first = found.find(each => each !== undefined);
  if (Array.isArray(first)) return first;
  return first === undefined ? [] : [first];
}

function invalid(name: string, problem: string, mend: string | undefined): CodedError {
  return clusterError('PLUGIN_INVALID', `--plugin ${name}: ${problem}`, { mend });
}

function mendOf(error: unknown): string | undefined {
  const mend = (error as { readonly mend?: unknown } | undefined)?.mend;
  return typeof mend === 'string' ? mend : undefined;
}

/** Node tells a fault of syntax without its place, which begins the stack. */
function syntaxPlace(error: unknown): string {
  if (!(error instanceof SyntaxError)) return '';
  const place = /^(?:file:\/\/)?(\/\S+:\d+)$/.exec(error.stack?.split('\n', 1)[0] ?? '')?.[1];
  return place === undefined ? '' : ` at ${place}`;
}

/** What a stranger does about an import that failed, where that can be told. */
function loadMend(error: unknown): string | undefined {
  const text = errorText(error);
  switch (errorCode(error)) {
    case 'ERR_MODULE_NOT_FOUND':
    case 'MODULE_NOT_FOUND':
      if (text.startsWith("Cannot find package 'k3s-ts'"))
        return 'a plugin may import k3s-ts/plugin, and its tests k3s-ts/testing';
      return text.startsWith('Cannot find package')
        ? 'run "npm install" in the directory of the plugin'
        : 'build the package first, as with "npm run build" in it';
    case 'ERR_IMPORT_ATTRIBUTE_MISSING':
    case 'ERR_INVALID_TYPESCRIPT_SYNTAX':
    case 'ERR_UNKNOWN_FILE_EXTENSION':
    case 'ERR_UNSUPPORTED_NODE_MODULES_TYPE_STRIPPING':
    case 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX':
      return 'name JavaScript: build the package, and let its "exports" lead to what was built';
    default:
  }
  const isModule = error instanceof SyntaxError && /import statement outside a module|Unexpected token 'export'/.test(text);
  return isModule ? 'its package.json needs "type": "module"' : mendOf(error);
}
