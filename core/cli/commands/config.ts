import { CodedError } from '../../base/errors.js';
import { didYouMean } from '../../base/nearest-name.js';
import { silentLogger } from '../../base/logger.js';
import { effectiveConfig, effectiveOptions } from '../../cluster/effective-config.js';
import { discardCluster, prepareCluster } from '../../cluster/prepare-cluster.js';
import type { PreparedCluster } from '../../cluster/prepare-cluster.js';
import { createKernel } from '../../cluster/running-cluster.js';
import type { CommandContext } from '../command.js';
import { takeOutput } from '../output.js';

const verbs = ['check', 'validate', 'view'];

/** `k3s config check|view`: flags and files as a server would have them, without running anything. */
export async function config(context: CommandContext): Promise<number> {
  const [verb = '', ...rest] = context.arguments;
  if (verb === 'view') return view(context, rest);
  if (verb === 'check' || verb === 'validate') return check(context, rest);
  throw new CodedError('COMMAND_UNKNOWN', `"k3s config" knows "check" and "view", not "${verb}"${didYouMean(verb, verbs)}`);
}

/** The strict reading, and the wiring. `validate` is its name of old. */
async function check(context: CommandContext, flags: readonly string[]): Promise<number> {
  const prepared = await prepare(context, flags, true);
  createKernel(prepared, { logger: silentLogger });
  for (const warning of prepared.warnings) context.printError(`warning: ${warning}`);
  const files = prepared.config.files.length === 0 ? 'no file' : prepared.config.files.join(', ');
  context.print(`valid: ${files}; preset ${prepared.preset.id}, ${prepared.selection.plugins.length} plugins`);
  return 0;
}

/** What counts, and who said it. With `--all` also what nobody said. */
async function view(context: CommandContext, argumentList: readonly string[]): Promise<number> {
  const { output, others } = takeOutput(argumentList, ['text', 'json']);
  const all = others.includes('--all');
  const flags = others.filter(word => word !== '--all');
  const prepared = await prepare(context, flags, false);
  for (const warning of prepared.warnings) context.printError(`warning: ${warning}`);
  const rows = effectiveConfig(prepared).filter(({ value, source }) => all || (source !== 'default' && value !== null));
  const slots = Array.from(prepared.config.slots, ([slot, { plugin, by }]) => ({ slot, plugin, source: by }));
  const options = effectiveOptions(prepared);
  if (output === 'json') {
    const { id: preset } = prepared.preset;
    context.print(
      JSON.stringify(
        { preset, files: prepared.config.files, values: rows, slots, pluginOptions: Object.fromEntries(options) },
        undefined,
        2,
      ),
    );
    return 0;
  }
  // As a file that says the same, with the sources as comments.
  const lines = rows.map(({ name, value, source }): [string, string] => [`${name}: ${JSON.stringify(value)}`, source]);
  if (slots.length > 0) lines.push(['slots:', '']);
  for (const { slot, plugin, source } of slots) lines.push([`  ${slot}: ${plugin}`, source]);
  if (options.size > 0) lines.push(['plugin-options:', '']);
  for (const [plugin, given] of options) lines.push([`  ${plugin}: ${JSON.stringify(given)}`, '']);
  const width = Math.min(48, Math.max(0, ...lines.map(([text]) => text.length)));
  for (const [text, source] of lines) context.print(source === '' ? text : `${text.padEnd(width)}  # ${source}`);
  return 0;
}

async function prepare(context: CommandContext, flags: readonly string[], strictFiles: boolean): Promise<PreparedCluster> {
  const { environment } = context;
  const prepared = await prepareCluster({ command: 'server', arguments: flags, environment, strictFiles });
  await discardCluster(prepared);
  return prepared;
}
