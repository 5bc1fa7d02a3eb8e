import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { constants, openSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { promisify } from 'node:util';
import { CodedError, deferred, errorText } from '../../../core/plugin-api/index.js';
import type { ExecOptions, ExecSession, Logger } from '../../../core/plugin-api/index.js';
import { runtimeError } from './runtime-errors.js';
import type { GrpcChannel } from './wire/grpc-channel.js';

const processType = 'types.containerd.io/opencontainers/runtime-spec/1/Process';
const killSignal = 9;
/** Output that is silent for so long after the end of its process has ended too, though a child may keep its stream open. */
const drainLookMs = 500;

export interface ExecRequest {
  readonly channel: GrpcChannel;
  readonly containerId: string;
  readonly options: ExecOptions;
  /** Where the FIFOs go. */
  readonly directory: string;
  readonly logger: Logger;
}

interface OpenStreams {
  readonly stdout: Socket | undefined;
  readonly stderr: Socket | undefined;
  stdin: Socket | undefined;
}

/**
 * Runs a command through containerd's task service, its streams through FIFOs: separate outputs, a real half-close of the input, and
 * the exit code, which CRI's exec URL has not all of.
 */
export async function startExec(request: ExecRequest): Promise<ExecSession> {
  const { channel, containerId, options, logger } = request;
  const process_ = await processSpec(channel, containerId, options);
  await mkdir(request.directory, { recursive: true, mode: 0o700 });
  const directory = await mkdtemp(join(request.directory, 'exec-'));
  const names = {
    stdin: options.stdin ? join(directory, '0') : '',
    stdout: options.stdout || options.tty ? join(directory, '1') : '',
    stderr: options.stderr && !options.tty ? join(directory, '2') : '',
  };
  const ids = { containerId, execId: `k3s-${randomBytes(12).toString('hex')}` };
  const streams: OpenStreams = { stdout: undefined, stderr: undefined, stdin: undefined };
  let created = false;
  try {
    await promisify(execFile)('mkfifo', Object.values(names).filter(Boolean));
    const readers = { stdout: reader(names.stdout), stderr: reader(names.stderr) };
    Object.assign(streams, readers);
    await channel.call('tasks.Exec', {
      ...ids,
      ...names,
      terminal: options.tty,
      spec: { typeUrl: processType, value: Buffer.from(JSON.stringify(process_)) },
    });
    created = true;
    const waiting = channel.call('tasks.Wait', ids, { timeoutMs: 0 });
    waiting.catch(() => undefined);
    const started = channel.call('tasks.Start', ids);
    started.catch(() => undefined);
    // Read and write, so that opening does not wait for the other end.
    if (names.stdin) streams.stdin = writer(names.stdin);
    await started;
    return session(request, ids, streams, waiting, directory);
  } catch (error) {
    for (const stream of [streams.stdin, streams.stdout, streams.stderr]) stream?.destroy();
    if (created) await deleteProcess(channel, ids, logger);
    await rm(directory, { recursive: true, force: true });
    throw startError(error, options.command);
  }
}

function startError(error: unknown, command: readonly string[]): CodedError {
  const mapped = runtimeError(error, 'exec');
  if (!/executable file not found|no such file or directory|permission denied/.test(mapped.message)) return mapped;
  return new CodedError('RUNTIME_FAILED', `failed to exec ${JSON.stringify(command[0] ?? '')}: ${mapped.message}`, {
    cause: error,
  });
}

function session(
  request: ExecRequest,
  ids: { readonly containerId: string; readonly execId: string },
  streams: OpenStreams,
  waiting: Promise<{ readonly exitStatus?: number }>,
  directory: string,
): ExecSession {
  const { channel, logger, options } = request;
  const { stdin } = streams;
  if (stdin) {
    // The shim holds the FIFO open itself; only it can end the process's input.
    const closeInput = (): void => {
      stdin.destroy();
      channel.call('tasks.CloseIO', { ...ids, stdin: true }).catch((error: unknown) => {
        logger.debug('the input of an exec cannot be closed', { error: errorText(error) });
      });
    };
    stdin.once('finish', closeInput);
    stdin.on('error', error => logger.debug('the input of an exec failed', { error: errorText(error) }));
  }
  const stdout = output(streams.stdout);
  const stderr = output(streams.stderr);
  const abandoned = deferred();
  const cleanUp = async (): Promise<void> => {
    for (const stream of [stdin, streams.stdout, streams.stderr]) stream?.destroy();
    await deleteProcess(channel, ids, logger);
    await rm(directory, { recursive: true, force: true });
  };
  const finish = async (): Promise<number> => {
    try {
      const { exitStatus = 0 } = await waiting;
      stdin?.destroy();
      await Promise.race([drained([streams.stdout, streams.stderr], [stdout, stderr]), abandoned.promise]);
      return exitStatus;
    } finally {
      // The shim waits for children that keep the streams open; the caller does not.
      cleanUp().catch((error: unknown) => logger.warn('an exec leaves its FIFOs', { directory, error: errorText(error) }));
    }
  };
  const exited = finish().catch((error: unknown) => {
    throw runtimeError(error, 'exec');
  });
  exited.catch(() => undefined);
  return {
    ...(stdin && { stdin }),
    ...(stdout && options.stdout && { stdout }),
    ...(stderr && { stderr }),
    exited,
    resize(columns, rows) {
      channel.call('tasks.ResizePty', { ...ids, width: columns, height: rows }).catch((error: unknown) => {
        logger.debug('a terminal cannot be resized', { error: errorText(error) });
      });
    },
    close() {
      abandoned.resolve();
      channel.call('tasks.Kill', { ...ids, signal: killSignal, all: true }).catch((error: unknown) => {
        logger.debug('an exec cannot be killed', { error: errorText(error) });
      });
    },
  };
}

/** What the caller reads ends when the process has ended, also when a child of it keeps the FIFO open. */
function output(source: Socket | undefined): Readable | undefined {
  if (!source) return undefined;
  const through = new PassThrough();
  source.on('error', () => through.end());
  source.on('close', () => through.end());
  source.pipe(through);
  return through;
}

/**
 * Waits until everything that was written has been taken. A child that lives on may hold a FIFO open for ever: silence ends the wait,
 * unless it is the reader who is behind.
 */
async function drained(sources: readonly (Socket | undefined)[], outputs: readonly (Readable | undefined)[]): Promise<void> {
  const open = sources.filter(source => source !== undefined).filter(source => !source.destroyed);
  // An error of a stream ends it, which is all that is waited for.
  const ended = Promise.all(open.map(source => finished(source, { writable: false }).catch(() => undefined)));
  let timer: NodeJS.Timeout | undefined;
  const silent = new Promise<void>(resolve => {
    let read = -1;
    const look = (): void => {
      const now = open.reduce((sum, source) => sum + source.bytesRead, 0);
      const behind = outputs.some(entry => entry !== undefined && entry.readableLength >= entry.readableHighWaterMark);
      if (now === read && !behind) return resolve();
      read = now;
      timer = setTimeout(look, drainLookMs);
    };
    look();
  });
  await Promise.race([ended, silent]);
  clearTimeout(timer);
}

function reader(file: string): Socket | undefined {
  if (!file) return undefined;
  return new Socket({ fd: openSync(file, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
}

function writer(file: string): Socket {
  return new Socket({ fd: openSync(file, constants.O_RDWR | constants.O_NONBLOCK), readable: false, writable: true });
}

async function deleteProcess(
  channel: GrpcChannel,
  ids: { readonly containerId: string; readonly execId: string },
  logger: Logger,
): Promise<void> {
  try {
    await channel.call('tasks.DeleteProcess', ids);
  } catch (error) {
    logger.debug('a process of an exec cannot be removed', { error: errorText(error) });
  }
}

/** The container's own process with another command: same user, environment, capabilities and limits. */
async function processSpec(channel: GrpcChannel, containerId: string, options: ExecOptions): Promise<object> {
  const { container } = await channel.call('containers.Get', { id: containerId });
  const spec: unknown = JSON.parse(Buffer.from(container?.spec?.value ?? Buffer.from('{}')).toString());
  const own = (spec as { readonly process?: Readonly<Record<string, unknown>> }).process;
  if (!own) throw new CodedError('RUNTIME_FAILED', `container "${containerId}" has no process to take after`);
  const environment = Array.isArray(own['env']) ? (own['env'] as unknown[]).filter(entry => typeof entry === 'string') : [];
  const withTerm =
    options.tty && !environment.some(entry => entry.startsWith('TERM=')) ? [...environment, 'TERM=xterm'] : environment;
  return { ...own, args: options.command, terminal: options.tty, env: withTerm, consoleSize: undefined };
}
