import { isIP } from 'node:net';
import { applyArguments, noEffect, refused, works } from '../../../core/plugin-api/component-arguments.js';
import type { ArgumentComponent } from '../../../core/plugin-api/component-arguments.js';
import { isRange } from './service-port.js';

export const healthzPort = 10_256;
export const metricsPort = 10_249;

export interface BindAddress {
  readonly host: string;
  readonly port: number;
}

export interface ProxyArguments {
  /** Where node ports answer; empty: everywhere. `primary` stood for the node's own addresses. */
  readonly nodePortAddresses: readonly string[];
  readonly nodePortsOnLoopback: boolean;
  /** Where `/healthz` and `/livez` answer, and where `/metrics` does; undefined: nowhere. */
  readonly healthz: BindAddress | undefined;
  readonly metrics: BindAddress | undefined;
}

interface Draft {
  /** Ranges and addresses, or `primary`. */
  nodePortAddresses?: readonly string[];
  nodePortsOnLoopback?: boolean;
  /** Null: nowhere. */
  healthz?: BindAddress | null;
  metrics?: BindAddress | null;
}

const log = 'there is one log, for which --debug and -v are';
const calls = 'calls inside the process are neither encoded nor throttled';
const iptables = 'there are no iptables rules';
const ipvs = 'there is no IPVS';
const kernelLimits = "the kernel's own limits of connections stay";
const local = 'another way to tell local packets; addresses of pods do';

/** Arguments of kube-proxy, one sorted line an entry; what is not in here is refused. Source: cmd/kube-proxy/app/options.go. */
// prettier-ignore
export const proxyArguments: ArgumentComponent<Draft> = {
  flag: 'kube-proxy-arg',
  name: 'the service proxy nftables',
  table: {
    'alsologtostderr': noEffect(log),
    'bind-address': noEffect('the addresses of the node are those of --node-ip'),
    'bind-address-hard-fail': refused('an end of the node when a port is taken; it is tried again', 'false'),
    'cleanup': refused('"k3s killall", which removes the rules', 'false'),
    'cluster-cidr': refused('--cluster-cidr, which names it'),
    'config': refused('configuration files of kube-proxy, which this version does not read; give single arguments instead'),
    'config-sync-period': noEffect('it works when something changes'),
    'conntrack-max-per-core': noEffect(kernelLimits),
    'conntrack-min': noEffect(kernelLimits),
    'conntrack-tcp-be-liberal': noEffect(kernelLimits),
    'conntrack-tcp-timeout-close-wait': noEffect(kernelLimits),
    'conntrack-tcp-timeout-established': noEffect(kernelLimits),
    'conntrack-udp-timeout': noEffect(kernelLimits),
    'conntrack-udp-timeout-stream': noEffect(kernelLimits),
    'detect-local-mode': refused(local, 'ClusterCIDR'),
    'feature-gates': noEffect('features are not switched by gates here'),
    'healthz-bind-address': works('where /healthz answers, 127.0.0.1:10256 without it; empty: nowhere', (value, draft) => { draft.healthz = bindAddress(value, healthzPort); }),
    'healthz-port': refused('healthz-bind-address, which names the port, too'),
    'hostname-override': refused('--node-name, which names the node'),
    'init-only': refused('a server that runs', 'false'),
    'iptables-localhost-nodeports': works('whether node ports answer on 127.0.0.1', (value, draft) => { draft.nodePortsOnLoopback = truth(value); }),
    'iptables-masquerade-bit': noEffect(iptables),
    'iptables-min-sync-period': noEffect(iptables),
    'iptables-sync-period': noEffect(iptables),
    'ipvs-exclude-cidrs': noEffect(ipvs),
    'ipvs-min-sync-period': noEffect(ipvs),
    'ipvs-scheduler': noEffect(ipvs),
    'ipvs-strict-arp': noEffect(ipvs),
    'ipvs-sync-period': noEffect(ipvs),
    'ipvs-tcp-timeout': noEffect(ipvs),
    'ipvs-tcpfin-timeout': noEffect(ipvs),
    'ipvs-udp-timeout': noEffect(ipvs),
    'kube-api-burst': noEffect(calls),
    'kube-api-content-type': noEffect(calls),
    'kube-api-qps': noEffect(calls),
    'kubeconfig': refused('a proxy of another cluster'),
    'log-flush-frequency': noEffect(log),
    'logging-format': noEffect(log),
    'masquerade-all': refused('the masquerading of packets from pods to Services', 'false'),
    'master': refused('a proxy of another cluster'),
    'metrics-bind-address': works('where /metrics answers, 127.0.0.1:10249 without it; empty: nowhere', (value, draft) => { draft.metrics = bindAddress(value, metricsPort); }),
    'nodeport-addresses': works('ranges of local addresses on which node ports answer, or "primary"', (value, draft) => { draft.nodePortAddresses = value.split(',').flatMap(readRange); }),
    'oom-score-adj': noEffect('the proxy has no process of its own'),
    'pod-bridge-interface': refused(local),
    'pod-interface-name-prefix': refused(local),
    'profiling': noEffect('use node --inspect'),
    'proxy-mode': noEffect('rules are those of nftables'),
    'show-hidden-metrics-for-version': noEffect('no metrics are hidden'),
    'v': noEffect(log),
    'vmodule': noEffect(log),
    'write-config-to': refused('configuration files of kube-proxy, which this version does not write'),
  },
};

export interface ProxyDefaults {
  readonly nodePortAddresses: readonly string[];
  readonly nodePortsOnLoopback: boolean;
}

/** Reads `--kube-proxy-arg`, which goes before the plugin's own options. Throws an Error for an option that is no range. */
export function parseProxyArguments(
  given: readonly string[],
  nodeIps: readonly string[],
  defaults: ProxyDefaults,
): ProxyArguments {
  const draft = applyArguments(proxyArguments, given, {} as Draft);
  const ranges = draft.nodePortAddresses ?? defaults.nodePortAddresses.flatMap(readRange);
  // As K3s starts kube-proxy: both on loopback, unless told otherwise.
  const loopback = nodeIps.length > 0 && nodeIps.every(address => isIP(address) === 6) ? '::1' : '127.0.0.1';
  const { healthz = { host: loopback, port: healthzPort }, metrics = { host: loopback, port: metricsPort } } = draft;
  return {
    nodePortAddresses: ranges.flatMap(range => (range === 'primary' ? nodeIps : [range])),
    nodePortsOnLoopback: draft.nodePortsOnLoopback ?? defaults.nodePortsOnLoopback,
    healthz: healthz ?? undefined,
    metrics: metrics ?? undefined,
  };
}

/** `address`, `address:port`, `[address]:port`; empty: nowhere. */
function bindAddress(text: string, defaultPort: number): BindAddress | null {
  if (text === '') return null;
  if (isIP(text)) return { host: text, port: defaultPort };
  const [, v6, v4, port = ''] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = v6 ?? v4 ?? '';
  if (isIP(host) && Number(port) < 65_536) return { host, port: Number(port) };
  throw new Error(`"${text}" is not an address like 0.0.0.0:10256 or [::]:10256`);
}

function truth(text: string): boolean {
  if (/^(true|t|1)$/i.test(text)) return true;
  if (/^(false|f|0)$/i.test(text)) return false;
  throw new Error('must be true or false');
}

function readRange(part: string): readonly string[] {
  const text = part.trim();
  if (text === '') return [];
  if (text === 'primary' || isIP(text) || isRange(text, 4) || isRange(text, 6)) return [text];
  throw new Error(`"${text}" is not a range of addresses like 192.0.2.0/24, or "primary"`);
}
