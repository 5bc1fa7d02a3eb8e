export interface ProxyName {
  readonly scheme: string;
  readonly name: string;
  readonly port: string;
}

/** `name`, `name:port` or `scheme:name:port`, as proxy paths have it; undefined for anything else. */
export function splitProxyName(text: string): ProxyName | undefined {
  const parts = text.split(':');
  const [scheme, name, port] = parts.length === 3 ? parts : ['', parts[0], parts[1] ?? ''];
  if (parts.length > 3 || !name || (parts.length === 3 && scheme !== '' && scheme !== 'http' && scheme !== 'https'))
    return undefined;
  return { scheme: scheme!, name, port: port! };
}
