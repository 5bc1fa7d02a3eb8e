import { CodedError } from '../../base/errors.js';
import type { Container, HTTPGetAction, IntOrString, ProbeHandler } from '../../api/generated/types.js';
import type { ProbeTarget } from '../../contracts/container-runtime.js';

/** Where a network probe goes; undefined for a command. Throws PROBE_INVALID. Source: pkg/probe, pkg/probe/http/request.go. */
export function probeTarget(handler: ProbeHandler, container: Container, podIp: string): ProbeTarget | undefined {
  const { httpGet, tcpSocket, grpc } = handler;
  if (httpGet) return httpTarget(httpGet, container, podIp, 'probe');
  if (tcpSocket) return { type: 'tcp', host: tcpSocket.host || podIp, port: containerPort(tcpSocket.port, container) };
  if (grpc) return { type: 'grpc', host: podIp, port: grpc.port, service: grpc.service ?? '' };
  return undefined;
}

export function httpTarget(
  action: HTTPGetAction,
  container: Container,
  podIp: string,
  userAgent: 'probe' | 'lifecycle',
): ProbeTarget & { type: 'http' } {
  const headers = (action.httpHeaders ?? []).map(({ name, value }) => ({ name, value }));
  const has = (wanted: string): boolean => headers.some(({ name }) => name.toLowerCase() === wanted);
  if (!has('user-agent')) headers.push({ name: 'User-Agent', value: `kube-${userAgent}/1.36` });
  if (!has('accept')) headers.push({ name: 'Accept', value: '*/*' });
  return {
    type: 'http',
    scheme: action.scheme?.toLowerCase() === 'https' ? 'https' : 'http',
    host: action.host || podIp,
    port: containerPort(action.port, container),
    path: action.path ?? '/',
    headers: headers.filter(({ name, value }) => name.toLowerCase() !== 'accept' || value !== ''),
  };
}

function containerPort(port: IntOrString, container: Container): number {
  let number = typeof port === 'number' ? port : container.ports?.find(({ name }) => name === port)?.containerPort;
  if (number === undefined && /^\d+$/.test(String(port))) number = Number(port);
  if (number === undefined)
    throw new CodedError('PROBE_INVALID', `couldn't find port: ${JSON.stringify(port)} in ${container.name}`);
  if (number > 0 && number < 65_536) return number;
  throw new CodedError('PROBE_INVALID', `invalid port number: ${number}`);
}
