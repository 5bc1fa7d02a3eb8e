import { isIP } from 'node:net';
import { CodedError } from '../../../core/plugin-api/index.js';
import { isRange } from './service-port.js';

/** Arguments of kube-proxy that mean nothing here, and harm nobody. */
const idle = /^(bind-address|conntrack-.*|config-sync-period|iptables-.*|ipvs-.*|log.*|nftables-.*|proxy-mode|v|vmodule)$/;

export const healthzPort = 10_256;
export const metricsPort = 10_249;

export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

export interface ProxyArguments {
  /** Where node ports answer; empty: everywhere. `primary` stood for the node's own addresses. */
  readonly nodePortAddresses: readonly string[];
  /** Where `/healthz` and `/livez` answer, and where `/metrics` does; undefined: nowhere. */
  readonly healthz: BindAddress | undefined;
  readonly metrics: BindAddress | undefined;
  /** Names that have no effect. */
  readonly withoutEffect: readonly string[];
}

/** Reads `--kube-proxy-arg`, which goes before the option `addresses`. Errors: `PROXY_ARGUMENT` for what would change where packets go and is not built. */
export function parseProxyArguments(
  given: readonly string[],
  nodeIps: readonly string[],
  addresses: readonly string[] = [],
): ProxyArguments {
  let nodePortAddresses = addresses.flatMap(part => rangesOf(part, nodeIps));
  // As K3s starts kube-proxy: both on loopback, unless told otherwise.
  const loopback = nodeIps.length > 0 && nodeIps.every(address => isIP(address) === 6) ? '::1' : '127.0.0.1';
  let healthz: BindAddress | undefined = { host: loopback, port: healthzPort };
  let metrics: BindAddress | undefined = { host: loopback, port: metricsPort };
  const withoutEffect: string[] = [];
  for (const argument of given) {
    const [, name = '', value = ''] = /^-{0,2}([^=]+)=?(.*)$/s.exec(argument) ?? [];
    if (name === 'nodeport-addresses') nodePortAddresses = value.split(',').flatMap(part => rangesOf(part.trim(), nodeIps));
    else if (name === 'healthz-bind-address') healthz = bindAddress(value, healthzPort);
    else if (name === 'metrics-bind-address') metrics = bindAddress(value, metricsPort);
    else if (idle.test(name)) withoutEffect.push(name);
    else {
      throw new CodedError('PROXY_ARGUMENT', `--kube-proxy-arg ${argument} is not known to the service proxy nftables`, {
        mend: 'leave it out; nodeport-addresses, healthz-bind-address and metrics-bind-address are what it reads',
      });
    }
  }
  return { nodePortAddresses, healthz, metrics, withoutEffect };
}

/** `address`, `address:port`, `[address]:port`; empty: nowhere. */
function bindAddress(text: string, defaultPort: number): BindAddress | undefined {
  if (text === '') return undefined;
  if (isIP(text)) return { host: text, port: defaultPort };
  const [, v6, v4, port = ''] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? v4 ?? '';
  if (isIP(host) && Number(port) < 65_536) return { host, port: Number(port) };
  throw new CodedError('PROXY_ARGUMENT', `"${text}" is not an address to listen on`, {
    mend: 'write it like 0.0.0.0:10256 or [::]:10256, or leave it empty',
  });
}

function rangesOf(text: string, nodeIps: readonly string[]): readonly string[] {
  if (text === '') return [];
  if (text === 'primary') return nodeIps;
  if (isIP(text) || isRange(text, 4) || isRange(text, 6)) return [text];
  throw new CodedError('PROXY_ARGUMENT', `"${text}" is not a range of addresses`, {
    mend: 'write it like 192.0.2.0/24, or "primary"',
  });
}
