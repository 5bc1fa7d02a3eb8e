import { writeFileSync } from 'node:fs';
import { SystemClock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { CodedError } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import { runCluster } from '../../cluster/running-cluster.js';
import type { RunningCluster } from '../../cluster/running-cluster.js';
import type { PreparedCluster } from '../../cluster/prepare-cluster.js';
import type { CommandContext } from '../command.js';
import { exampleScripts, packageScripts, runPreparation } from '../host-packages.js';
import type { PartStatus } from '../../cluster/running-cluster.js';
import { errorLines, textWithMend } from '../print-error.js';
import { LogOutput } from '../log-output.js';
import { MemoryKeeper } from '../memory-keeper.js';
import { OwnMemory } from '../own-memory.js';
import { ServiceNotifier } from '../service-notifier.js';
import { catchSignals } from '../signals.js';

/** `k3s server`: everything it has to say goes to the log. */
export async function server(context: CommandContext): Promise<number> {
  return serve(context, 'server', undefined);
}

/** `k3s agent`. */
export async function agent(context: CommandContext): Promise<number> {
  return serve(context, 'agent', undefined);
}

/** `k3s start`: a server that tells a person what it does. */
export async function start(context: CommandContext): Promise<number> {
  return serve(context, 'server', new Narrator(context));
}

async function serve(context: CommandContext, command: 'server' | 'agent', narrator: Narrator | undefined): Promise<number> {
  // What `ps`, `top` and `systemctl status` call it: all programs of Node are "node" or "MainThread" there. K3s' own names.
  if (process.platform === 'linux') writeFileSync('/proc/self/comm', `k3s-${command}`);
  const output = new LogOutput(context.printError);
  const signals = catchSignals();
  let watchdog: Disposable | undefined;
  const failures = new FailureLog(output.logger);
  let blame: ((error: unknown) => boolean) | undefined;
  // A plugin's timer or callback may throw where nobody can catch it. What is nobody's fault but ours ends the process as ever.
  const onUncaught = (error: unknown): void => {
    if (blame?.(error)) return;
    for (const line of errorLines(error)) context.printError(line);
    process.exit(1);
  };
  process.on('uncaughtException', onUncaught);
  const notifier = new ServiceNotifier(context.environment, output.logger);
  const memory = new MemoryKeeper(new SystemClock(), new OwnMemory(output.logger), output.logger);
  try {
    const running = await runCluster({
      command,
      arguments: context.arguments,
      environment: context.environment,
      logger: output.logger,
      signal: signals.aborted,
      async onPrepared(prepared) {
        refuseWithoutRoot(prepared);
        const { values } = prepared.config;
        const debug = values.debug || values.v > 0;
        output.open({ debug, file: values.log, alsoToStandardError: values.alsologtostderr });
        narrator?.prepared(prepared);
        // Who runs `k3s server` by hand or as a service has run the setup before; the error of what is missing names the script.
        if (narrator) await runPreparation(packageScripts(prepared), context.print, { signal: signals.aborted });
      },
      onStatus(status) {
        if (status.state === 'failed') failures.tell(status);
        else if (status.state === 'ready') {
          if (narrator) narrator.ready(status.id, status.tookMs ?? 0);
          else output.logger.info(`${status.id} is ready`, { ms: Math.round(status.tookMs ?? 0) });
        } else {
          if (status.state === 'starting') failures.isStarting = true;
          output.logger.debug(`${status.id} is ${status.state}`);
        }
      },
    });
    failures.isRunning = true;
    blame = (error): boolean => running.kernel.blame(error);
    narrator?.started(running);
    output.logger.debug('started');
    await notifier.ready('serving');
    watchdog = notifier.keepAlive();
    memory.start();
    if (narrator) await runPreparation(exampleScripts(running.prepared), context.print, { signal: signals.aborted });
    const onAbort = (): void => void notifier.stopping();
    signals.aborted.addEventListener('abort', onAbort, { once: true });
    await running.finished;
    narrator?.ended(running);
    return 0;
  } catch (error) {
    // The user ended the start; that is no failure.
    if (signals.aborted.aborted && endedByUser.has((error as { code?: unknown }).code)) return 0;
    throw error;
  } finally {
    process.off('uncaughtException', onUncaught);
    await watchdog?.dispose();
    await memory.dispose();
    await signals.dispose();
    output.close();
  }
}

const endedByUser: ReadonlySet<unknown> = new Set(['KERNEL_STOPPING', 'PREPARATION_FAILED']);

/** A node owns links, mounts and processes of the host; only a temporary cluster simulates them. */
function refuseWithoutRoot({ preset, settings }: PreparedCluster): void {
  if (preset.temporary || !settings.nodeEnabled || process.getuid?.() === 0) return;
  throw new CodedError('NEEDS_ROOT', 'a node needs root', {
    mend: 'two ways on: "sudo npm start", or "npm start -- --preset sandbox" for a simulated node that needs nothing',
  });
}

/** Every failure of a part is one line, with what to do about it. */
class FailureLog {
  /** Every part has agreed to start. */
  isStarting = false;
  isRunning = false;
  readonly #logger: Logger;
  readonly #told = new Map<string, unknown>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  tell({ id, vital, error }: PartStatus): void {
    // The kernel says it once more when the part has been cleaned up.
    if (this.#told.get(id) === error) return;
    this.#told.set(id, error);
    const fields = { error: textWithMend(error) };
    // What ends a start is the program's last line.
    if (!this.isRunning && (vital || !this.isStarting)) this.#logger.debug(`${id} failed`, fields);
    else this.#logger.error(vital ? `${id} failed` : `${id} failed and is tried again`, fields);
  }
}

class Narrator {
  readonly #context: CommandContext;
  readonly #beganMs = performance.now();

  constructor(context: CommandContext) {
    this.#context = context;
  }

  prepared({ settings, paths }: PreparedCluster): void {
    this.#context.print(`k3s ${settings.version}, preset ${settings.preset}, data in ${paths.dataDir}`);
  }

  ready(id: string, tookMs: number): void {
    this.#context.print(`  ${id.padEnd(24)} ready in ${String(Math.round(tookMs)).padStart(5)} ms`);
  }

  started({ kernel, prepared }: RunningCluster): void {
    const parts = kernel.status();
    const ready = parts.filter(part => part.state === 'ready').length;
    const uptimeMs = Math.round(performance.now() - this.#beganMs);
    const others = parts.filter(part => part.state !== 'ready').map(part => `${part.id} ${part.state}`);
    this.#context.print(
      `${ready} of ${parts.length} parts ready in ${uptimeMs} ms${others.length > 0 ? ` (${others.join(', ')})` : ''}`,
    );
    this.#context.print('');
    this.#context.print(`  export KUBECONFIG=${prepared.paths.kubeconfigFile}`);
    for (const command of tryThese) this.#context.print(`  ${command}`);
    this.#context.print('');
    if (!keepsPods(prepared)) this.#context.print('Ctrl-C stops it.');
    else this.#context.print(`Ctrl-C stops it. Its pods go on running; "${killallCommand(prepared)}" ends them, too.`);
  }

  ended({ prepared }: RunningCluster): void {
    if (!keepsPods(prepared)) return;
    this.#context.print('');
    this.#context.print(
      `Stopped. Its pods go on running: "npm start" takes them over again, "${killallCommand(prepared)}" ends them.`,
    );
  }
}

function keepsPods({ ownsHost, settings }: PreparedCluster): boolean {
  return ownsHost && settings.nodeEnabled;
}

function killallCommand({ config, paths }: PreparedCluster): string {
  return `npx k3s killall${config.values['data-dir'] === undefined ? '' : ` --data-dir ${paths.dataDir}`}`;
}

const tryThese = ['npx k3s kubectl get nodes', 'npx k3s kubectl apply -f examples/app', 'npx k3s kubectl get pods --watch'];
