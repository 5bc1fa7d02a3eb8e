import { spawn } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, abortReason, errorCode } from '../base/errors.js';

/** One run of a short-lived tool of the host. Arguments go to the program as they are; no shell reads them. */
export interface CommandRequest {
  /** The program's name, looked up in PATH and the administrator's directories. */
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
  conntrack: 'conntrack',
  ip: 'iproute2',
  modprobe: 'kmod',
  nft: 'nftables',
  nsenter: 'util-linux',
  sysctl: 'procps',
};

export interface HostCommandsOptions {
  /** File of a network namespace (`/run/netns/NAME`) in which programs run; absent: the process's own. */
  readonly networkNamespace?: string | undefined;
  /** Searched before PATH. */
  readonly directories?: readonly string[];
}

/** Runs programs of this machine. */
export class HostCommands implements Commands {
  readonly #options: HostCommandsOptions;
  readonly #paths = new Map<string, string>();

  constructor(options: HostCommandsOptions = {}) {
    this.#options = options;
  }

  async run(request: CommandRequest): Promise<CommandResult> {
    const program = await this.#find(request.command);
    const { networkNamespace } = this.#options;
    if (networkNamespace === undefined) return execute(program, request.arguments, request);
    const nsenter = await this.#find('nsenter');
    return execute(nsenter, [`--net=${networkNamespace}`, '--', program, ...request.arguments], request);
  }

  async #find(command: string): Promise<string> {
    const known = this.#paths.get(command);
    if (known) return known;
    const fromPath = (process.env['PATH'] ?? '').split(':').filter(directory => directory.startsWith('/'));
    for (const directory of [...(this.#options.directories ?? []), ...fromPath, ...administratorDirectories]) {
      const path = join(directory, command);
      try {
        await access(path, constants.X_OK);
      } catch {
        continue;
      }
      this.#paths.set(command, path);
      return path;
    }
    throw commandMissing(command);
  }
}

export function commandMissing(command: string): CodedError {
  const packageName = packageOf[command];
  return new CodedError('COMMAND_MISSING', `the program ${command} is not on this machine`, {
    mend: packageName ? `install the package ${packageName} (apt-get install ${packageName})` : `put ${command} on PATH`,
  });
}

function execute(program: string, args: readonly string[], request: CommandRequest): Promise<CommandResult> {
  const { input, signal, command, acceptedExitCodes = [0] } = request;
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(abortReason(signal));
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { PATH: process.env['PATH'], LC_ALL: 'C' } });
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
