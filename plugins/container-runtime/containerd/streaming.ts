import type { Duplex } from 'node:stream';
import { text } from 'node:stream/consumers';
import { CodedError, errorText } from '../../../core/plugin-api/index.js';
import type { AttachOptions, ExecSession, Logger } from '../../../core/plugin-api/index.js';
import { SpdyConnection, upgradeToSpdy } from './spdy-connection.js';

/** Connects to a container's own streams by the URL that CRI gave. The URL serves once. */
export async function openAttach(url: string, options: AttachOptions, logger: Logger): Promise<ExecSession> {
  const connection = await SpdyConnection.connect(url, 'v4.channel.k8s.io');
  const failure = connection.open({ streamtype: 'error' });
  failure.end();
  const stdin = options.stdin ? connection.open({ streamtype: 'stdin' }) : undefined;
  const stdout = options.stdout ? connection.open({ streamtype: 'stdout' }) : undefined;
  const stderr = options.stderr && !options.tty ? connection.open({ streamtype: 'stderr' }) : undefined;
  const resizes = options.tty ? connection.open({ streamtype: 'resize' }) : undefined;
  for (const stream of [stdin, stdout, stderr, resizes]) {
    stream?.on('error', error => logger.debug('a stream of an attach broke', { error: errorText(error) }));
  }
  stdin?.resume();
  resizes?.resume();
  stdout?.end();
  stderr?.end();
  const exited = text(failure).then(status => {
    stdin?.destroy();
    resizes?.destroy();
    return exitCodeOf(status);
  });
  exited.catch(() => undefined);
  return {
    ...(stdin && { stdin }),
    ...(stdout && { stdout }),
    ...(stderr && { stderr }),
    exited,
    resize: (columns, rows) => void resizes?.write(`${JSON.stringify({ Width: columns, Height: rows })}\n`),
    close: () => connection.close(),
  };
}

/** The Status object that the remote command protocol ends with; nothing when the container ended by itself. */
function exitCodeOf(status: string): number {
  if (status.trim() === '') return 0;
  const parsed: unknown = JSON.parse(status);
  const {
    status: outcome,
    message,
    details,
  } = parsed as {
    readonly status?: string;
    readonly message?: string;
    readonly details?: { readonly causes?: readonly { readonly reason?: string; readonly message?: string }[] };
  };
  if (outcome === 'Success') return 0;
  const code = details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  if (code !== undefined) return Number(code);
  throw new CodedError('RUNTIME_FAILED', message ?? 'the attach failed');
}

/** A stream to a port in the sandbox, by the URL that CRI gave. Destroyed with an error when nothing listens there. */
export async function openPortForward(url: string, port: number, logger: Logger): Promise<NodeJS.ReadWriteStream> {
  const connection = await SpdyConnection.connect(url, 'portforward.k8s.io');
  const pair = { port: String(port), requestid: '0' };
  const failure = connection.open({ streamtype: 'error', ...pair });
  failure.end();
  failure.on('error', error => logger.debug('the error stream of a port-forward broke', { error: errorText(error) }));
  // Why it ended comes on the other stream, maybe later.
  const judged = text(failure).then(
    message => {
      if (message) data.destroy(new CodedError('RUNTIME_FAILED', message.trim()));
    },
    (error: unknown) => data.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  const data = connection.open({ streamtype: 'data', ...pair }, judged);
  data.once('close', () => connection.close());
  return data;
}

/** The connection itself, for a client that speaks SPDY. The URL serves once. */
export async function openSpdyConnection(url: string, protocol: string): Promise<Duplex> {
  const { socket, head } = await upgradeToSpdy(url, protocol);
  socket.setNoDelay(true);
  if (head.length > 0) socket.unshift(head);
  return socket;
}
