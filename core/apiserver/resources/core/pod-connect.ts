import type { Pod } from '../../../api/generated/types.js';
import type { PodConnector, PodLogRequest } from '../../../contracts/pod-connector.js';
import { FieldErrors, fieldPath } from '../../../machinery/field-errors.js';
import { parseAddress } from '../../../machinery/names.js';
import { badRequest, forbidden, invalid, serviceUnavailable } from '../../../machinery/status-error.js';
import { parseTime } from '../../../machinery/time.js';
import type { ConnectStream, ConnectSubresource, RequestContext } from '../../registry/resource-definition.js';
import { negativeText } from './checks.js';
import { everyContainer } from './pod-containers.js';
import { splitProxyName } from './proxy-names.js';

export const proxyMethods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];

/** `log`, `exec`, `attach`, `portforward` and `proxy` of pods; without a connector all answer 503. */
export function podConnections(connector: PodConnector | undefined): Record<string, ConnectSubresource<Pod>> {
  const connected = (): PodConnector => {
    if (!connector) throw serviceUnavailable('no node connection');
    return connector;
  };
  const stream = (
    name: string,
    methods: readonly string[],
    connect: (pod: Pod, stream: ConnectStream, context: RequestContext) => Promise<void>,
  ): Record<string, ConnectSubresource<Pod>> => ({
    [name]: { type: 'connect', methods, connect: async (find, client, context) => connect(await find(), client, context) },
  });
  return {
    ...stream('log', ['GET'], async (pod, client) => {
      const options = logOptions(pod, client.query);
      if (pod.spec.nodeName) return connected().log(pod, client, options);
      client.response?.writeHead(204).end();
      client.socket?.end('HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n');
    }),
    ...stream('exec', ['GET', 'POST'], async (pod, client, context) => {
      await mayCreate(context);
      const options = { ...attachOptions(pod, client.query), command: client.query.getAll('command') };
      return connected().exec(onNode(pod), client, options);
    }),
    ...stream('attach', ['GET', 'POST'], async (pod, client, context) => {
      await mayCreate(context);
      return connected().attach(onNode(pod), client, attachOptions(pod, client.query));
    }),
    ...stream('portforward', ['GET', 'POST'], async (pod, client, context) => {
      await mayCreate(context);
      return connected().portForward(onNode(pod), client, { ports: numbers(client.query, 'ports') });
    }),
    proxy: {
      type: 'connect',
      methods: proxyMethods,
      async connect(find, client, context) {
        const split = splitProxyName('pod', context.name);
        const pod = await find(split.name);
        const ports = (pod.spec.containers ?? []).flatMap(container => container.ports ?? []);
        const host = pod.status?.podIPs?.[0]?.ip ?? '';
        if (!isGlobalUnicast(host)) throw badRequest('address not allowed');
        const scheme = split.scheme === 'https' ? 'https' : 'http';
        const port = split.port ? Number(split.port) : (ports[0]?.containerPort ?? (scheme === 'https' ? 443 : 80));
        return connected().proxy({ scheme, host, port, path: client.path || '/' }, client);
      },
    },
  };
}

/** Upgrades by WebSocket are GETs, and must not pass with the right to read alone. */
async function mayCreate(context: RequestContext): Promise<void> {
  const { namespace, name, subresource } = context;
  if (await context.allows({ verb: 'create', group: '', resource: 'pods', subresource, namespace, name })) return;
  throw forbidden({ group: '', resource: 'pods', name }, '');
}

function onNode(pod: Pod): Pod {
  if (pod.spec.nodeName) return pod;
  throw badRequest(`pod ${pod.metadata.name} does not have a host assigned`);
}

function containerName(pod: Pod, asked: string): string {
  const containers = pod.spec.containers ?? [];
  const all = everyContainer(pod.spec).map(({ container }) => container.name);
  if (asked) {
    if (all.includes(asked)) return asked;
    throw badRequest(`container ${asked} is not valid for pod ${pod.metadata.name}`);
  }
  if (containers.length === 1) return containers[0]!.name;
  const choice = containers.length ? `, choose one of: [${all.join(' ')}]` : '';
  throw badRequest(`a container name must be specified for pod ${pod.metadata.name}${choice}`);
}

/** As query parameters are read into options: anything but `0` and `false` is true, an empty value too. */
function flag(query: URLSearchParams, name: string): boolean {
  const value = query.get(name);
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
}

function numbers(query: URLSearchParams, name: string): number[] {
  return query.getAll(name).map(text => {
    if (/^[+-]?[0-9]+$/.test(text)) return Number(text);
    throw badRequest(`strconv.ParseInt: parsing "${text}": invalid syntax`);
  });
}

function attachOptions(
  pod: Pod,
  query: URLSearchParams,
): { container: string; stdin: boolean; stdout: boolean; stderr: boolean; tty: boolean } {
  return {
    container: containerName(pod, query.get('container') ?? ''),
    stdin: flag(query, 'stdin'),
    stdout: flag(query, 'stdout'),
    stderr: flag(query, 'stderr'),
    tty: flag(query, 'tty'),
  };
}

/** Source: ValidatePodLogOptions. */
function logOptions(pod: Pod, query: URLSearchParams): PodLogRequest {
  const errors = new FieldErrors();
  const [tailLines] = numbers(query, 'tailLines');
  const [limitBytes] = numbers(query, 'limitBytes');
  const [sinceSeconds] = numbers(query, 'sinceSeconds');
  const sinceTime = query.get('sinceTime') ?? '';
  if (sinceTime) checkTime(sinceTime);
  if (tailLines !== undefined && tailLines < 0) errors.invalid(fieldPath('tailLines'), tailLines, negativeText);
  if (limitBytes !== undefined && limitBytes < 1) errors.invalid(fieldPath('limitBytes'), limitBytes, 'must be greater than 0');
  if (sinceSeconds !== undefined) {
    if (sinceTime) errors.forbidden(fieldPath(''), 'at most one of `sinceTime` or `sinceSeconds` may be specified');
    else if (sinceSeconds < 1) errors.invalid(fieldPath('sinceSeconds'), sinceSeconds, 'must be greater than 0');
  }
  if (query.get('stream')) errors.forbidden(fieldPath('stream'), 'may not be specified');
  if (!errors.empty) throw invalid('', 'PodLogOptions', pod.metadata.name, errors);
  return {
    container: containerName(pod, query.get('container') ?? ''),
    follow: flag(query, 'follow'),
    previous: flag(query, 'previous'),
    timestamps: flag(query, 'timestamps'),
    ...(sinceSeconds === undefined ? {} : { sinceSeconds }),
    ...(sinceTime ? { sinceTime } : {}),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
  };
}

function checkTime(text: string): void {
  try {
    parseTime(text);
  } catch (error) {
    throw badRequest(error instanceof Error ? error.message : String(error), error);
  }
}

/** Neither unset, loopback, link-local nor multicast: the server is no way to what it alone can reach. */
export function isGlobalUnicast(text: string): boolean {
  const address = parseAddress(text);
  if (!address) return false;
  const [first = 0, second = 0] = address.bytes;
  if (address.bytes.every(byte => byte === 0)) return false;
  if (address.family === 4) return first !== 127 && first < 224 && !(first === 169 && second === 254);
  const isLoopback = address.bytes.slice(0, -1).every(byte => byte === 0) && address.bytes.at(-1) === 1;
  return !isLoopback && first !== 0xff && !(first === 0xfe && (second & 0xc0) === 0x80);
}
