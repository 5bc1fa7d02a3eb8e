import { CodedError } from '../../base/errors.js';
import { discardCluster, prepareCluster } from '../../cluster/prepare-cluster.js';
import { createKernel } from '../../cluster/running-cluster.js';
import { silentLogger } from '../../base/logger.js';
import type { CommandContext } from '../command.js';

/** `k3s config validate`: the strict reading of flags and files, and the wiring, without running anything. */
export async function config(context: CommandContext): Promise<number> {
  const [verb, ...rest] = context.arguments;
  if (verb !== 'validate') throw new CodedError('COMMAND_UNKNOWN', `"k3s config" knows "validate", not "${verb ?? ''}"`);
  const prepared = await prepareCluster({
    command: 'server',
    arguments: rest,
    environment: context.environment,
    strictFiles: true,
  });
  try {
    createKernel(prepared, { logger: silentLogger });
  } finally {
    await discardCluster(prepared);
  }
  for (const warning of prepared.warnings) context.printError(`warning: ${warning}`);
  const files = prepared.config.files.length === 0 ? 'no file' : prepared.config.files.join(', ');
  context.print(`valid: ${files}; preset ${prepared.preset.id}, ${prepared.selection.plugins.length} plugins`);
  return 0;
}
