import { errorCode, errorText } from '../base/errors.js';
import { loadEarlyConfig } from '../../config/index.js';
import type { CommandLine } from '../../config/index.js';
import type { CatalogueEntry } from '../kernel/wiring.js';
import type { PartDescriptor } from '../plugin-api/descriptor.js';
import { clusterError } from './cluster-errors.js';
import { loadPlugin } from './plugin-loader.js';
import { builtInCatalogue } from './prepare-cluster.js';

export interface FoundCommand {
  readonly name: string;
  readonly summary: string;
  /** Words behind the name, for its help. */
  readonly usage: string | undefined;
  /** It answers `--help` itself. */
  readonly ownHelp: boolean;
  /** `shop (k3s-plugin-shop)` */
  readonly owner: string;
  /** Resolves the exit code. What the plugin throws is told in one line that names it. */
  run(signal: AbortSignal): Promise<number>;
}

export interface PluginCommands {
  /** Of all plugins: ours, and those that the configuration and the line name. */
  readonly descriptors: readonly PartDescriptor[];
  /** Of all plugins that the configuration and the line name, sorted. Two plugins may bring the same. */
  readonly all: readonly FoundCommand[];
  /** Why some that were named are not here: the configuration is not readable, or a plugin cannot be loaded. */
  readonly failures: readonly unknown[];
  /** Throws `COMMAND_TAKEN` when two plugins bring it. */
  find(name: string): FoundCommand | undefined;
}

/**
 * Commands that plugins bring, by the configuration and `--plugin` among the words. Only descriptors are loaded. Never rejects: one
 * plugin that is broken takes neither the help nor the commands of others away.
 */
export async function pluginCommands(line: Omit<CommandLine, 'command'>, directory = process.cwd()): Promise<PluginCommands> {
  const failures: unknown[] = [];
  const fail = (error: unknown): [] => {
    failures.push(error);
    return [];
  };
  const { ours, theirs } = splitWords(line.arguments);
  const early = loadEarlyConfig({ command: 'server', arguments: ours, environment: line.environment });
  const named = await early.then(({ plugins }) => plugins, fail);
  const loaded = await Promise.all([...new Set(named)].map(name => loadPlugin(name, directory).catch(fail)));
  const builtIn = builtInCatalogue().map(descriptor => ({ descriptor, origin: 'built-in' }));
  const catalogue: CatalogueEntry[] = [...builtIn, ...loaded.flat()];
  const all = catalogue.flatMap(entry => commandsOf(entry, theirs));
  all.sort((left, right) => (left.name < right.name ? -1 : left.name > right.name ? 1 : 0));
  return {
    descriptors: catalogue.map(({ descriptor }) => descriptor),
    all,
    failures,
    find(name) {
      const found = all.filter(command => command.name === name);
      if (found.length > 1) {
        const parties = found.map(({ owner }) => owner).join(' and ');
        throw clusterError('COMMAND_TAKEN', `two plugins bring the command "${name}": ${parties}`, {
          mend: 'name only one of them by --plugin or in the configuration',
        });
      }
      return found[0];
    },
  };
}

function commandsOf({ descriptor, origin }: CatalogueEntry, words: readonly string[]): FoundCommand[] {
  const owner = `${descriptor.id} (${origin})`;
  return Object.entries(descriptor.commands ?? {}).map(([name, command]) => ({
    name,
    summary: command.summary,
    usage: command.usage,
    ownHelp: command.ownHelp === true,
    owner,
    async run(signal) {
      const who = `k3s ${name} of plugin ${owner}`;
      let code: unknown;
      try {
        code = await (await command.load()).run(words, signal);
      } catch (error) {
        const mend = (error as { mend?: unknown } | undefined)?.mend;
        throw clusterError('COMMAND_FAILED', `${who} failed: ${errorText(error) || errorCode(error) || 'without a word'}`, {
          ...(typeof mend === 'string' && { mend }),
        });
      }
      if (Number.isInteger(code) && Number(code) >= 0 && Number(code) < 256) return Number(code);
      throw clusterError('COMMAND_FAILED', `${who} gave no exit code from 0 to 255`);
    },
  }));
}

/** What names plugins and files is for us, before a `--` at least; the rest is the plugin's, `-c` too. */
function splitWords(words: readonly string[]): { readonly ours: string[]; readonly theirs: string[] } {
  const ours: string[] = [];
  const theirs: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!;
    if (word === '--') return { ours, theirs: [...theirs, ...words.slice(at)] };
    const match = /^--(plugins?|config)(=.*)?$/s.exec(word);
    if (!match) theirs.push(word);
    else {
      ours.push(word);
      if (match[2] === undefined && at + 1 < words.length) ours.push(words[++at]!);
    }
  }
  return { ours, theirs };
}
