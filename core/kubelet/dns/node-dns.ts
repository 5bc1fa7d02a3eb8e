import { readFile } from 'node:fs/promises';
import { errorCode } from '../../base/errors.js';
import type { PodDns } from './pod-dns.js';

/** Where no file names a server that pods can reach. Source: K3s, pkg/agent/config locateOrGenerateResolvConf. */
const fallback: PodDns = { servers: ['8.8.8.8'], searches: [], options: [] };

/** The node's own resolv.conf: of the first of `files` that names servers beside the loopback, which pods have one of their own of. */
export async function readNodeDns(files: readonly string[]): Promise<PodDns> {
  for (const file of files) {
    let text: string;
    try {
      text = await readFile(file, 'utf8');
    } catch (error) {
      if (errorCode(error) === 'ENOENT') continue;
      throw error;
    }
    const dns = parseResolvConf(text);
    if (dns.servers.length > 0 && !dns.servers.some(isLoopback)) return dns;
  }
  return fallback;
}

/** The last `search` holds; options are of all lines. Source: resolv.conf(5), pkg/kubelet/network/dns parseResolvConf. */
export function parseResolvConf(text: string): PodDns {
  const servers: string[] = [];
  let searches: string[] = [];
  const options = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [word, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (word === 'nameserver' && values[0]) servers.push(values[0]);
    else if (word === 'search') searches = values.map(value => (value === '.' ? value : value.replace(/\.$/, '')));
    else if (word === 'options') for (const option of values) options.set(option.split(':', 1)[0]!, option);
  }
  return { servers, searches, options: [...options.values()] };
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address === '0.0.0.0' || address === '::';
}
