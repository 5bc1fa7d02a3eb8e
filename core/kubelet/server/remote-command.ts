import { errorText } from '../../base/errors.js';
import type { AttachOptions, ExecSession } from '../../contracts/container-runtime.js';
import type { ChannelSocket } from './channel-socket.js';

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;

/** Subprotocols of exec and attach, best first. */
export const commandProtocols = [
  'v5.channel.k8s.io',
  'v4.channel.k8s.io',
  'v4.base64.channel.k8s.io',
  'channel.k8s.io',
  'base64.channel.k8s.io',
] as const;

export interface RemoteCommand {
  readonly socket: ChannelSocket;
  /** '' where the client named none: the oldest. */
  readonly protocol: string;
  readonly options: AttachOptions;
  /** The command, for the message of its failure. */
  readonly command: readonly string[] | undefined;
  readonly open: () => Promise<ExecSession>;
}

/** Joins a session in a container with a client's WebSocket. Never rejects. Source: KEP-4006, cri streaming remotecommand. */
export async function serveRemoteCommand(call: RemoteCommand): Promise<void> {
  const { socket, options } = call;
  let session: ExecSession | undefined;
  let isGone = false;
  socket.onClose(() => {
    isGone = true;
    session?.close();
    session?.stdout?.destroy();
    session?.stderr?.destroy();
  });
  socket.listen((channel, data) => (session ? receive(session, socket, channel, data) : true));
  // What the client sends first waits for the command.
  socket.pause();
  const hasStatus = /^v[45]\./.test(call.protocol);
  const finish = (status: CommandStatus): void => {
    if (hasStatus) socket.send(channels.error, Buffer.from(JSON.stringify(status)));
    else if (status.status === 'Failure') socket.send(channels.error, Buffer.from(status.message ?? ''));
    socket.close();
  };
  try {
    session = await call.open();
    if (isGone) session.close();
    // Nobody may be left to hear of it.
    session.exited.catch(() => undefined);
    socket.resume();
    const outputs = [socket.pump(channels.stdout, session.stdout)];
    if (!options.tty) outputs.push(socket.pump(channels.stderr, session.stderr));
    const exitCode = await session.exited;
    await Promise.all(outputs);
    finish(exitCode === 0 ? succeeded : exitStatus(exitCode, call.command));
  } catch (error) {
    socket.resume();
    const what = call.command ? 'error executing command in container' : 'error attaching to container';
    finish(failure(`${what}: ${errorText(error)}`));
  }
}

function receive(session: ExecSession, socket: ChannelSocket, channel: number, data: Buffer): boolean {
  const { stdin } = session;
  if (channel === channels.stdin) {
    if (!stdin || stdin.writableEnded || stdin.destroyed || data.length === 0) return true;
    return stdin.write(data, () => socket.resume());
  }
  if (channel === channels.close) {
    if (data[0] === channels.stdin) stdin?.end();
  } else if (channel === channels.resize) {
    const size = terminalSize(data);
    if (size) session.resize(size.columns, size.rows);
  }
  return true;
}

function terminalSize(data: Buffer): { columns: number; rows: number } | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(data.toString());
  } catch {
    // A client's mistake costs it its resize, not its session.
    return undefined;
  }
  const { Width: columns, Height: rows } = (parsed ?? {}) as { Width?: unknown; Height?: unknown };
  const isSize = (value: unknown): value is number =>
    Number.isInteger(value) && (value as number) > 0 && (value as number) < 65_536;
  return isSize(columns) && isSize(rows) ? { columns, rows } : undefined;
}

interface CommandStatus {
  readonly metadata: object;
  readonly status: 'Success' | 'Failure';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: { readonly causes: readonly { readonly reason?: string; readonly message: string }[] };
  readonly code?: number;
}

const succeeded: CommandStatus = { metadata: {}, status: 'Success' };

function exitStatus(exitCode: number, command: readonly string[] | undefined): CommandStatus {
  const text = command ? `error executing command [${command.join(' ')}], exit code ${exitCode}` : `exit code ${exitCode}`;
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: ${text}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

function failure(text: string): CommandStatus {
  return {
    metadata: {},
    status: 'Failure',
    message: `Internal error occurred: ${text}`,
    reason: 'InternalError',
    details: { causes: [{ message: text }] },
    code: 500,
  };
}
