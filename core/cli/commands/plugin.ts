import { CodedError } from '../../base/errors.js';
import { discardCluster, prepareCluster } from '../../cluster/prepare-cluster.js';
import { slotTable } from '../../cluster/slot-table.js';
import type { CommandContext } from '../command.js';

/** `k3s plugin list`: every slot, with the flags and files that a server would have. `init` and `check` have files of their own. */
export async function plugin(context: CommandContext): Promise<number> {
  const [verb, ...rest] = context.arguments;
  if (verb === 'init') return (await import('./plugin-init.js')).pluginInit({ ...context, arguments: rest });
  if (verb === 'check') return (await import('./plugin-check.js')).pluginCheck({ ...context, arguments: rest });
  if (verb !== 'list')
    throw new CodedError('COMMAND_UNKNOWN', `"k3s plugin" knows "list", "init" and "check", not "${verb ?? ''}"`);
  const prepared = await prepareCluster({ command: 'server', arguments: rest, environment: context.environment });
  await discardCluster(prepared);
  const rows = slotTable(prepared).map(row => [row.slot, row.plugin ?? '-', row.origin || '-', row.reason]);
  const table = [['SLOT', 'PLUGIN', 'ORIGIN', 'CHOSEN BY'], ...rows];
  const widths = [0, 1, 2].map(column => Math.max(...table.map(row => row[column]!.length)));
  for (const row of table)
    context.print(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
  return 0;
}
