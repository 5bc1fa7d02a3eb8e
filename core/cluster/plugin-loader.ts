import { errorCode, errorText } from '../base/errors.js';
import { assertDescriptor } from '../plugin-api/descriptor.js';
import type { CatalogueEntry } from '../kernel/wiring.js';
import { clusterError } from './cluster-errors.js';
import { importWithin, isPath, locatePackage, locationOf, versionOf } from './package-locator.js';
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
    const missing = errorCode(error) === 'ERR_MODULE_NOT_FOUND' && isPath(name);
    const text = `--plugin ${name} cannot be loaded: ${errorText(error).split('\n', 1)[0]}`;
    // Without the cause: its text is in the message, its stack is the plugin's affair.
    throw clusterError(missing ? 'PLUGIN_NOT_INSTALLED' : 'PLUGIN_INVALID', text);
  }
  const found = exported['plugins'] ?? exported['plugin'] ?? exported['default'];
  const descriptors: unknown[] = Array.isArray(found) ? found : [found];
  const version = await versionOf(url);
  const location = locationOf(url);
  return descriptors.map(descriptor => {
    if (descriptor === undefined) {
      throw clusterError('PLUGIN_INVALID', `--plugin ${name} exports no descriptor as "plugin", "plugins" or "default"`);
    }
    try {
      assertDescriptor(descriptor);
    } catch (error) {
      throw clusterError('PLUGIN_INVALID', `--plugin ${name}: ${errorText(error)}`, { mend: (error as { mend?: string }).mend });
    }
    return { descriptor, origin: name, location, ...(version === undefined ? {} : { version }) };
  });
}
