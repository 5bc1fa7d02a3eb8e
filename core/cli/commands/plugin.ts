import { CodedError } from '../../base/errors.js';
import { discardCluster, prepareCluster } from '../../cluster/prepare-cluster.js';
import { slotTable } from '../../cluster/slot-table.js';
import type { SlotRow } from '../../cluster/slot-table.js';
import { readServerStatus } from '../../cluster/status-file.js';
import type { CommandContext } from '../command.js';
import { takeOutput } from '../output.js';

/**
 * `k3s plugin list [-o json]`: every slot. Of the server that runs in the data directory; where none does, with the flags and files
 * that one would have. `init` and `check` have files of their own.
 */
export async function plugin(context: CommandContext): Promise<number> {
  const [verb, ...rest] = context.arguments;
  if (verb === 'init') return (await import('./plugin-init.js')).pluginInit({ ...context, arguments: rest });
  if (verb === 'check') return (await import('./plugin-check.js')).pluginCheck({ ...context, arguments: rest });
  if (verb !== 'list')
    throw new CodedError('COMMAND_UNKNOWN', `"k3s plugin" knows "list", "init" and "check", not "${verb ?? ''}"`);
  const { output, others } = takeOutput(rest, ['table', 'json']);
  const prepared = await prepareCluster({ command: 'server', arguments: others, environment: context.environment });
  await discardCluster(prepared);
  for (const warning of prepared.warnings) context.printError(`warning: ${warning}`);
  const { dataDir } = prepared.paths;
  const status = await readServerStatus(prepared.paths);
  const slots = status?.slots ?? slotTable(prepared);
  if (output === 'json') {
    const server = status ? { pid: status.pid, dataDir } : null;
    context.print(JSON.stringify({ server, slots }, undefined, 2));
    return 0;
  }
  if (status) context.printError(`what the server of ${dataDir} runs (pid ${status.pid})`);
  printTable(slots, context.print);
  return 0;
}

function printTable(slots: readonly SlotRow[], print: (line: string) => void): void {
  const rows = slots.map(({ slot, plugin: id, version, origin, state, startMs, reason, error }) => {
    const took = startMs === null ? '-' : `${startMs} ms`;
    return [slot, id ?? '-', version ?? '-', origin ?? '-', state, took, reason, error ?? ''];
  });
  const table = [['SLOT', 'PLUGIN', 'VERSION', 'ORIGIN', 'STATE', 'START', 'CHOSEN BY', 'ERROR'], ...rows];
  const widths = table[0]!.map((_title, column) => Math.max(...table.map(row => row[column]!.length)));
  for (const row of table)
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('  ')
        .trimEnd(),
    );
}
