import { errorCode, errorText } from '../base/errors.js';
import { loadEarlyConfig } from '../../config/index.js';
import type { CommandLine } from '../../config/index.js';
import { clusterError } from './cluster-errors.js';
import { loadPlugin } from './plugin-loader.js';
import { builtInCatalogue } from './prepare-cluster.js';

export interface FoundCommand {
  /** Resolves the exit code. What the plugin throws is told in one line that names it. */
  run(signal: AbortSignal): Promise<number>;
}

export interface PluginCommands {
  /** Of all plugins that the configuration and the line name. */
  readonly names: readonly string[];
  /** Throws `COMMAND_TAKEN` when two plugins bring it. */
  find(name: string): FoundCommand | undefined;
}

/** Commands that plugins bring, by the configuration and `--plugin` among the words behind the command. */
export async function pluginCommands(line: Omit<CommandLine, 'command'>, directory = process.cwd()): Promise<PluginCommands> {
  const early = await loadEarlyConfig({ ...line, command: 'server' });
  const builtIn = builtInCatalogue().map(descriptor => ({ descriptor, origin: 'built-in' }));
  const catalogue = [...builtIn, ...(await Promise.all(early.plugins.map(name => loadPlugin(name, directory)))).flat()];
  const words = withoutPluginFlags(line.arguments);
  return {
    names: catalogue.flatMap(({ descriptor }) => Object.keys(descriptor.commands ?? {})),
    find(name) {
      const owners = catalogue.filter(({ descriptor }) => Object.hasOwn(descriptor.commands ?? {}, name));
      if (owners.length > 1) {
        const parties = owners.map(({ descriptor, origin }) => `${descriptor.id} (${origin})`).join(' and ');
        throw clusterError('COMMAND_TAKEN', `two plugins bring the command "${name}": ${parties}`);
      }
      const owner = owners[0];
      if (!owner) return undefined;
      const { descriptor, origin } = owner;
      return {
        async run(signal) {
          const who = `k3s ${name} of plugin ${descriptor.id} (${origin})`;
          let code: unknown;
          try {
            code = await (await descriptor.commands![name]!.load()).run(words, signal);
          } catch (error) {
            const mend = (error as { mend?: unknown } | undefined)?.mend;
            throw clusterError('COMMAND_FAILED', `${who} failed: ${errorText(error) || errorCode(error) || 'without a word'}`, {
              ...(typeof mend === 'string' && { mend }),
            });
          }
          if (Number.isInteger(code) && Number(code) >= 0 && Number(code) < 256) return Number(code);
          throw clusterError('COMMAND_FAILED', `${who} gave no exit code from 0 to 255`);
        },
      };
    },
  };
}

/** What names plugins and files is for us; the rest is the plugin's. */
function withoutPluginFlags(words: readonly string[]): string[] {
  const own: string[] = [];
  for (let at = 0; at < words.length; at++) {
    const match = /^--(plugin|config)(=.*)?$/s.exec(words[at]!);
    if (!match) own.push(words[at]!);
    else if (match[2] === undefined) at++;
  }
  return own;
}
