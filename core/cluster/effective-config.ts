import { flags } from '../../config/index.js';
import type { FlagDefinition } from '../../config/index.js';
import type { PreparedCluster } from './prepare-cluster.js';
import { hidden, shownOptions, shownValue } from './secrets.js';

export interface EffectiveValue {
  readonly name: string;
  /** As it may be shown; null: not set, and without a default. */
  readonly value: unknown;
  /** `--name`, a variable, a file, `preset NAME` or `default`. */
  readonly source: string;
}

/** Options that files and the preset give to plugins, by plugin, as they may be shown. What a flag set is among the flags. */
export function effectiveOptions({
  catalogue,
  selection,
}: Pick<PreparedCluster, 'catalogue' | 'selection'>): Map<string, object> {
  const shown = new Map<string, object>();
  for (const { id, options = {} } of selection.plugins) {
    const descriptor = catalogue.find(entry => entry.descriptor.id === id)?.descriptor;
    const byFlag = new Set(Object.values(descriptor?.flags ?? {}).map(({ option }) => option));
    const others = Object.entries(options).filter(([name]) => !byFlag.has(name));
    if (others.length > 0) shown.set(id, shownOptions(descriptor?.options, Object.fromEntries(others)));
  }
  return shown;
}

/** Every flag that the command has, sorted, with its value and who set it; secrets are hidden. */
export function effectiveConfig({ config, preset }: Pick<PreparedCluster, 'config' | 'preset'>): EffectiveValue[] {
  const table: Readonly<Record<string, FlagDefinition>> = flags;
  const values = config.values as Readonly<Record<string, unknown>>;
  const names = Object.keys(values).filter(name => {
    const on = Object.hasOwn(table, name) ? table[name]!.on : undefined;
    return on === undefined || on === config.command;
  });
  return names.sort().map(name => {
    const source = config.sources.get(name) ?? 'default';
    const definition = Object.hasOwn(table, name) ? table[name] : undefined;
    const isHidden = config.secretFlags.has(name) && values[name] !== undefined;
    const value = isHidden ? hidden : (shownValue(values[name], definition) ?? null);
    return { name, value, source: source === 'preset' ? `preset ${preset.id}` : source };
  });
}
