import type { Clock } from '../base/clock.js';
import { CodedError } from '../base/errors.js';
import { silentLogger } from '../base/logger.js';
import type { Logger } from '../base/logger.js';
import { ClusterPaths } from '../contracts/cluster-paths.js';
import { ClusterSettings } from '../contracts/cluster-settings.js';
import { Kernel } from '../kernel/kernel.js';
import { LedgerFile } from '../kernel/ledger-file.js';
import type { PartStatus } from '../kernel/part-status.js';
import { planWiring } from '../kernel/wiring.js';
import { slots } from '../plugin-api/slots.js';
import { claimDataDirectory } from './foreign-k3s.js';
import { discardCluster, prepareCluster } from './prepare-cluster.js';
import type { PreparedCluster, PrepareOptions } from './prepare-cluster.js';
import { SelectedParts } from './selected-parts.js';
import { removeAbsent } from './removal/absent.js';
import { HidingLogger, withoutSecrets } from './secrets.js';
import { lockServer } from './server-lock.js';
import { slotTable } from './slot-table.js';
import { StatusFile } from './status-file.js';

export type { PartStatus };

export interface KernelParts {
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** Wires a prepared cluster into a kernel that was not started yet. Throws wiring errors. */
export function createKernel(prepared: PreparedCluster, parts: KernelParts): { kernel: Kernel; ledger: LedgerFile } {
  const { catalogue, selection, sides, settings, paths, secrets } = prepared;
  const plan = readable(() => planWiring({ slots, catalogue, selection: selection.plugins, sides }), secrets);
  const ledger = new LedgerFile(paths.ledgerFile);
  const bindings = [
    { token: ClusterSettings, value: settings },
    { token: ClusterPaths, value: paths },
    { token: SelectedParts, value: plan.parts.map(part => part.descriptor) },
  ];
  const logger = new HidingLogger(parts.logger, secrets);
  return { kernel: new Kernel({ plan, ledger, bindings, ...parts, logger }), ledger };
}

/** What fails, fails without secrets in its text. */
function readable<T>(action: () => T, secrets: readonly string[]): T {
  try {
    return action();
  } catch (error) {
    throw withoutSecrets(error, secrets);
  }
}

export interface StartOptions extends PrepareOptions {
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Called at every change of a part's state, also during the start. */
  onStatus?(status: PartStatus): void;
  /** Awaited before anything runs; may throw to refuse. */
  onPrepared?(prepared: PreparedCluster): void | Promise<void>;
  /** Aborting it stops the cluster, also in the middle of its start. */
  readonly signal?: AbortSignal;
}

/** A cluster that runs in this process. */
export interface RunningCluster {
  readonly prepared: PreparedCluster;
  readonly kernel: Kernel;
  /** Resolves when everything was stopped and removed; rejects when a vital part failed. */
  readonly finished: Promise<void>;
  /** Orderly end. Twice gives the same promise. */
  stop(): Promise<void>;
}

/** Reads the configuration, builds a kernel and starts it. Whatever fails, nothing is left running. */
export async function runCluster(options: StartOptions): Promise<RunningCluster> {
  if (options.command === 'agent') {
    throw new CodedError('NOT_BUILT', '"k3s agent" is not built yet: this version runs a server and its own node', {
      mend: 'run "k3s server" on one machine',
    });
  }
  const prepared = await prepareCluster(options);
  const { clock, signal } = options;
  const logger = new HidingLogger(options.logger ?? silentLogger, prepared.secrets);
  let built: ReturnType<typeof createKernel>;
  let unlock: () => Promise<void>;
  try {
    await options.onPrepared?.(prepared);
    built = createKernel(prepared, { logger, clock });
    await claimDataDirectory(prepared.paths, prepared.ownsHost);
    unlock = await lockServer(prepared.paths);
  } catch (error) {
    await discardCluster(prepared);
    throw error;
  }
  const { kernel, ledger } = built;
  if (prepared.ownsHost) await removeAbsent(prepared, { ledger, logger });
  for (const warning of prepared.warnings) logger.warn(warning);
  const onAbort = (): void => {
    // Its errors are those of `finished`.
    kernel.stop().catch(() => undefined);
  };
  const status = new StatusFile(prepared.paths, () => slotTable(prepared, kernel.status()), logger);
  kernel.onStatus(() => status.changed());
  const cleanUp = async (): Promise<void> => {
    signal?.removeEventListener('abort', onAbort);
    await status.close();
    await ledger.close();
    await unlock();
    await discardCluster(prepared);
  };
  const finished = kernel.finished
    .catch((error: unknown) => Promise.reject(withoutSecrets(error, prepared.secrets)))
    .finally(cleanUp);
  // Whoever asks for it gets the error; until then it is nobody's.
  finished.catch(() => undefined);
  const { onStatus } = options;
  if (onStatus) kernel.onStatus(own => onStatus({ ...own, error: withoutSecrets(own.error, prepared.secrets) }));
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    if (signal?.aborted) onAbort();
    await kernel.start();
  } catch (error) {
    // A start that failed has stopped everything; only the cleaning may still run.
    await finished.catch(() => undefined);
    throw withoutSecrets(error, prepared.secrets);
  }
  let stopped: Promise<void> | undefined;
  const stop = (): Promise<void> => (stopped ??= kernel.stop().finally(() => finished.catch(() => undefined)));
  return { prepared, kernel, finished, stop };
}
