import { createServer } from 'node:http';
import type { Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { WebSocket } from 'ws';
import { deferred } from '../../base/deferred.js';
import { silentLogger } from '../../base/logger.js';
import type { Pod } from '../../api/generated/types.js';
import type { CommandConnectionOptions, ContainerRuntime, ExecOptions, ExecSession } from '../../contracts/container-runtime.js';
import type { PodRuntimeState } from '../runtime/pod-runtime-state.js';
import type { HttpProblem } from './http-problem.js';
import { StreamRoutes } from './stream-routes.js';

const pod = { metadata: { namespace: 'n', name: 'p', uid: 'u' }, spec: { containers: [{ name: 'c' }] } } as Pod;
const state = {
  sandboxes: [{ id: 's1', ready: true }],
  containers: [{ id: 'c1', name: 'c', state: 'running' }],
} as unknown as PodRuntimeState;

/** A command that a test plays by hand. */
class PlayedSession implements ExecSession {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr = new PassThrough();
  readonly end = deferred<number>();
  readonly exited = this.end.promise;
  readonly sizes: string[] = [];
  readonly closed = deferred();

  resize(columns: number, rows: number): void {
    this.sizes.push(`${columns}x${rows}`);
  }

  close(): void {
    this.closed.resolve();
    this.end.reject(new Error('killed'));
  }

  finish(exitCode: number): void {
    this.stdout.end();
    this.stderr.end();
    this.end.resolve(exitCode);
  }
}

describe('streams of the kubelet', () => {
  let server: Server;
  let port: number;
  let sockets: Set<Socket>;
  let session: PlayedSession;
  let opened: ExecOptions[];
  let connected: object[];
  let runtime: ContainerRuntime;
  let echo: PassThrough;

  beforeEach(async () => {
    session = new PlayedSession();
    opened = [];
    connected = [];
    echo = new PassThrough();
    runtime = {
      exec: async (_id: string, options: ExecOptions) => {
        opened.push(options);
        if (options.command[0] === 'missing') throw new Error('no such program');
        return session;
      },
      portForward: async (_id: string, at: number) => {
        if (at !== 80) throw new Error('connection refused');
        return echo;
      },
      commandConnection: async (id: string, options: CommandConnectionOptions) => {
        connected.push({ id, ...options });
        if (options.command?.[0] === 'missing') throw new Error('no such program');
        return echo;
      },
      portForwardConnection: async () => echo,
    } as unknown as ContainerRuntime;
    const pods = {
      list: () => [pod],
      apiUid: () => 'mirror',
      find: (namespace: string, name: string) => (namespace === 'n' && name === 'p' ? pod : undefined),
      status: () => undefined,
      runtimeState: () => state,
      processes: () => Promise.resolve([]),
      probeCounts: () => [],
    };
    const routes = new StreamRoutes({ runtime, pods: () => pods, logger: silentLogger });
    server = createServer();
    sockets = new Set();
    server.on('connection', socket => void sockets.add(socket));
    server.on('upgrade', (request, socket, head) => {
      const url = new URL(request.url ?? '/', 'http://localhost');
      const path = url.pathname.split('/').slice(1);
      routes.serve({ request, socket, head, path, query: url.searchParams }).catch((error: unknown) => {
        const { httpStatus, message } = error as HttpProblem;
        socket.end(`HTTP/1.1 ${httpStatus} x\r\nContent-Length: ${message.length}\r\n\r\n${message}`);
      });
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });

  afterEach(async () => {
    session.end.promise.catch(() => undefined);
    // Upgraded connections are no longer the server's own.
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => server.close(resolve));
  });

  /** Collects the messages by channel; `closed` resolves them at the end. */
  function open(
    path: string,
    protocols: string[],
  ): {
    socket: WebSocket;
    ready: Promise<void>;
    closed: Promise<Map<number, string>>;
    refused: Promise<string>;
    heard(count: number): Promise<void>;
  } {
    const socket = new WebSocket(`ws://127.0.0.1:${port}${path}`, protocols);
    const messages = new Map<number, string>();
    let count = 0;
    let look = (): void => undefined;
    const refused = deferred<string>();
    socket.on('unexpected-response', (_request, response) => {
      response.on('data', (chunk: Buffer) => refused.resolve(`${response.statusCode} ${chunk.toString()}`));
    });
    socket.on('error', () => undefined);
    socket.on('message', (raw: Buffer, isBinary) => {
      const channel = isBinary ? raw[0]! : raw[0]! - 48;
      const text = isBinary ? raw.toString('latin1', 1) : Buffer.from(raw.toString().slice(1), 'base64').toString();
      messages.set(channel, (messages.get(channel) ?? '') + text);
      count++;
      look();
    });
    const ready = new Promise<void>(resolve => socket.once('open', () => resolve()));
    const closed = new Promise<Map<number, string>>(resolve => socket.once('close', () => resolve(messages)));
    const heard = (wanted: number): Promise<void> =>
      new Promise(resolve => {
        look = () => {
          if (count >= wanted) resolve();
        };
        look();
      });
    return { socket, ready, closed, heard, refused: refused.promise };
  }

  const message = (channel: number, text: string): Buffer => Buffer.concat([Buffer.of(channel), Buffer.from(text)]);

  it('joins a command with its client: input, its end, outputs, size, exit code', async () => {
    const call = open('/exec/n/p/c?command=sh&command=-x&input=1&output=1&error=1', ['v5.channel.k8s.io', 'v4.channel.k8s.io']);
    await call.ready;
    expect(call.socket.protocol).toBe('v5.channel.k8s.io');
    call.socket.send(message(4, '{"Width":120,"Height":40}'));
    call.socket.send(message(4, 'nonsense'));
    call.socket.send(message(0, 'in'));
    call.socket.send(Buffer.of(255, 0));
    const input = await new Promise<string>(resolve => {
      let said = '';
      session.stdin.on('data', (chunk: Buffer) => (said += chunk.toString()));
      session.stdin.once('end', () => resolve(said));
    });
    expect(input).toBe('in');
    expect(session.sizes).toEqual(['120x40']);
    session.stdout.write('out');
    session.stderr.write('err');
    session.finish(5);
    const messages = await call.closed;
    expect([messages.get(1), messages.get(2)]).toEqual(['out', 'err']);
    expect(JSON.parse(messages.get(3)!)).toEqual({
      metadata: {},
      status: 'Failure',
      reason: 'NonZeroExitCode',
      message: 'command terminated with non-zero exit code: error executing command [sh -x], exit code 5',
      details: { causes: [{ reason: 'ExitCode', message: '5' }] },
    });
    expect(opened).toEqual([{ command: ['sh', '-x'], tty: false, stdin: true, stdout: true, stderr: true }]);
  });

  it('speaks base64 with clients that ask for it', async () => {
    const call = open('/exec/n/p/c?command=sh&input=1&output=1', ['v4.base64.channel.k8s.io']);
    await call.ready;
    call.socket.send(`0${Buffer.from('hi').toString('base64')}`);
    expect(String(await new Promise(resolve => session.stdin.once('data', resolve)))).toBe('hi');
    session.stdout.write('out');
    session.finish(0);
    const messages = await call.closed;
    expect(messages.get(1)).toBe('out');
    expect(messages.get(3)).toBe('{"metadata":{},"status":"Success"}');
  });

  it('tells a command that cannot start', async () => {
    const messages = await open('/exec/n/p/c?command=missing&output=1', ['v5.channel.k8s.io']).closed;
    expect(JSON.parse(messages.get(3)!)).toMatchObject({
      reason: 'InternalError',
      message: 'Internal error occurred: error executing command in container: no such program',
    });
  });

  it('ends a command whose client is gone', async () => {
    const call = open('/exec/n/p/c?command=sh&output=1', ['v5.channel.k8s.io']);
    await call.ready;
    session.stdout.write('x');
    await new Promise(resolve => call.socket.once('message', resolve));
    call.socket.terminate();
    await session.closed.promise;
  });

  it('refuses what cannot be served, before the upgrade', async () => {
    const refusal = (path: string, protocol = 'v5.channel.k8s.io'): Promise<string> => open(path, [protocol]).refused;
    expect(await refusal('/exec/n/other/c?output=1')).toBe('404 pod does not exist');
    expect(await refusal('/exec/n/p/other?output=1')).toBe('500 container not found ("other")');
    expect(await refusal('/exec/n/p/c')).toBe('400 you must specify at least 1 of stdin, stdout, stderr');
    expect(await refusal('/exec/n/p/c?output=1', 'v9.channel.k8s.io')).toMatch(/^403 unable to upgrade/);
    expect(await refusal('/exec/n/p/mirror/other?output=1')).toBe('500 container not found ("other")');
    expect(await refusal('/exec/n/p/w/other?output=1')).toBe('404 pod does not exist');
    expect(await refusal('/portForward/n/p', 'v4.channel.k8s.io')).toBe('400 query parameter "port" is required');
  });

  /** What a SPDY client hears. */
  async function spdy(path: string, protocols: string | undefined, more = ''): Promise<string> {
    const socket = connect(port, '127.0.0.1');
    const offer = protocols === undefined ? '' : `X-Stream-Protocol-Version: ${protocols}\r\n`;
    socket.write(`POST ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n${offer}\r\n${more}`);
    let heard = '';
    for await (const chunk of socket) {
      heard += String(chunk);
      if (more === '' || heard.endsWith(more)) break;
    }
    return heard;
  }

  it('joins SPDY clients with the runtime, which speaks that itself', async () => {
    const heard = await spdy('/exec/n/p/c?command=sh&input=1&output=1', 'v5.channel.k8s.io, v4.channel.k8s.io', 'frames');
    expect(heard).toMatch(/^HTTP\/1\.1 101 .*X-Stream-Protocol-Version: v4\.channel\.k8s\.io\r\n\r\nframes$/s);
    expect(connected).toEqual([
      { id: 'c1', command: ['sh'], protocol: 'v4.channel.k8s.io', tty: false, stdin: true, stdout: true, stderr: false },
    ]);
    expect(await spdy('/attach/n/p/c?output=1', 'v3.channel.k8s.io')).toMatch(/^HTTP\/1\.1 101 /);
    expect(connected.at(-1)).toMatchObject({ command: undefined, protocol: 'v3.channel.k8s.io' });
    expect(await spdy('/portForward/n/p', 'portforward.k8s.io')).toMatch(/^HTTP\/1\.1 101 /);
  });

  it('refuses SPDY clients in words, before the upgrade', async () => {
    const accepts = 'server accepts [v4.channel.k8s.io v3.channel.k8s.io v2.channel.k8s.io]';
    const refused = await spdy('/exec/n/p/c?output=1', 'v9.channel.k8s.io');
    expect(refused).toContain(`unable to upgrade: unable to negotiate protocol: client supports [v9.channel.k8s.io], ${accepts}`);
    expect(await spdy('/portForward/n/p', undefined)).toMatch(/^HTTP\/1\.1 403 /);
    expect(await spdy('/exec/n/p/c?output=1&command=missing', 'v4.channel.k8s.io')).toMatch(
      /^HTTP\/1\.1 500 .*no such program$/s,
    );
    delete (runtime as { commandConnection?: unknown }).commandConnection;
    expect(await spdy('/exec/n/p/c?output=1', 'v4.channel.k8s.io')).toMatch(/^HTTP\/1\.1 400 .*serves no SPDY$/s);
  });

  it('forwards ports, two channels each', async () => {
    const call = open('/portForward/n/p?port=80&port=81', ['v4.channel.k8s.io']);
    await call.ready;
    call.socket.send(message(0, 'ping'));
    // Four heads, the echo, and the failure of the other port.
    await call.heard(6);
    call.socket.close();
    const messages = await call.closed;
    expect(messages.get(0)).toBe('\x50\x00ping');
    expect(messages.get(1)).toBe('\x50\x00');
    expect(messages.get(2)).toBe('\x51\x00');
    expect(messages.get(3)).toBe('\x51\x00error forwarding port 81 to pod p_n, uid u: connection refused');
  });
});
