import { badRequest } from '../../../machinery/status-error.js';

export interface ProxyName {
  readonly scheme: string;
  readonly name: string;
  readonly port: string;
}

/** `name`, `name:port` or `scheme:name:port`, as paths of proxies to a kind have it. Throws BadRequest. */
export function splitProxyName(kind: string, text: string): ProxyName {
  const parts = text.split(':');
  const [scheme, name, port] = parts.length === 3 ? parts : ['', parts[0], parts[1] ?? ''];
  if (parts.length > 3 || !name || (parts.length === 3 && scheme !== '' && scheme !== 'http' && scheme !== 'https'))
    throw badRequest(`invalid ${kind} request "${text}"`);
  return { scheme: scheme!, name, port: port! };
}
