import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CodedError, errorCode, errorText } from '../../base/errors.js';
import { discardCluster, prepareCluster } from '../../cluster/prepare-cluster.js';
import type { CommandContext } from '../command.js';
import { packageScripts, runPreparation } from '../host-packages.js';
import { serviceEnvironment, serviceMark, serviceUnit } from '../service-unit.js';

const unitName = 'k3s.service';

export interface ServiceHost {
  readonly unitDirectory: string;
  readonly isRoot: boolean;
  /** Says whether systemd runs this machine. */
  readonly hasSystemd: boolean;
  systemctl(...argumentList: string[]): Promise<void>;
}

/** `k3s service install [flags of k3s server]`, `k3s service remove`; `install --print` only shows the unit. */
export async function service(context: CommandContext): Promise<number> {
  return runService(context, realHost());
}

export async function runService(context: CommandContext, host: ServiceHost): Promise<number> {
  const [verb, ...rest] = context.arguments;
  if (verb === 'install') return install({ ...context, arguments: rest.filter(word => word !== '--print') }, rest, host);
  if (verb === 'remove') {
    requireHost(host);
    const removed = await removeService(host);
    for (const line of removed.length > 0 ? removed : ['there is no service']) context.print(line);
    return 0;
  }
  throw new CodedError('COMMAND_UNKNOWN', `"k3s service" knows "install" and "remove", not "${verb ?? ''}"`);
}

async function install(context: CommandContext, words: readonly string[], host: ServiceHost): Promise<number> {
  // Flags that a start would refuse are refused here, not in a journal.
  const prepared = await prepareCluster({
    command: 'server',
    arguments: context.arguments,
    environment: context.environment,
    strictFiles: true,
  });
  await discardCluster(prepared);
  const environmentFile = join(host.unitDirectory, `${unitName}.env`);
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const unit = serviceUnit({ node: process.execPath, main, environmentFile, arguments: context.arguments });
  if (words.includes('--print')) {
    context.print(unit.trimEnd());
    return 0;
  }
  requireHost(host);
  const unitFile = join(host.unitDirectory, unitName);
  const present = await readIfThere(unitFile);
  if (present !== undefined && !present.includes(serviceMark)) throw foreignUnit(unitFile);
  await runPreparation(packageScripts(prepared), context.print);
  await mkdir(host.unitDirectory, { recursive: true });
  // The mode holds for a new file only; tokens must not show for a moment either.
  await rm(environmentFile, { force: true });
  await writeFile(environmentFile, serviceEnvironment(context.environment), { mode: 0o600, flag: 'wx' });
  await writeFile(unitFile, unit, { mode: 0o644 });
  await chmod(unitFile, 0o644);
  await host.systemctl('daemon-reload');
  await host.systemctl('enable', '--quiet', unitName);
  await host.systemctl('restart', unitName);
  context.print(`${unitFile} is installed and runs: journalctl -u k3s shows its log, "npx k3s service remove" removes it`);
  return 0;
}

/** Stops and removes our unit, leaves pods alone; resolves what was removed. Throws `FOREIGN_K3S` at another's unit. */
export async function removeService(host: ServiceHost = realHost()): Promise<string[]> {
  const unitFile = join(host.unitDirectory, unitName);
  const present = await readIfThere(unitFile);
  if (present === undefined) return [];
  if (!present.includes(serviceMark)) throw foreignUnit(unitFile);
  if (host.hasSystemd) await host.systemctl('disable', '--now', '--quiet', unitName);
  const files = [unitFile, join(host.unitDirectory, `${unitName}.env`)];
  for (const file of files) await rm(file, { force: true });
  if (host.hasSystemd) await host.systemctl('daemon-reload');
  return files.map(file => `removed ${file}`);
}

/** Stops our unit, since systemd starts anew what is only killed; another's is left alone. Resolves what was done. */
export async function stopService(host: ServiceHost = realHost()): Promise<string[]> {
  const present = await readIfThere(join(host.unitDirectory, unitName));
  if (!present?.includes(serviceMark) || !host.hasSystemd) return [];
  await host.systemctl('stop', unitName);
  return [`stopped ${unitName}, which the next boot starts again`];
}

export function realHost(): ServiceHost {
  return {
    unitDirectory: '/etc/systemd/system',
    isRoot: process.getuid?.() === 0,
    hasSystemd: existsSync('/run/systemd/system'),
    async systemctl(...argumentList) {
      try {
        await promisify(execFile)('systemctl', argumentList);
      } catch (error) {
        const { stderr } = error as { stderr?: string };
        const reason = stderr?.trim().split('\n', 1)[0] || errorText(error);
        throw new CodedError('SYSTEMCTL_FAILED', `systemctl ${argumentList.join(' ')}: ${reason}`, {
          cause: error,
          mend: 'journalctl -u k3s tells more',
        });
      }
    },
  };
}

function requireHost({ isRoot, hasSystemd }: ServiceHost): void {
  if (!isRoot) throw new CodedError('NEEDS_ROOT', 'a service needs root', { mend: 'sudo npx k3s service ...' });
  if (hasSystemd) return;
  throw new CodedError('NO_SYSTEMD', 'systemd does not run this machine', {
    mend: '"k3s server" runs in the foreground under any other supervisor; "k3s service install --print" shows the unit',
  });
}

function foreignUnit(file: string): CodedError {
  return new CodedError('FOREIGN_K3S', `${file} is the service of another K3s`, { mend: 'it is left alone' });
}

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
