import { CodedError } from '../../base/errors.js';
import type { LedgerEntry } from '../../contracts/ledger.js';
import type { Commands } from '../../host/commands.js';
import { hostCgroups } from '../../host/cgroups.js';
import { networkRemovals } from '../../host/host-removal.js';
import { IpCommand } from '../../host/links.js';
import { NftCommand } from '../../host/nftables.js';
import type { LedgerFile } from '../../kernel/ledger-file.js';
import { logLinksKind, removeLogLinks } from '../../kubelet/logs/log-links.js';

export interface RecordedRemovalOptions {
  readonly commands: Commands;
  /** One line for each thing that was removed. */
  report(line: string): void;
  /** Runs each removal: one that fails does not keep the others. */
  readonly attempt: { run(step: () => Promise<unknown>): Promise<boolean> };
}

/** Removes what parts wrote down when they made it, the newest first. What is gone is forgotten; processes have records of their own. */
export async function removeRecorded(
  ledger: LedgerFile,
  entries: readonly LedgerEntry[],
  { commands, report, attempt }: RecordedRemovalOptions,
): Promise<void> {
  const removals: Readonly<Record<string, (entry: LedgerEntry) => Promise<void>>> = {
    ...networkRemovals({ nftables: new NftCommand(commands), links: new IpCommand(commands) }),
    [logLinksKind]: ({ name, detail }) => removeLogLinks(name, String(detail?.['podLogsDir'])),
    cgroup: async ({ name }) => (await hostCgroups()).remove(name),
  };
  const remove = async (entry: LedgerEntry): Promise<void> => {
    if (entry.kind !== 'process') {
      const removal = Object.hasOwn(removals, entry.kind) ? removals[entry.kind] : undefined;
      if (!removal) {
        throw new CodedError('REMOVAL_UNKNOWN', `${entry.owner} made the ${entry.kind} ${entry.name}; it is left there`, {
          mend: 'remove it by hand',
        });
      }
      await removal(entry);
      report(`removed ${entry.kind} ${entry.name} of ${entry.owner}`);
    }
    await ledger.forOwner(entry.owner).forget(entry.kind, entry.name);
  };
  for (const entry of [...entries].reverse()) await attempt.run(() => remove(entry));
}
