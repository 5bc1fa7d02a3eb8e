import { isIP } from 'node:net';
import { CodedError } from '../../../core/plugin-api/index.js';
import { isRange } from './service-port.js';

/** Arguments of kube-proxy that mean nothing here, and harm nobody. */
const idle =
  /^(bind-address|conntrack-.*|config-sync-period|healthz-bind-address|iptables-.*|ipvs-.*|log.*|metrics-bind-address|nftables-.*|proxy-mode|v|vmodule)$/;

export interface ProxyArguments {
  /** Where node ports answer; empty: everywhere. `primary` stood for the node's own addresses. */
  readonly nodePortAddresses: readonly string[];
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
  const withoutEffect: string[] = [];
  for (const argument of given) {
    const [, name = '', value = ''] = /^-{0,2}([^=]+)=?(.*)$/s.exec(argument) ?? [];
    if (name === 'nodeport-addresses') nodePortAddresses = value.split(',').flatMap(part => rangesOf(part.trim(), nodeIps));
    else if (idle.test(name)) withoutEffect.push(name);
    else {
      throw new CodedError('PROXY_ARGUMENT', `--kube-proxy-arg ${argument} is not known to the service proxy nftables`, {
        mend: 'leave it out; nodeport-addresses is what it reads',
      });
    }
  }
  return { nodePortAddresses, withoutEffect };
}

function rangesOf(text: string, nodeIps: readonly string[]): readonly string[] {
  if (text === '') return [];
  if (text === 'primary') return nodeIps;
  if (isIP(text) || isRange(text, 4) || isRange(text, 6)) return [text];
  throw new CodedError('PROXY_ARGUMENT', `"${text}" is not a range of addresses`, {
    mend: 'write it like 192.0.2.0/24, or "primary"',
  });
}
