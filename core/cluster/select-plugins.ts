import { didYouMean } from '../base/nearest-name.js';
import type { CodedError } from '../base/errors.js';
import type { LoadedConfig } from '../../config/index.js';
import { configError } from '../../config/index.js';
import type { Preset } from '../../presets/index.js';
import type { CatalogueEntry, PartSelection } from '../kernel/wiring.js';
import { slots } from '../plugin-api/slots.js';
import type { SlotDefinition } from '../plugin-api/slots.js';
import { clusterError } from './cluster-errors.js';

export interface SelectionInput {
  readonly preset: Preset;
  readonly config: LoadedConfig;
  readonly catalogue: readonly CatalogueEntry[];
  /** Ids of plugins that came by `--plugin`. */
  readonly added: readonly string[];
  readonly sides: { readonly server: boolean; readonly node: boolean };
}

export interface Selection {
  readonly plugins: readonly PartSelection[];
  /** Slots that the preset fills with a plugin that this version does not have. */
  readonly notBuilt: readonly { readonly slot: string; readonly plugin: string }[];
  readonly warnings: readonly string[];
}

interface Wish {
  readonly id: string;
  readonly slot: SlotDefinition;
  readonly by: string;
  /** Asked for by name: must exist and cannot be pushed out. */
  readonly strict: boolean;
}

const engineOfScheme: Readonly<Record<string, string>> = {
  etcd: 'etcd',
  http: 'etcd',
  https: 'etcd',
  memory: 'memory',
  mysql: 'mysql',
  nats: 'nats',
  postgres: 'postgres',
  postgresql: 'postgres',
  sqlite: 'sqlite',
  unix: 'etcd',
};

const emptiedBy = {
  'disable-helm-controller': 'helm',
  'disable-kube-proxy': 'service-proxy',
  'disable-network-policy': 'network-policy',
  'disable-scheduler': 'scheduler',
} as const;

/** Turns preset, flags and files into the list of plugins to run. Throws CodedErrors, or an AggregateError of all that is wrong. */
export function selectPlugins(input: SelectionInput): Selection {
  const { preset, config, catalogue, sides } = input;
  const errors: CodedError[] = [];
  const warnings: string[] = [];
  const slotById = new Map(slots.map(slot => [slot.id, slot]));
  const byName = new Map(catalogue.flatMap(entry => namesOf(entry).map(name => [name, entry] as const)));
  const wishes = new Map<string, Wish[]>();

  for (const slot of slots) {
    const present = slot.side === 'both' || sides[slot.side];
    const ids = present ? presetIds(preset, slot, catalogue) : [];
    const by = `preset ${preset.id}`;
    wishes.set(
      slot.id,
      ids.map(id => ({ id, slot, by, strict: false })),
    );
  }
  const replace = (slotId: string, id: string, by: string): void => {
    const slot = slotById.get(slotId);
    if (slot) wishes.set(slotId, id === 'none' ? [] : [{ id, slot, by, strict: true }]);
    else errors.push(clusterError('SLOT_UNKNOWN', `${by}: unknown slot "${slotId}"${didYouMean(slotId, slotById.keys())}`));
  };

  const endpoint = config.values['datastore-endpoint'];
  if (endpoint !== undefined) {
    const scheme = /^([a-z]+):\/\//.exec(endpoint)?.[1] ?? '';
    const engine = engineOfScheme[scheme];
    const known = [...new Set(Object.keys(engineOfScheme))].map(name => `${name}://`).join(', ');
    if (engine) replace('datastore', engine, '--datastore-endpoint');
    else errors.push(configError('FLAG_VALUE', `--datastore-endpoint must begin with one of ${known}`));
  }
  if (config.values.docker) replace('container-runtime', 'docker', '--docker');
  for (const [flag, slot] of Object.entries(emptiedBy)) {
    if (config.values[flag as keyof typeof emptiedBy]) wishes.set(slot, []);
  }
  for (const [slotId, { plugin, by }] of config.slots) replace(slotId, plugin, by);
  const passedOver: { readonly entry: CatalogueEntry; readonly chosen: string; readonly by: string }[] = [];
  for (const id of input.added) {
    const { descriptor, origin } = byName.get(id)!;
    const slot = slotById.get(descriptor.slot);
    if (!slot) {
      const name = `"${descriptor.slot}"${didYouMean(descriptor.slot, slotById.keys())}`;
      errors.push(clusterError('SLOT_UNKNOWN', `plugin ${id} (${origin}) wants the unknown slot ${name}`));
      continue;
    }
    const choice = slot.cardinality === 'many' ? undefined : config.slots.get(slot.id);
    if (choice) {
      // Whoever was chosen is wished for already.
      if (byName.get(choice.plugin)?.descriptor.id !== id) {
        passedOver.push({ entry: byName.get(id)!, chosen: choice.plugin, by: choice.by });
      }
      continue;
    }
    const others = wishes.get(slot.id)!.filter(wish => wish.id !== id && (slot.cardinality === 'many' || wish.strict));
    wishes.set(slot.id, [...others, { id, slot, by: '--plugin', strict: true }]);
  }

  const disabled = disabledIds(config.values.disable, byName, warnings);
  const plugins: PartSelection[] = [];
  const notBuilt: { slot: string; plugin: string }[] = [];
  for (const wish of [...wishes.values()].flat()) {
    const entry = byName.get(wish.id);
    const id = entry?.descriptor.id ?? wish.id;
    if (disabled.has(id)) continue;
    if (entry) {
      if (entry.descriptor.slot !== wish.slot.id) {
        const text = `${wish.by}: plugin ${id} belongs in the slot ${entry.descriptor.slot}, not in ${wish.slot.id}`;
        errors.push(clusterError('SLOT_UNKNOWN', text));
      }
      plugins.push({ id, by: wish.by, options: optionsOf(entry, input, endpoint, errors) });
    } else if (wish.strict) errors.push(notBuiltError(wish, catalogue));
    else notBuilt.push({ slot: wish.slot.id, plugin: wish.id });
  }
  // One of several plugins of a package may have been chosen; a package that has no part at all was named in vain.
  for (const { entry, chosen, by } of passedOver) {
    const { id, slot } = entry.descriptor;
    const serves = plugins.some(plugin => byName.get(plugin.id)?.origin === entry.origin);
    if (!serves) warnings.push(`--plugin ${entry.origin}: ${id} does not run, ${by} has ${chosen} in the slot ${slot}`);
  }
  for (const name of config.pluginOptions.keys()) {
    if (!byName.has(name)) warnings.push(`plugin-options: unknown plugin "${name}"${didYouMean(name, byName.keys())}, skipped`);
  }
  const datastore = notBuilt.find(({ slot }) => slot === 'datastore');
  if (datastore) {
    const text = `preset ${preset.id} needs the datastore ${datastore.plugin}, which this version does not build yet`;
    const mend = 'choose another by --datastore-endpoint or --slot datastore=NAME, or bring one by --plugin';
    errors.push(clusterError('PLUGIN_NOT_BUILT', text, { mend }));
  }
  const running = new Set(plugins.map(({ id }) => id));
  for (const [flag, readers] of config.claimedBy) {
    if (readers.some(id => running.has(id))) continue;
    const source = config.sources.get(flag);
    const place = source === `--${flag}` ? source : `--${flag} (from ${source})`;
    if (source !== 'preset') warnings.push(`${place} has no effect: ${readers.join(', ')}, which reads it, does not run`);
  }
  if (errors.length === 1) throw errors[0];
  if (errors.length > 1) throw new AggregateError(errors, `${errors.length} faults in the choice of plugins`);
  // A slot that must be filled and whose default is not built is the wiring's to report.
  return { plugins: plugins.filter(({ id }, at) => plugins.findIndex(other => other.id === id) === at), notBuilt, warnings };
}

function presetIds(preset: Preset, slot: SlotDefinition, catalogue: readonly CatalogueEntry[]): readonly string[] {
  const wish = preset.slots[slot.id] ?? 'none';
  if (wish === 'none') return [];
  if (wish !== '*') return typeof wish === 'string' ? [wish] : wish;
  return catalogue
    .filter(({ descriptor, origin }) => descriptor.slot === slot.id && origin === 'built-in')
    .map(entry => entry.descriptor.id);
}

function disabledIds(names: readonly string[], byName: ReadonlyMap<string, CatalogueEntry>, warnings: string[]): Set<string> {
  const known = new Set([...byName.keys(), ...slots.flatMap(slot => slot.default ?? [])]);
  const ids = new Set<string>();
  for (const name of names) {
    // What K3s knows under this name may not be built yet; absent is what the user wants.
    ids.add(byName.get(name)?.descriptor.id ?? name);
    if (!known.has(name) && !knownManifests.includes(name)) {
      warnings.push(`--disable ${name}: no plugin has this name${didYouMean(name, known)}; a manifest may`);
    }
  }
  return ids;
}

/** Packaged manifests of K3s that are no plugins here. */
const knownManifests: readonly string[] = ['ccm', 'rolebindings', 'runtimes'];

function optionsOf(
  { descriptor }: CatalogueEntry,
  { preset, config }: SelectionInput,
  endpoint: string | undefined,
  errors: CodedError[],
): Record<string, unknown> {
  const options: Record<string, unknown> = {
    ...preset.pluginOptions?.[descriptor.id],
    ...config.pluginOptions.get(descriptor.id),
  };
  for (const alias of descriptor.aliases ?? []) Object.assign(options, config.pluginOptions.get(alias));
  if (descriptor.slot === 'datastore' && endpoint !== undefined) {
    if (descriptor.options && 'endpoint' in descriptor.options) options['endpoint'] = endpoint;
    else if (!/^[a-z]+:\/\/$/.test(endpoint)) {
      const text = `--datastore-endpoint: the plugin ${descriptor.id} takes no address, only ${endpoint.split('//')[0]}//`;
      errors.push(configError('FLAG_VALUE', text));
    }
  }
  return options;
}

function notBuiltError({ id, slot, by }: Wish, catalogue: readonly CatalogueEntry[]): CodedError {
  const others = catalogue.filter(entry => entry.descriptor.slot === slot.id).map(entry => entry.descriptor.id);
  const have = others.length === 0 ? 'there is none yet' : `there are ${others.join(', ')}`;
  const text = `${by}: no plugin "${id}" for the slot ${slot.id}${didYouMean(id, others)}; ${have}`;
  return clusterError('PLUGIN_NOT_BUILT', text, { mend: 'a package with one is named by --plugin' });
}

function namesOf({ descriptor }: CatalogueEntry): string[] {
  return [descriptor.id, ...(descriptor.aliases ?? [])];
}
