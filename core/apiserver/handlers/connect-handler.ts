import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AuditRecord } from '../audit/audit-record.js';
import type { CallerIdentity } from '../../contracts/api-transport.js';
import { methodNotAllowed, pathNotFound } from '../../machinery/status-error.js';
import { admitConnection } from './connect-options.js';
import type { ConnectStream, ConnectSubresource } from '../registry/resource-definition.js';
import { addWarnings } from './http-answer.js';
import type { RequestInfo } from './request-info.js';
import type { ResourceEndpoint } from './resource-endpoint.js';

export interface ConnectExchange {
  readonly request: IncomingMessage;
  readonly response?: ServerResponse;
  readonly info: RequestInfo;
  readonly caller: CallerIdentity;
  readonly audit?: AuditRecord | undefined;
}

/** Subresources that carry bytes instead of objects: log, exec, attach, portforward, proxy. */
export class ConnectHandler {
  readonly #endpoint: (group: string, version: string, resource: string) => ResourceEndpoint | undefined;

  constructor(endpoint: (group: string, version: string, resource: string) => ResourceEndpoint | undefined) {
    this.#endpoint = endpoint;
  }

  handles(info: RequestInfo): boolean {
    return this.#find(info) !== undefined;
  }

  #find(info: RequestInfo): { endpoint: ResourceEndpoint; sub: ConnectSubresource<never> } | undefined {
    if (!info.subresource) return undefined;
    const endpoint = this.#endpoint(info.group, info.version, info.resource);
    const sub = endpoint?.served.definition.subresources?.[info.subresource];
    return endpoint && sub?.type === 'connect' ? { endpoint, sub: sub as unknown as ConnectSubresource<never> } : undefined;
  }

  async serve(exchange: ConnectExchange & { response: ServerResponse }): Promise<void> {
    await this.#connect(exchange, { response: exchange.response });
  }

  async upgrade(exchange: ConnectExchange, socket: Duplex, head: Buffer): Promise<void> {
    await this.#connect(exchange, { socket, head });
  }

  async #connect(exchange: ConnectExchange, way: Pick<ConnectStream, 'response' | 'socket' | 'head'>): Promise<void> {
    const { info, request, caller } = exchange;
    const found = this.#find(info);
    if (!found) throw pathNotFound();
    const { endpoint, sub } = found;
    if (!sub.methods.includes(request.method ?? 'GET')) throw methodNotAllowed();
    const { store } = endpoint.served;
    const warn = (text: string): void => {
      // An upgrade is answered by whom it reaches.
      if (way.response) addWarnings(way.response, [text]);
    };
    const context = store.context(
      { caller, namespace: info.namespace, name: info.name, dryRun: false, warn, annotate: exchange.audit?.annotate },
      'CONNECT',
      info.subresource,
    );
    const query = await admitConnection(endpoint.served, info, context);
    const find = async (name = info.name): Promise<never> => (await store.get(info.namespace, name)).object as never;
    await sub.connect(find, { request, path: info.rest, query, ...way }, context);
  }
}
