import { isIP } from 'node:net';
import { totalmem } from 'node:os';
import type { KubeletTuning } from '../../kubelet/kubelet-tuning.js';
import { sysctlNamespace } from '../../kubelet/admission/sysctls.js';
import { thresholds } from '../../kubelet/eviction/signals.js';
import type { Threshold } from '../../kubelet/eviction/signals.js';
import { amount, durationMs, list, pairs, truth, wholeNumber } from './argument-values.js';
import { noEffect, readArguments, refused, why, works } from './component-arguments.js';
import type { ArgumentComponent, ArgumentFindings } from './component-arguments.js';

type Draft = { -readonly [Key in keyof KubeletTuning]: KubeletTuning[Key] } & {
  evictionHard?: Map<string, string>;
  minimumReclaim?: Map<string, number>;
};

const cpuManager = 'a CPU manager, which this version does not build';
const memoryManager = 'a memory manager, which this version does not build';
const topologyManager = 'a topology manager, which this version does not build';
const files = 'configuration files of the kubelet, which this version does not read; give single arguments instead';
const reservedResources = ['cpu', 'ephemeral-storage', 'memory'];

/** Arguments of the kubelet, one sorted line an entry; what is not in here is refused. Source: cmd/kubelet/app/options/options.go. */
// prettier-ignore
export const kubeletArguments: ArgumentComponent<Draft> = {
  flag: 'kubelet-arg',
  name: 'the kubelet',
  table: {
    'address': refused('a listener on one address', '0.0.0.0', '::'),
    'allowed-unsafe-sysctls': works('sysctls that pods may set beside the safe ones', readSysctls),
    'alsologtostderr': noEffect(why.log),
    'anonymous-auth': refused('answers to callers without a name', 'false'),
    'authentication-token-webhook': refused('callers that have no token', 'true'),
    'authorization-mode': refused('another authorization than the API server\'s', 'Webhook'),
    'cgroup-driver': refused('control groups by systemd, which this version does not build', 'cgroupfs'),
    'cgroups-per-qos': refused('pods without control groups of their class', 'true'),
    'client-ca-file': refused('another authority than the cluster\'s own'),
    'cloud-provider': refused('a cloud provider, which this version does not build', '', 'external'),
    'cluster-dns': works('name servers of pods', (value, draft) => { draft.clusterDns = [...(draft.clusterDns ?? []), ...list(value).map(address)]; }),
    'cluster-domain': works('domain of the cluster, for pods', (value, draft) => { draft.clusterDomain = value; }),
    'config': refused(files),
    'config-dir': refused(files),
    'container-log-max-files': works('files kept of a container\'s log', (value, draft) => { draft.logMaximumFiles = wholeNumber(value, 2); }),
    'container-log-max-size': works('size at which a container\'s log is rotated', (value, draft) => { draft.logMaximumBytes = positive(amount(value)); }),
    'container-runtime-endpoint': refused('a container runtime that runs already; --container-runtime-endpoint names it'),
    'contention-profiling': noEffect(why.profiling),
    'cpu-cfs-quota': refused('containers without CPU limits', 'true'),
    'cpu-manager-policy': refused(cpuManager, 'none'),
    'cpu-manager-policy-options': refused(cpuManager),
    'cpu-manager-reconcile-period': noEffect('there is no CPU manager'),
    'enable-controller-attach-detach': noEffect('volumes are not attached'),
    'enable-debugging-handlers': refused('a kubelet without logs and exec', 'true'),
    'enforce-node-allocatable': refused('limits on the processes of the system', 'pods'),
    'event-burst': noEffect(why.rates),
    'event-qps': noEffect(why.rates),
    'eviction-hard': works('limits below which pods are evicted', readEvictionHard),
    'eviction-max-pod-grace-period': noEffect('there are no soft limits'),
    'eviction-minimum-reclaim': works('what has to be free again after an eviction, in percent', readMinimumReclaim),
    'eviction-pressure-transition-period': works('how long a pressure condition stays', (value, draft) => { draft.evictionTransitionMs = durationMs(value); }),
    'eviction-soft': refused('soft limits of eviction, which this version does not build'),
    'eviction-soft-grace-period': refused('soft limits of eviction, which this version does not build'),
    'fail-cgroupv1': noEffect('control groups of both versions are used'),
    'fail-swap-on': noEffect('swap is no hindrance here'),
    'feature-gates': noEffect(why.features),
    'file-check-frequency': noEffect('manifests of static pods are watched'),
    'healthz-bind-address': noEffect(why.listener),
    'healthz-port': noEffect(why.listener),
    'hostname-override': refused('--node-name, which names the node'),
    'http-check-frequency': noEffect('no manifests come by HTTP'),
    'image-credential-provider-bin-dir': refused('credential providers, which this version does not build'),
    'image-credential-provider-config': refused('credential providers, which this version does not build'),
    'image-gc-high-threshold': works('percentage of the disk above which unused images go', (value, draft) => { draft.imageHighPercent = wholeNumber(value, 0, 100); }),
    'image-gc-low-threshold': works('percentage of the disk down to which unused images go', (value, draft) => { draft.imageLowPercent = wholeNumber(value, 0, 100); }),
    'kube-api-burst': noEffect(why.rates),
    'kube-api-content-type': noEffect('calls inside the process are not encoded'),
    'kube-api-qps': noEffect(why.rates),
    'kube-reserved': works('resources kept for Kubernetes: cpu, memory, ephemeral-storage', readReserved),
    'logging-format': noEffect(why.log),
    'make-iptables-util-chains': noEffect('there are no iptables chains'),
    'manifest-url': refused('static pods from a URL, which this version does not build'),
    'max-pods': works('pods that the node takes', (value, draft) => { draft.maximumPods = wholeNumber(value, 1); }),
    'maximum-dead-containers': noEffect('how many ended containers are kept is fixed'),
    'maximum-dead-containers-per-container': noEffect('how many ended containers are kept is fixed'),
    'memory-manager-policy': refused(memoryManager, 'None'),
    'minimum-container-ttl-duration': noEffect('how many ended containers are kept is fixed'),
    'minimum-image-ttl-duration': works('how long an unused image stays at least', (value, draft) => { draft.imageMinimumAgeMs = durationMs(value); }),
    'node-ip': refused('--node-ip, which names the addresses'),
    'node-labels': refused('--node-label, which labels the node'),
    'node-status-max-images': noEffect('the node lists 50 images'),
    'node-status-update-frequency': works('how often the node looks at itself', (value, draft) => { draft.statusPeriodMs = durationMs(value); }),
    'oom-score-adj': noEffect('the kubelet has no process of its own'),
    'pod-infra-container-image': refused('--pause-image, which names it'),
    'pod-manifest-path': refused('another directory of static pods'),
    'pod-max-pids': refused('limits on processes of pods, which this version does not build', '-1'),
    'pods-per-core': refused('limits of pods by cores, which this version does not build', '0'),
    'port': works('port of the kubelet\'s HTTPS API', (value, draft) => { draft.port = wholeNumber(value, 1, 65_535); }),
    'protect-kernel-defaults': works('fail when kernel settings differ from the kubelet\'s', (value, draft) => { draft.protectKernelDefaults = truth(value); }),
    'provider-id': refused('a cloud provider, which this version does not build'),
    'read-only-port': refused('a listener without TLS', '0'),
    'register-node': refused('a node that is not registered', 'true'),
    'register-with-taints': refused('--node-taint, which taints the node'),
    'registry-burst': noEffect('pulls are not throttled'),
    'registry-qps': noEffect('pulls are not throttled'),
    'reserved-cpus': refused(cpuManager),
    'reserved-memory': refused(memoryManager),
    'resolv-conf': works('resolv.conf for pods', (value, draft) => { draft.resolvConf = value; }),
    'root-dir': refused('another directory of pods; --data-dir moves all'),
    'rotate-certificates': noEffect('certificates are renewed by the server'),
    'rotate-server-certificates': noEffect('certificates are renewed by the server'),
    'runtime-request-timeout': noEffect('timeouts of the container runtime are fixed'),
    'seccomp-default': refused('seccomp without being asked for, which this version does not build', 'false'),
    'serialize-image-pulls': noEffect('images are pulled side by side'),
    'streaming-connection-idle-timeout': noEffect('idle streams are kept'),
    'sync-frequency': noEffect('pods are looked at when something changes'),
    'system-reserved': works('resources kept for the system: cpu, memory, ephemeral-storage', readReserved),
    'tls-cert-file': refused('another certificate than the cluster\'s own'),
    'tls-cipher-suites': refused('a choice of ciphers, which this version does not build'),
    'tls-min-version': refused('a choice of TLS versions, which this version does not build', 'VersionTLS12'),
    'tls-private-key-file': refused('another certificate than the cluster\'s own'),
    'topology-manager-policy': refused(topologyManager, 'none'),
    'topology-manager-policy-options': refused(topologyManager),
    'topology-manager-scope': refused(topologyManager, 'container'),
    'v': noEffect(why.log),
    'vmodule': noEffect(why.log),
    'volume-plugin-dir': noEffect('there are no flexvolumes'),
    'volume-stats-agg-period': noEffect('volumes are measured when somebody asks'),
  },
};

/** What the arguments ask for, with what is wrong about them. */
export function kubeletTuning(given: readonly string[], source?: string): ArgumentFindings & { readonly tuning: KubeletTuning } {
  const draft: Draft = {};
  const findings = readArguments(kubeletArguments, given, draft, source);
  const { evictionHard, minimumReclaim, ...tuning } = draft;
  if (evictionHard || minimumReclaim) tuning.evictionThresholds = evictionThresholds(evictionHard, minimumReclaim);
  return { ...findings, tuning };
}

function address(text: string): string {
  if (isIP(text) === 0) throw new Error(`"${text}" is not an IP address`);
  return text;
}

function positive(number: number): number {
  if (number > 0) return number;
  throw new Error('must be above 0');
}

function readSysctls(value: string, draft: Draft): void {
  const names = list(value);
  for (const name of names) {
    if (!sysctlNamespace(name)) throw new Error(`the sysctls "${name}" are not known to be namespaced`);
  }
  draft.unsafeSysctls = [...(draft.unsafeSysctls ?? []), ...names];
}

function readReserved(value: string, draft: Draft): void {
  const reserved = { ...draft.reserved };
  for (const [resource, text] of pairs(value, '=')) {
    if (!reservedResources.includes(resource)) throw new Error(`"${resource}" is none of ${reservedResources.join(', ')}`);
    // Cores are counted in thousandths.
    const own =
      resource === 'cpu' ? amount(text.endsWith('m') ? text.slice(0, -1) : String(Number(text) * 1000)) / 1000 : amount(text);
    reserved[resource] = (reserved[resource] ?? 0) + own;
  }
  draft.reserved = reserved;
}

const signals = thresholds.map(({ signal }) => signal as string);

function assertSignal(signal: string): void {
  if (!signals.includes(signal)) throw new Error(`"${signal}" is none of ${signals.join(', ')}`);
}

function readEvictionHard(value: string, draft: Draft): void {
  const limits = new Map(draft.evictionHard);
  for (const [signal, limit] of pairs(value, '<')) {
    assertSignal(signal);
    if (limit.endsWith('%')) percentage(limit);
    else positive(amount(limit));
    limits.set(signal, limit);
  }
  draft.evictionHard = limits;
}

function readMinimumReclaim(value: string, draft: Draft): void {
  const reclaim = new Map(draft.minimumReclaim);
  for (const [signal, share] of pairs(value, '=')) {
    assertSignal(signal);
    if (!share.endsWith('%')) throw new Error('must be a percentage like 10%; amounts are not supported here');
    reclaim.set(signal, percentage(share));
  }
  draft.minimumReclaim = reclaim;
}

function percentage(text: string): number {
  const number = Number(text.slice(0, -1));
  if (!/^\d+(\.\d+)?%$/.test(text) || number > 100) throw new Error(`"${text}" is not a percentage from 0% to 100%`);
  return number / 100;
}

/** As upstream: limits replace those that are set without them as a whole, and 0 % or 100 % takes one away. */
function evictionThresholds(
  hard: ReadonlyMap<string, string> | undefined,
  reclaim: ReadonlyMap<string, number> | undefined,
): readonly Threshold[] {
  return thresholds.flatMap((known): Threshold[] => {
    const text = hard?.get(known.signal);
    if (hard && (text === undefined || text === '0%' || text === '100%')) return [];
    const limit = text === undefined ? known.limit : limitOf(known.signal, text);
    // K3s keeps its own minimum where the user names none.
    const minimumReclaim = reclaim ? reclaim.get(known.signal) : known.minimumReclaim;
    const { minimumReclaim: _own, ...rest } = known;
    return [{ ...rest, limit, ...(minimumReclaim === undefined ? {} : { minimumReclaim }) }];
  });
}

function limitOf(signal: string, text: string): Threshold['limit'] {
  if (!text.endsWith('%')) return { bytes: amount(text) };
  const fraction = percentage(text);
  return signal === 'memory.available' ? { bytes: Math.floor(totalmem() * fraction) } : { fraction };
}
