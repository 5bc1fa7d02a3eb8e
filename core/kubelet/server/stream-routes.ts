import type { IncomingMessage } from 'node:http';
import { pipeline } from 'node:stream/promises';
import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { Pod } from '../../api/generated/types.js';
import type { AttachOptions, ContainerRuntime, ExecSession } from '../../contracts/container-runtime.js';
import { podUid } from '../kubelet-context.js';
import { ChannelSocket } from './channel-socket.js';
import { HttpProblem } from './http-problem.js';
import type { NodePods } from './node-pods.js';
import { portForwardProtocols, servePorts, tunnelProtocol } from './port-forward.js';
import { commandProtocols, serveRemoteCommand } from './remote-command.js';
import { isWebSocket, offeredProtocols, WebSocketDoor } from './web-socket.js';

export interface StreamRoutesOptions {
  readonly runtime: ContainerRuntime;
  readonly pods: () => NodePods;
  readonly logger: Logger;
}

/** An upgrade request that may be answered: who asks has been checked. */
export interface UpgradeCall {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Decoded segments of the path. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

/** `/exec`, `/attach` and `/portForward` of the kubelet. Source: pkg/kubelet/server/server.go. */
export class StreamRoutes {
  readonly #options: StreamRoutesOptions;
  readonly #door = new WebSocketDoor();

  constructor(options: StreamRoutesOptions) {
    this.#options = options;
  }

  /** Rejects HttpProblem while nothing was answered yet. Resolves when the connection is taken over. */
  async serve(call: UpgradeCall): Promise<void> {
    const [kind, namespace = '', name = ''] = call.path;
    const isForward = kind === 'portForward';
    if (!isForward && kind !== 'exec' && kind !== 'attach') throw new HttpProblem(404, '404 page not found');
    const segments = isForward ? 3 : 4;
    if (call.path.length !== segments && call.path.length !== segments + 1) throw new HttpProblem(404, '404 page not found');
    const pod = this.#options.pods().find(namespace, name);
    const uid = call.path.length > segments ? call.path[3] : undefined;
    if (!pod || (uid !== undefined && uid !== podUid(pod) && uid !== this.#options.pods().apiUid(pod)))
      throw new HttpProblem(404, 'pod does not exist');
    if (isForward) return this.#portForward(call, pod);
    return this.#command(call, pod, { kind, container: call.path.at(-1) ?? '' });
  }

  async #command(
    call: UpgradeCall,
    pod: Pod,
    { kind, container }: { kind: 'exec' | 'attach'; container: string },
  ): Promise<void> {
    const { runtime, pods } = this.#options;
    const options = attachOptions(call.query);
    const { containers } = pods().runtimeState(podUid(pod));
    const found = containers.find(own => own.name === container && own.state === 'running');
    if (!found) throw new HttpProblem(500, `container not found ("${container}")`);
    if (!options.stdin && !options.stdout && !options.stderr) {
      throw new HttpProblem(400, 'you must specify at least 1 of stdin, stdout, stderr');
    }
    const command = kind === 'exec' ? call.query.getAll('command') : undefined;
    if (isSpdy(call.request)) {
      const protocol = spdyProtocol(call.request, spdyCommandProtocols);
      return this.#spliceSpdy(call, protocol, runtime.commandConnection?.(found.id, { ...options, command, protocol }));
    }
    const protocol = chooseProtocol(call.request, commandProtocols, '');
    const open = (): Promise<ExecSession> =>
      command ? runtime.exec(found.id, { ...options, command }) : runtime.attach(found.id, options);
    this.#door.accept(call.request, { ...call, protocol }, socket => {
      const channels = new ChannelSocket(socket, protocol.includes('base64'));
      void serveRemoteCommand({ socket: channels, protocol, options, command, open });
    });
  }

  async #portForward(call: UpgradeCall, pod: Pod): Promise<void> {
    const { runtime, pods } = this.#options;
    const sandbox = pods()
      .runtimeState(podUid(pod))
      .sandboxes.find(own => own.ready);
    if (!sandbox) throw new HttpProblem(500, `pod not found ("${pod.metadata.name}_${pod.metadata.namespace}")`);
    const { request, socket, head } = call;
    if (isSpdy(request)) {
      const chosen = spdyProtocol(request, ['portforward.k8s.io']);
      return this.#spliceSpdy(call, chosen, runtime.portForwardConnection?.(sandbox.id));
    }
    const protocol = chooseProtocol(request, [tunnelProtocol, ...portForwardProtocols], undefined);
    if (protocol === tunnelProtocol) {
      const connection = await connected(runtime.portForwardConnection?.(sandbox.id));
      this.#door.accept(request, { socket, head, protocol }, client => {
        this.#join(createWebSocketStream(client), connection);
      });
      return;
    }
    const ports = call.query.getAll('port').flatMap(text => text.split(','));
    if (ports.length === 0) throw new HttpProblem(400, 'query parameter "port" is required');
    const numbers = ports.map(Number);
    const wrong = numbers.findIndex(port => !Number.isInteger(port) || port < 1 || port > 65_535);
    if (wrong >= 0) throw new HttpProblem(400, `invalid port "${ports[wrong]}"`);
    this.#door.accept(request, { socket, head, protocol }, client => {
      const podText = `${pod.metadata.name}_${pod.metadata.namespace}`;
      const to = { runtime, sandboxId: sandbox.id, podText, podUid: podUid(pod) };
      servePorts(new ChannelSocket(client, protocol.includes('base64')), numbers, to);
    });
  }

  /** The runtime speaks to the client itself, who is told only that it may. */
  async #spliceSpdy({ socket, head }: UpgradeCall, protocol: string, opening: Promise<Duplex> | undefined): Promise<void> {
    const connection = await connected(opening);
    const lines = [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      `X-Stream-Protocol-Version: ${protocol}`,
    ];
    socket.write(`${lines.join('\r\n')}\r\n\r\n`);
    if (head.length > 0) connection.write(head);
    this.#join(socket, connection);
  }

  #join(client: Duplex, connection: Duplex): void {
    const one = async (from: Duplex, to: Duplex): Promise<void> => {
      try {
        await pipeline(from, to);
      } catch (error) {
        this.#options.logger.debug('a port-forward has ended', { error: errorText(error) });
        from.destroy();
        to.destroy();
      }
    };
    void one(client, connection);
    void one(connection, client);
  }
}

/** The newest first; v5 only says how WebSockets end an input. */
const spdyCommandProtocols = ['v4.channel.k8s.io', 'v3.channel.k8s.io', 'v2.channel.k8s.io'];

function isSpdy(request: IncomingMessage): boolean {
  return request.headers.upgrade?.toLowerCase() === 'spdy/3.1';
}

function spdyProtocol(request: IncomingMessage, known: readonly string[]): string {
  const header = request.headers['x-stream-protocol-version'] ?? '';
  const offered = String(header).split(/\s*,\s*/);
  const chosen = known.find(name => offered.includes(name));
  if (chosen !== undefined) return chosen;
  const text = `unable to negotiate protocol: client supports [${offered.join(' ')}], server accepts [${known.join(' ')}]`;
  throw new HttpProblem(403, `unable to upgrade: ${text}`);
}

async function connected(opening: Promise<Duplex> | undefined): Promise<Duplex> {
  if (!opening) throw new HttpProblem(400, 'unable to upgrade: the container runtime serves no SPDY');
  try {
    return await opening;
  } catch (error) {
    throw new HttpProblem(500, errorText(error), error);
  }
}

/** `otherwise` where the client names none; undefined: that is refused. */
function chooseProtocol(request: IncomingMessage, known: readonly string[], otherwise: string | undefined): string {
  if (!isWebSocket(request)) throw refusedUpgrade(request);
  const offered = offeredProtocols(request);
  if (offered.length === 0 && otherwise !== undefined) return otherwise;
  const chosen = known.find(name => offered.includes(name));
  if (chosen !== undefined) return chosen;
  throw new HttpProblem(403, `unable to upgrade: unable to negotiate protocol: client supports [${offered.join(' ')}]`);
}

function refusedUpgrade(request: IncomingMessage): HttpProblem {
  return new HttpProblem(
    400,
    `unable to upgrade: only WebSocket and SPDY/3.1 are served, not ${request.headers.upgrade ?? 'a plain request'}`,
  );
}

function attachOptions(query: URLSearchParams): AttachOptions {
  const tty = query.get('tty') === '1' || query.get('tty') === 'true';
  const flag = (name: string): boolean => query.get(name) === '1' || query.get(name) === 'true';
  // A terminal has one output.
  return { tty, stdin: flag('input'), stdout: flag('output'), stderr: flag('error') && !tty };
}
