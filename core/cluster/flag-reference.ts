import { flags, k3sFlags } from '../../config/index.js';
import type { FlagDefinition, FlagState } from '../../config/index.js';
import { apiServerArguments } from './arguments/apiserver-arguments.js';
import { controllerArguments } from './arguments/controller-arguments.js';
import { kubeletArguments } from './arguments/kubelet-arguments.js';
import { schedulerArguments } from './arguments/scheduler-arguments.js';
import type { ArgumentRule } from './arguments/component-arguments.js';
import { claimedFlags } from './claimed-flags.js';
import { builtInCatalogue } from './prepare-cluster.js';

/** `docs/flags.md` and `config/k3s-config.schema.json`, derived from flags and descriptors (`scripts/flags.mjs` writes them). */
export interface FlagReference {
  readonly markdown: string;
  readonly schemaJson: string;
}

export function flagReference(): FlagReference {
  return { markdown: markdown(), schemaJson: `${JSON.stringify(configSchema(), undefined, 2)}\n` };
}

interface ReferenceRow {
  readonly name: string;
  readonly definition: FlagDefinition;
  readonly on: string;
  readonly default_: string;
  readonly state: FlagState;
  /** Of a plugin that comes with k3s. */
  readonly plugins: readonly string[];
}

const stateWords: Readonly<Record<FlagState, string>> = { works: 'works', refused: 'refused', 'no-effect': 'no effect' };

function rows(): ReferenceRow[] {
  const table: Readonly<Record<string, FlagDefinition>> = flags;
  const claims = claimedFlags(builtInCatalogue());
  const listed = k3sFlags.map(([name, on, , default_, state]): ReferenceRow => {
    return { name, definition: table[name]!, on, default_, state, plugins: claims.get(name)?.plugins ?? [] };
  });
  const known = new Set(listed.map(row => row.name));
  const ours = new Map([...claims].map(([name, { definition, plugins }]) => [name, { definition, plugins }] as const));
  for (const [name, definition] of Object.entries(table))
    ours.set(name, { definition, plugins: claims.get(name)?.plugins ?? [] });
  for (const [name, { definition, plugins }] of ours) {
    if (known.has(name)) continue;
    listed.push({
      name,
      definition,
      on: definition.on ?? 'both',
      default_: definition.default === undefined ? '' : String(definition.default),
      state: 'works',
      plugins,
    });
  }
  return listed.sort((left, right) => (left.name < right.name ? -1 : 1));
}

function markdown(): string {
  const isOfK3s = new Set(k3sFlags.map(([name]) => name));
  const all = rows();
  const ofK3s = all.filter(({ name }) => isOfK3s.has(name));
  const count = (state: FlagState): number => ofK3s.filter(row => row.state === state).length;
  return [
    '# Flags',
    '',
    '<!-- Made by scripts/flags.mjs from the tables in config and the descriptors of plugins. Do not edit. -->',
    '',
    'Every flag is also a key of `/etc/rancher/k3s/config.yaml`, without its dashes. The command line beats the file and its drop-ins',
    '(`config.yaml.d/*.yaml`, where `key+` appends), files beat variables, and all of them beat the preset.',
    '`k3s config view` tells what came from where, `k3s config check` finds what is wrong, and',
    '`config/k3s-config.schema.json` tells an editor.',
    '',
    'A list may be repeated, and one item may hold several between commas: `--disable traefik,servicelb --disable coredns`. Where it says',
    '*each by itself*, an item may hold commas of its own and is taken as it stands. Files, variables and the flags of plugins follow the same rule.',
    '',
    '- **works**: as in K3s.',
    '- **refused**: the start ends with one line that says what is missing.',
    '- **no effect**: accepted, and one warning says why nothing comes of it.',
    '',
    `Of the ${ofK3s.length} flags of K3s 1.36, ${count('works')} work, ${count('refused')} are refused and ${count('no-effect')} have no effect.`,
    '',
    '## Flags of K3s',
    '',
    '| Flag | On | Default | Variable | State | Meaning |',
    '| --- | --- | --- | --- | --- | --- |',
    ...ofK3s.map(tableRow),
    '',
    '## Flags of our own',
    '',
    '| Flag | On | Default | Variable | State | Meaning |',
    '| --- | --- | --- | --- | --- | --- |',
    ...all.filter(({ name }) => !isOfK3s.has(name)).map(tableRow),
    '',
    ...argumentTables(),
  ].join('\n');
}

function argumentTables(): string[] {
  const lines = [
    '## Arguments of components',
    '',
    'They are given as `--kubelet-arg max-pods=50`, each as often as needed; an argument that is not listed is refused.',
    'Those of `--kube-proxy-arg` belong to the plugin nftables; another one in the slot service-proxy may know others.',
  ];
  const ofPlugins = builtInCatalogue().flatMap(descriptor => descriptor.arguments ?? []);
  for (const component of [apiServerArguments, controllerArguments, schedulerArguments, kubeletArguments, ...ofPlugins]) {
    lines.push('', `### --${component.flag}`, '', '| Argument | State | Meaning |', '| --- | --- | --- |');
    for (const [name, rule] of Object.entries<ArgumentRule<never>>(component.table)) {
      const meaning = rule.state === 'works' ? rule.summary : rule.state === 'no-effect' ? rule.why : refusal(rule);
      lines.push(`| ${code(name)} | ${stateWords[rule.state]} | ${meaning} |`);
    }
  }
  return [...lines, ''];
}

function refusal({ needs, except = [] }: { readonly needs: string; readonly except?: readonly string[] }): string {
  const allowed = except.map(value => (value === '' ? 'nothing' : code(value))).join(', ');
  return `needs ${needs}${allowed === '' ? '' : `; ${allowed} is what happens anyway`}`;
}

function tableRow({ name, definition, on, default_, state, plugins }: ReferenceRow): string {
  const { kind, whole, short, aliases = [], environment, summary, needs, format } = definition;
  const spelled = [name, ...(short === undefined ? [] : [short]), ...aliases].map(key =>
    code(key.length === 1 ? `-${key}` : `--${key}`),
  );
  const meaning = [summary];
  if (kind === 'list') meaning.push(whole ? 'a list, each by itself' : 'a list');
  if (Array.isArray(format)) meaning.push(`one of ${format.map(code).join(', ')}`);
  if (state === 'works' && plugins.length > 0) meaning.push(`read by the plugin ${plugins.map(code).join(', ')}`);
  if (state !== 'works' && needs !== undefined) meaning.push(`**${state === 'refused' ? `needs ${needs}` : needs}**`);
  const cells = [
    spelled.join(', '),
    on === 'both' ? 'server, agent' : on,
    default_ === '' ? '' : code(default_),
    environment === undefined ? '' : code(environment),
    stateWords[state],
    meaning.join('; '),
  ];
  return `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function code(text: string): string {
  return `\`${text}\``;
}

function configSchema(): object {
  const properties: Record<string, object> = {};
  for (const { name, definition, default_, state } of rows()) {
    const { aliases = [], summary, needs } = definition;
    const note = state === 'works' ? '' : ` (${stateWords[state]}: ${state === 'refused' ? 'needs ' : ''}${needs})`;
    const computed = definition.default === undefined && default_ !== '' ? `; default: ${default_}` : '';
    const described = {
      description: `${summary}${computed}${note}`,
      ...(definition.default === undefined ? {} : { default: definition.default }),
      ...(state === 'works' ? {} : { deprecated: true }),
    };
    const type = valueSchema(definition);
    for (const key of [name, ...aliases]) {
      properties[key] = { ...described, ...type };
      if (definition.kind === 'list') properties[`${key}+`] = { description: `appends to ${key} of files before`, ...type };
    }
  }
  const map = (description: string, additionalProperties: object): object => ({
    type: 'object',
    description,
    additionalProperties,
  });
  properties['slots'] = map('plugin by slot, "none" for an empty one', { type: 'string' });
  properties['plugin-options'] = map('options by plugin', { type: 'object' });
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $comment: 'Made by scripts/flags.mjs. Do not edit.',
    title: 'k3s config.yaml',
    type: 'object',
    properties: Object.fromEntries(Object.entries(properties).sort(([left], [right]) => (left < right ? -1 : 1))),
    additionalProperties: false,
  };
}

function valueSchema({ kind, format }: FlagDefinition): object {
  if (kind === 'boolean') return { type: 'boolean' };
  if (kind === 'number') return format === 'port' ? { type: 'integer', minimum: 0, maximum: 65_535 } : { type: 'integer' };
  const item = Array.isArray(format) ? { enum: format } : { type: ['string', 'number', 'boolean'] };
  return kind === 'list' ? { anyOf: [item, { type: 'array', items: item }] } : item;
}
