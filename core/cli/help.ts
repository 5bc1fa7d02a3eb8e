import { Command, Option } from 'commander';
import { flags } from '../../config/flags/index.js';
import type { FlagDefinition } from '../../config/flag-definition.js';
import type { PluginCommands } from '../cluster/plugin-commands.js';
import { commands, isOwnName } from './command.js';
import type { CommandEntry } from './command.js';

/** A command of a plugin. */
export interface BroughtCommand {
  readonly name: string;
  readonly summary: string;
  /** The plugin and where it comes from. */
  readonly owner: string;
}

/** `k3s --help`, derived from the table of commands and what plugins bring. */
export function rootHelp(brought: readonly BroughtCommand[]): string {
  const program = rootCommand();
  const add = (name: string, summary: string): void => {
    program.addCommand(new Command(name).description(summary).helpOption(false));
  };
  for (const { name, summary } of commands) add(name, summary);
  const callable = brought.filter(({ name }) => !isOwnName(name));
  if (callable.length > 0) program.commandsGroup('Commands of plugins:');
  for (const name of new Set(callable.map(command => command.name))) {
    const twins = callable.filter(command => command.name === name);
    const owners = twins.map(({ owner }) => owner).join(' and ');
    add(name, twins.length === 1 ? `${twins[0]!.summary} [${owners}]` : `brought twice, by ${owners}: name only one of them`);
  }
  return program.helpInformation().trimEnd();
}

/**
 * `k3s COMMAND --help`. For commands that take a cluster's flags: all that are built, those of plugins at the end. `descriptors` is
 * asked for those.
 */
export async function commandHelp(
  { name, summary, usage }: CommandEntry,
  descriptors: () => Promise<PluginCommands['descriptors']>,
): Promise<string> {
  const command = new Command(name).description(summary);
  rootCommand().addCommand(command);
  if (usage !== undefined) command.usage(usage);
  else if (name === 'config') command.usage('check | view [--all] [-o json] [flags of k3s server]');
  else if (name === 'service') command.usage('install [--print] [flags of k3s server] | remove');
  else if (name === 'killall') command.usage('[--force] [--data-dir DIR]').option('--force', 'stop a server that runs');
  else if (name === 'uninstall') command.usage('--yes [--force] [--data-dir DIR]').option('--force', 'stop a server that runs');
  else if (name === 'plugin')
    command.usage('list [-o json] [flags of k3s server] | init DIR --slot SLOT | check DIR [flags of k3s server]');
  else if (name === 'kubectl' || name === 'helm') command.usage(`[arguments of ${name}]`);
  else {
    command.usage('[flags]');
    const role = name === 'agent' ? 'agent' : 'server';
    const claimed = await claimedFlags(await descriptors());
    for (const [flag, definition] of Object.entries<FlagDefinition>(flags)) {
      const hidden =
        definition.hidden || (definition.support !== undefined && definition.support !== 'built' && !claimed.has(flag));
      if (!hidden && (definition.on === undefined || definition.on === role)) command.addOption(optionOf(flag, definition));
    }
    for (const [flag, definition] of claimed) if (!Object.hasOwn(flags, flag)) command.addOption(optionOf(flag, definition));
  }
  return command.helpInformation().trimEnd();
}

function rootCommand(): Command {
  return new Command('k3s')
    .description('a Kubernetes cluster in one process')
    .usage('COMMAND [flags]')
    .option('--config FILE', 'configuration that names plugins')
    .option('--plugin PLUGIN', "further plugin, whose commands are k3s' too")
    .option('--version', 'print the version');
}

function optionOf(name: string, definition: FlagDefinition): Option {
  const value = definition.kind === 'boolean' ? '' : definition.kind === 'list' ? ' <value...>' : ' <value>';
  // One letter is a short flag; commander wants the long one beside it.
  const spelled = name.length === 1 ? `-${name}${value}` : `${definition.short ? `-${definition.short}, ` : ''}--${name}${value}`;
  const option = new Option(spelled, definition.summary);
  if (definition.environment !== undefined) option.env(definition.environment);
  if (definition.default !== undefined && definition.default !== false) option.default(definition.default);
  return option;
}

async function claimedFlags(descriptors: PluginCommands['descriptors']): Promise<Map<string, FlagDefinition>> {
  const { claimedFlags: claims } = await import('../cluster/claimed-flags.js');
  return new Map(Array.from(claims(descriptors), ([name, { definition }]) => [name, definition]));
}
