import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, abortReason, errorCode } from '../base/errors.js';
import { filesIn, readDebianPackages } from './debian-packages.js';
import type { DebianPackages } from './debian-packages.js';

/** One run of a short-lived tool of the host. Arguments go to the program as they are; no shell reads them. */
export interface CommandRequest {
  /** The program's name, looked up in PATH, the administrator's directories and the packages that k3s brought along. */
  readonly command: string;
  readonly arguments: readonly string[];
  /** Text for its standard input. */
  readonly input?: string;
  /** Exit codes that are answers, not failures. Absent: 0 only. */
  readonly acceptedExitCodes?: readonly number[];
  readonly signal?: AbortSignal;
}

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Commands {
  /**
   * Errors: `COMMAND_MISSING` (the mend names the Debian package), `COMMAND_FAILED` with the first line of what it printed, the
   * signal's reason.
   */
  run(request: CommandRequest): Promise<CommandResult>;
}

const administratorDirectories = ['/usr/sbin', '/sbin', '/usr/local/sbin', '/usr/bin', '/bin'];
const packageOf: Readonly<Record<string, string>> = {
  bridge: 'iproute2',
  chattr: 'e2fsprogs',
  conntrack: 'conntrack',
  ip: 'iproute2',
  modprobe: 'kmod',
  nft: 'nftables',
  nsenter: 'util-linux',
  setquota: 'quota',
  sysctl: 'procps',
};

export interface HostCommandsOptions {
  /** File of a network namespace (`/run/netns/NAME`) in which programs run; absent: the process's own. */
  readonly networkNamespace?: string | undefined;
  /** Searched before PATH. */
  readonly directories?: readonly string[];
  /** The packages that k3s brought along are searched before PATH, not after it (`--prefer-bundled-bin`). */
  readonly preferBundledBin?: boolean;
}

/** A program, and what its environment needs. */
interface Program {
  readonly path: string;
  readonly libraryPath: string | undefined;
}

/** Runs programs of this machine. */
export class HostCommands implements Commands {
  readonly #options: HostCommandsOptions;
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(options: HostCommandsOptions = {}) {
    this.#options = options;
  }

  async run(request: CommandRequest): Promise<CommandResult> {
    const { path, libraryPath } = await this.#find(request.command);
    const { networkNamespace } = this.#options;
    if (networkNamespace === undefined) return execute({ path, libraryPath }, request.arguments, request);
    const nsenter = await this.#find('nsenter');
    const words = [`--net=${networkNamespace}`, '--', path, ...request.arguments];
    return execute({ path: nsenter.path, libraryPath: libraryPath ?? nsenter.libraryPath }, words, request);
  }

  #find(command: string): Promise<Program> {
    let program = this.#programs.get(command);
    if (!program) {
      program = findProgram(command, this.#options);
      this.#programs.set(command, program);
      // Somebody may install it meanwhile: the next call looks again.
      program.catch(() => this.#programs.delete(command));
    }
    return program;
  }
}

async function findProgram(command: string, options: HostCommandsOptions): Promise<Program> {
  const { directories = [], preferBundledBin = false } = options;
  const ways = preferBundledBin ? [findBundled, findOnHost] : [findOnHost, findBundled];
  for (const find of ways) {
    const program = await find(command, directories);
    if (program) return program;
  }
  throw commandMissing(command);
}

async function findOnHost(command: string, directories: readonly string[]): Promise<Program | undefined> {
  const fromPath = (process.env['PATH'] ?? '').split(':').filter(directory => directory.startsWith('/'));
  for (const directory of [...directories, ...fromPath, ...administratorDirectories]) {
    const path = join(directory, command);
    if (await isExecutable(path)) return { path, libraryPath: undefined };
  }
  return undefined;
}

/** In the packages that were fetched. */
async function findBundled(command: string): Promise<Program | undefined> {
  const packages = readDebianPackages();
  const root = packages?.root(packageOf[command] ?? command);
  for (const directory of root === undefined ? [] : ['usr/sbin', 'sbin', 'usr/bin', 'bin']) {
    const path = join(root!, directory, command);
    if (await isExecutable(path)) return { path, libraryPath: await libraryPathOf(packages!) };
  }
  return undefined;
}

/** Folders of the libraries that the machine lacked when the packages were fetched. */
async function libraryPathOf(packages: DebianPackages): Promise<string | undefined> {
  const machine = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  const folders: string[] = [];
  for (const name of Object.keys(packages.versions).filter(each => each.startsWith('lib'))) {
    for (const folder of [`usr/lib/${machine}`, `lib/${machine}`]) {
      const path = join(packages.root(name)!, folder);
      if ((await filesIn(path)).length > 0) folders.push(path);
    }
  }
  return folders.length > 0 ? folders.join(':') : undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    // Not in this folder, or not for us: another one may have it.
    return false;
  }
}

export function commandMissing(command: string): CodedError {
  const packageName = packageOf[command];
  return new CodedError('COMMAND_MISSING', `the program ${command} is not on this machine`, {
    mend: packageName ? `install the package ${packageName} (apt-get install ${packageName})` : `put ${command} on PATH`,
  });
}

function execute({ path, libraryPath }: Program, args: readonly string[], request: CommandRequest): Promise<CommandResult> {
  const { input, signal, command, acceptedExitCodes = [0] } = request;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortReason(signal));
    const env = { PATH: process.env['PATH'], LC_ALL: 'C', ...(libraryPath && { LD_LIBRARY_PATH: libraryPath }) };
    const child = spawn(path, args, { stdio: ['pipe', 'pipe', 'pipe'], env });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    const onAbort = (): void => void child.kill('SIGKILL');
    signal?.addEventListener('abort', onAbort, { once: true });
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    // A program that ends without reading its input says why by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
    child.on('error', error => {
      signal?.removeEventListener('abort', onAbort);
      reject(errorCode(error) === 'ENOENT' ? commandMissing(command) : commandFailed(request, String(error), error));
    });
    child.on('close', (code, killedBy) => {
      signal?.removeEventListener('abort', onAbort);
      if (signal?.aborted) return reject(abortReason(signal));
      const result: CommandResult = {
        exitCode: code ?? -1,
        stdout: Buffer.concat(stdout).toString(),
        stderr: Buffer.concat(stderr).toString(),
      };
      if (code !== null && acceptedExitCodes.includes(code)) return resolve(result);
      reject(commandFailed(request, killedBy ? `killed by ${killedBy}` : firstLine(result.stderr || result.stdout)));
    });
  });
}

function commandFailed(request: CommandRequest, text: string, cause?: unknown): CodedError {
  const line = [request.command, ...request.arguments].join(' ');
  return new CodedError('COMMAND_FAILED', `"${line}" failed: ${text || 'it printed nothing'}`, { cause });
}

function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0]!.slice(0, 500);
}

/** Remembers what would have been run, and gives prepared answers. */
export class RecordingCommands implements Commands {
  readonly requests: CommandRequest[] = [];
  /** Answers by `command argument argument`; anything else succeeds with empty output. What is an Error is thrown. */
  readonly answers = new Map<string, string | Error>();

  async run(request: CommandRequest): Promise<CommandResult> {
    this.requests.push(request);
    const answer = this.answers.get([request.command, ...request.arguments].join(' ')) ?? '';
    if (answer instanceof Error) throw answer;
    return { exitCode: 0, stdout: answer, stderr: '' };
  }

  /** Every run as one line. */
  lines(): string[] {
    return this.requests.map(request => [request.command, ...request.arguments].join(' '));
  }
}
