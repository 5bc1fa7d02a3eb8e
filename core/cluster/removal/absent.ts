import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SystemClock } from '../../base/clock.js';
import type { Clock } from '../../base/clock.js';
import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { HostCommands } from '../../host/commands.js';
import type { Commands } from '../../host/commands.js';
import type { LedgerFile } from '../../kernel/ledger-file.js';
import { dataplaneDirectory } from '../parts/dataplane-part.js';
import type { PreparedCluster } from '../prepare-cluster.js';
import { Attempts, endContainers, endDataplane, exists, refuseMounts, unmountAll } from './kill-all.js';
import { removeRecorded } from './recorded.js';

export interface AbsentRemovalOptions {
  readonly ledger: LedgerFile;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly commands?: Commands;
}

const ownRuntime = 'containerd';

/**
 * Disabled means absent: before anything starts, takes off this host what parts made that ran before and do not run now, also when
 * their package is gone. What cannot be removed is one line in the log, and tried again at the next start.
 */
export async function removeAbsent(prepared: PreparedCluster, options: AbsentRemovalOptions): Promise<void> {
  const { ledger, logger, clock = new SystemClock(), commands = new HostCommands() } = options;
  const { paths } = prepared;
  const running = new Set(prepared.selection.plugins.map(({ id }) => id));
  const attempt = new Attempts();
  const report = (line: string): void => logger.info(`a part does not run any more: ${line}`);
  const hasRuntime = (): Promise<boolean> => exists(join(paths.runDir, ownRuntime, 'owner.json'));
  if (!running.has(ownRuntime) && (await hasRuntime())) {
    const tools = { report, clock, commands, attempt };
    await unmountAll(prepared, await endContainers(withRuntime(prepared), tools), tools);
    const directory = join(paths.runDir, ownRuntime);
    await attempt.run(async () => {
      await refuseMounts(directory);
      await rm(directory, { recursive: true, force: true });
    });
  }
  // A directory without a ledger has nothing to remove, and gets none by being asked.
  const entries = (await exists(paths.ledgerFile)) ? (await ledger.list()).filter(({ owner }) => !running.has(owner)) : [];
  for (const { kind, name } of entries) {
    if (kind === 'process' && name === 'dataplane')
      await attempt.run(() => endDataplane(dataplaneDirectory(paths), report, clock));
  }
  await removeRecorded(ledger, entries, { commands, report, attempt });
  for (const error of attempt.errors)
    logger.warn('what a part made that does not run any more is still there', { error: errorText(error) });
}

/** The same cluster as a node with nothing but our runtime, which is asked to remove its pods. */
function withRuntime(prepared: PreparedCluster): PreparedCluster {
  const plugins = [{ id: ownRuntime, by: 'the last start' }];
  return { ...prepared, sides: { server: false, node: true }, selection: { ...prepared.selection, plugins } };
}
