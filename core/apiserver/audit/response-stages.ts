import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { parseAddress } from '../../machinery/names.js';
import type { RequestInfo } from '../handlers/request-info.js';
import type { AuditRecord } from './audit-record.js';

const longRunningVerbs = new Set(['watch', 'proxy']);
const longRunningSubresources = new Set(['attach', 'exec', 'proxy', 'log', 'portforward']);

/** Whether the beginning of the answer is a stage of its own. Source: kube-apiserver's BasicLongRunningRequestCheck. */
export function isLongRunning({ verb, resourceRequest, subresource }: RequestInfo): boolean {
  return longRunningVerbs.has(verb) || (resourceRequest && longRunningSubresources.has(subresource));
}

const records = new WeakMap<object, AuditRecord>();

/** The record of an answer that is followed. */
export function recordOf(response: ServerResponse): AuditRecord | undefined {
  return records.get(response);
}

/**
 * Writes down when the answer begins and when it is whole: before its last bytes go out, so that who has the answer finds its event
 * in a log that requests wait for.
 */
export function followResponse(record: AuditRecord, response: ServerResponse, longRunning: boolean): void {
  records.set(response, record);
  if (longRunning) {
    const { writeHead } = response;
    response.writeHead = function (this: ServerResponse, ...given: Parameters<typeof writeHead>): ServerResponse {
      record.started(given[0]);
      return writeHead.apply(this, given);
    } as typeof writeHead;
  }
  const { end } = response;
  response.end = function (this: ServerResponse, ...given: unknown[]): ServerResponse {
    record.completed(response.statusCode);
    return (end as (...all: unknown[]) => ServerResponse).apply(this, given);
  } as typeof end;
  response.once('close', () => record.completed(response.headersSent ? response.statusCode : undefined, longRunning));
}

/** A connection that changes its protocol: whatever is written to it is the new one's. */
export function followSocket(record: AuditRecord, socket: Duplex): void {
  const { write } = socket;
  socket.write = function (this: Duplex, ...given: unknown[]): boolean {
    delete (socket as { write?: unknown }).write;
    record.switched();
    return (write as (...all: unknown[]) => boolean).apply(this, given);
  } as typeof write;
  socket.once('close', () => record.completed(undefined, true));
}

/** Who sent a request, from the first proxy that says so to the last. Source: apimachinery pkg/util/net SourceIPs. */
export function sourceIps(request: IncomingMessage): string[] {
  const { headers, socket } = request;
  const ips: string[] = [];
  const forwarded = headers['x-forwarded-for'];
  for (const part of String(forwarded ?? '').split(',')) {
    const ip = plainIp(part.trim());
    if (ip) ips.push(ip);
  }
  const real = plainIp(String(headers['x-real-ip'] ?? ''));
  if (real && !ips.includes(real)) ips.push(real);
  const remote = plainIp(socket?.remoteAddress ?? '');
  if (remote && ips.at(-1) !== remote) ips.push(remote);
  return ips;
}

function plainIp(text: string): string | undefined {
  return text === '' ? undefined : parseAddress(text)?.canonical;
}
