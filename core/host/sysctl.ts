import { readFile, writeFile } from 'node:fs/promises';
import { CodedError, errorCode } from '../base/errors.js';
import type { Commands } from './commands.js';

/** Kernel settings below /proc/sys, by their path there with slashes: `net/ipv4/ip_forward`. */
export interface Sysctl {
  /** Undefined where this kernel has no such setting. */
  read(name: string): Promise<string | undefined>;
  /** Writes where the value differs. False: the kernel has no such setting. Errors: `SYSCTL_REFUSED`. */
  write(name: string, value: string): Promise<boolean>;
}

/** The settings of the namespaces that this process is in. */
export class ProcSysctl implements Sysctl {
  async read(name: string): Promise<string | undefined> {
    try {
      return (await readFile(pathOf(name), 'utf8')).trim();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  async write(name: string, value: string): Promise<boolean> {
    const now = await this.read(name);
    if (now === undefined) return false;
    if (now === value) return true;
    try {
      await writeFile(pathOf(name), value);
    } catch (error) {
      throw refused(name, value, error);
    }
    return true;
  }
}

/** The settings that the program sysctl sees: those of the network namespace in which `commands` runs. */
export class SysctlCommand implements Sysctl {
  readonly #commands: Commands;

  constructor(commands: Commands) {
    this.#commands = commands;
  }

  async read(name: string): Promise<string | undefined> {
    pathOf(name);
    const run = { command: 'sysctl', arguments: ['-n', name], acceptedExitCodes: [0, 1, 255] };
    const { exitCode, stdout } = await this.#commands.run(run);
    return exitCode === 0 ? stdout.trim() : undefined;
  }

  async write(name: string, value: string): Promise<boolean> {
    const now = await this.read(name);
    if (now === undefined) return false;
    if (now === value) return true;
    try {
      await this.#commands.run({ command: 'sysctl', arguments: ['-q', '-w', `${name}=${value}`] });
    } catch (error) {
      throw refused(name, value, error);
    }
    return true;
  }
}

/** Keeps writes for tests. */
export class RecordingSysctl implements Sysctl {
  readonly values: Map<string, string>;
  readonly writes: string[] = [];

  constructor(values: Readonly<Record<string, string>> = {}) {
    this.values = new Map(Object.entries(values));
  }

  async read(name: string): Promise<string | undefined> {
    return this.values.get(name);
  }

  async write(name: string, value: string): Promise<boolean> {
    if (!this.values.has(name)) return false;
    this.values.set(name, value);
    this.writes.push(`${name}=${value}`);
    return true;
  }
}

function pathOf(name: string): string {
  if (!/^[a-z0-9_]+(\/[A-Za-z0-9_.@-]+)+$/.test(name) || name.includes('/..')) {
    throw new CodedError('SYSCTL_INVALID', `${JSON.stringify(name)} is not the name of a kernel setting`);
  }
  return `/proc/sys/${name}`;
}

function refused(name: string, value: string, cause: unknown): CodedError {
  const mend = `as root: sysctl -w ${name.replaceAll('/', '.')}=${value}`;
  return new CodedError('SYSCTL_REFUSED', `the kernel setting ${name} could not be set to ${value}`, { cause, mend });
}
