import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { homedir, hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorText } from '../base/errors.js';
import { flags, loadConfig, loadEarlyConfig } from '../../config/index.js';
import type { ClaimedFlag, CommandLine, LoadedConfig } from '../../config/index.js';
import type { Preset } from '../../presets/index.js';
import { catalogue as builtInPlugins } from '../../plugins/catalogue.js';
import type { ClusterPaths } from '../contracts/cluster-paths.js';
import type { ClusterSettings } from '../contracts/cluster-settings.js';
import type { PartDescriptor } from '../plugin-api/descriptor.js';
import type { CatalogueEntry } from '../kernel/wiring.js';
import { checkArguments } from './arguments/index.js';
import { choosePreset } from './choose-preset.js';
import { isWhole } from './claimed-flags.js';
import { clusterError } from './cluster-errors.js';
import { coreParts } from './core-parts.js';
import { makeClusterPaths } from './paths.js';
import { loadPlugin } from './plugin-loader.js';
import { isSecretOption } from '../kernel/options.js';
import { collectSecrets } from './secrets.js';
import { selectPlugins } from './select-plugins.js';
import type { Selection } from './select-plugins.js';
import { makeClusterSettings } from './settings.js';
import { kubernetesVersion } from './version.js';

export interface PrepareOptions extends CommandLine {
  /** Weaker than `--preset`, K3S_PRESET and files. */
  readonly defaultPreset?: string;
  /** Instead of what comes with k3s; for tests. */
  readonly catalogue?: readonly PartDescriptor[];
  /** Base of relative `--plugin` paths and of package lookup. */
  readonly workingDirectory?: string;
  readonly strictFiles?: boolean;
  /** Whether this process is root; asked of the system when absent. */
  readonly isRoot?: boolean;
}

/** Everything that is known before a kernel is built: checked, typed, and without any effect on the machine. */
export interface PreparedCluster {
  readonly config: LoadedConfig;
  readonly preset: Preset;
  readonly settings: ClusterSettings;
  readonly paths: ClusterPaths;
  readonly catalogue: readonly CatalogueEntry[];
  readonly selection: Selection;
  readonly sides: { readonly server: boolean; readonly node: boolean };
  /** Whether files and settings of the host may be used: root, and not a temporary preset. */
  readonly ownsHost: boolean;
  /** A directory of our own making, to be removed at the end; undefined otherwise. */
  readonly temporaryDirectory: string | undefined;
  readonly warnings: readonly string[];
  /** Values that are shown to nobody. */
  readonly secrets: readonly string[];
}

/** All descriptors that come with k3s. */
export function builtInCatalogue(): readonly PartDescriptor[] {
  return [...coreParts, ...builtInPlugins];
}

/**
 * Reads flags, files and environment in two passes, imports the descriptors of third parties, and chooses the plugins.
 * Throws CodedErrors, or an AggregateError of all that is wrong. Makes a temporary directory for a temporary preset, nothing else.
 */
export async function prepareCluster(options: PrepareOptions): Promise<PreparedCluster> {
  const environment = { ...(options.defaultPreset && { K3S_PRESET: options.defaultPreset }), ...options.environment };
  const line: CommandLine = { command: options.command, arguments: options.arguments, environment };
  const early = await loadEarlyConfig(line);
  const directory = options.workingDirectory ?? process.cwd();
  const preset = await choosePreset(early.preset, directory);
  const builtIn = (options.catalogue ?? builtInCatalogue()).map(descriptor => ({
    descriptor,
    origin: 'built-in',
    version: kubernetesVersion,
  }));
  const added = (await Promise.all([...new Set(early.plugins)].map(name => loadPlugin(name, directory)))).flat();
  const catalogue: CatalogueEntry[] = [...builtIn, ...added];
  const config = loadConfig(line, early.files, {
    claimed: catalogue.flatMap(claimedFlags),
    presetValues: preset.flags,
    strictFiles: options.strictFiles,
  });

  const { values } = config;
  const token = await tokenOf(values.token, values['token-file'], 'token-file');
  const agentToken = await tokenOf(values['agent-token'], values['agent-token-file'], 'agent-token-file');
  const settings = makeClusterSettings({ role: options.command, values, hostName: hostname(), token, agentToken });
  const sides = { server: options.command === 'server', node: settings.nodeEnabled };
  const selection = selectPlugins({ preset, config, catalogue, added: added.map(entry => entry.descriptor.id), sides });
  const checked = await checkArguments(selection.plugins, catalogue, config.sources);
  if (checked.errors.length === 1) throw checked.errors[0];
  if (checked.errors.length > 1) throw new AggregateError(checked.errors, `${checked.errors.length} faults in the arguments`);
  const isRoot = options.isRoot ?? process.getuid?.() === 0;
  const ownsHost = isRoot && !preset.temporary;
  const temporaryDirectory =
    preset.temporary && values['data-dir'] === undefined ? await mkdtemp(join(tmpdir(), 'k3s-sandbox-')) : undefined;
  const paths = makeClusterPaths({
    dataDir: temporaryDirectory ?? values['data-dir'],
    kubeconfigFile: values['write-kubeconfig'],
    registriesFile: values['private-registry'] ?? flags['private-registry'].default,
    ownsHost,
    homeDir: homedir(),
  });
  const warnings = [...config.warnings, ...selection.warnings, ...checked.warnings];
  const secrets = collectSecrets({ config, catalogue, plugins: selection.plugins });
  return { config, preset, settings, paths, catalogue, selection, sides, ownsHost, temporaryDirectory, warnings, secrets };
}

/** Removes what `prepareCluster` made. */
export async function discardCluster({ temporaryDirectory }: PreparedCluster): Promise<void> {
  if (temporaryDirectory !== undefined) await rm(temporaryDirectory, { recursive: true, force: true });
}

function claimedFlags({ descriptor }: CatalogueEntry): ClaimedFlag[] {
  return Object.entries(descriptor.flags ?? {}).map(([name, flag]) => ({
    plugin: descriptor.id,
    name,
    ...flag,
    ...(isWhole(descriptor, name) && { whole: true }),
    secret: isSecretOption(optionAt(descriptor.options, flag.option)),
  }));
}

/** The schema of an option by its path with dots. */
function optionAt(schema: object | undefined, path: string): unknown {
  let at: unknown = schema;
  for (const step of path.split('.')) at = at && Object.hasOwn(at, step) ? (at as Record<string, unknown>)[step] : undefined;
  return at;
}

async function tokenOf(given: string | undefined, file: string | undefined, flag: string): Promise<string | undefined> {
  if (file === undefined) return given;
  let text: string;
  try {
    text = (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw clusterError('TOKEN_FILE', `--${flag} ${file} cannot be read: ${errorText(error)}`, { cause: error });
  }
  if (text === '') throw clusterError('TOKEN_FILE', `--${flag} ${file} is empty`);
  return text;
}
