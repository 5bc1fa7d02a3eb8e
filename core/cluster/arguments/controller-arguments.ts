import { didYouMean } from '../../base/nearest-name.js';
import { controllers } from '../../controllers/controllers.js';
import type { ControllersTuning } from '../../controllers/controller.js';
import { durationMs, list, wholeNumber } from './argument-values.js';
import { noEffect, readArguments, refused, why, works } from './component-arguments.js';
import type { ArgumentComponent, ArgumentFindings } from './component-arguments.js';

type Draft = { -readonly [Key in keyof ControllersTuning]: ControllersTuning[Key] } & { choice?: string[] };

const autoscaler = 'other measures of the autoscaler, which this version does not build';
const certificates = 'other keys and certificates than the cluster makes for itself';
const periods = 'it works when something changes';
const zones = 'other measures of zones that fail, which this version does not build';

/** Old names of upstream, for `--controllers`. Source: cmd/kube-controller-manager/app. */
const aliases: Readonly<Record<string, string>> = {
  csrapproving: 'certificatesigningrequest-approving-controller',
  csrcleaner: 'certificatesigningrequest-cleaner-controller',
  csrsigning: 'certificatesigningrequest-signing-controller',
  endpoint: 'endpoints-controller',
  endpointslicemirroring: 'endpointslice-mirroring-controller',
  garbagecollector: 'garbage-collector-controller',
  horizontalpodautoscaling: 'horizontal-pod-autoscaler-controller',
  'legacy-service-account-token-cleaner': 'legacy-serviceaccount-token-cleaner-controller',
  nodeipam: 'node-ipam-controller',
  nodelifecycle: 'node-lifecycle-controller',
  podgc: 'pod-garbage-collector-controller',
  'pv-protection': 'persistentvolume-protection-controller',
  'pvc-protection': 'persistentvolumeclaim-protection-controller',
  replicationcontroller: 'replicationcontroller-controller',
  'root-ca-cert-publisher': 'root-ca-certificate-publisher-controller',
};

/** Of upstream, not built: to switch one off is no change. */
const notBuilt: readonly string[] = [
  'bootstrap-signer-controller',
  'cloud-node-lifecycle-controller',
  'kube-apiserver-serving-clustertrustbundle-publisher-controller',
  'node-route-controller',
  'persistentvolume-attach-detach-controller',
  'persistentvolume-expander-controller',
  'podcertificaterequest-cleaner-controller',
  'selinux-warning-controller',
  'service-lb-controller',
  'storage-version-migrator-controller',
  'storageversion-garbage-collector-controller',
  'token-cleaner-controller',
];

/** The same by their old names. */
const notBuiltAliases: readonly string[] = ['attachdetach', 'bootstrapsigner', 'route', 'service', 'svm', 'tokencleaner'];

/** Arguments of the controllers, one sorted line an entry; what is not in here is refused. Source: kube-controller-manager's options. */
// prettier-ignore
export const controllerArguments: ArgumentComponent<Draft> = {
  flag: 'kube-controller-manager-arg',
  name: 'the controllers',
  table: {
    'allocate-node-cidrs': refused('pod ranges of nodes from somewhere else', 'true'),
    'alsologtostderr': noEffect(why.log),
    'attach-detach-reconcile-sync-period': noEffect('volumes are not attached'),
    'authentication-kubeconfig': noEffect(why.listener),
    'authorization-kubeconfig': noEffect(why.listener),
    'bind-address': noEffect(why.listener),
    'cert-dir': noEffect(why.listener),
    'cloud-provider': refused('a cloud provider, which this version does not build', '', 'external'),
    'cluster-cidr': refused('--cluster-cidr, which names it'),
    'cluster-name': noEffect('nothing is named after it'),
    'cluster-signing-cert-file': refused(certificates),
    'cluster-signing-duration': refused('another life of certificates, which this version does not build', '8760h', '8760h0m0s'),
    'cluster-signing-key-file': refused(certificates),
    'concurrent-cron-job-syncs': noEffect(why.workers),
    'concurrent-daemonset-syncs': noEffect(why.workers),
    'concurrent-deployment-syncs': noEffect(why.workers),
    'concurrent-endpoint-syncs': noEffect(why.workers),
    'concurrent-ephemeralvolume-syncs': noEffect(why.workers),
    'concurrent-gc-syncs': noEffect(why.workers),
    'concurrent-horizontal-pod-autoscaler-syncs': noEffect(why.workers),
    'concurrent-job-syncs': noEffect(why.workers),
    'concurrent-namespace-syncs': noEffect(why.workers),
    'concurrent-replicaset-syncs': noEffect(why.workers),
    'concurrent-resource-quota-syncs': noEffect(why.workers),
    'concurrent-service-endpoint-syncs': noEffect(why.workers),
    'concurrent-service-syncs': noEffect(why.workers),
    'concurrent-serviceaccount-token-syncs': noEffect(why.workers),
    'concurrent-statefulset-syncs': noEffect(why.workers),
    'concurrent-ttl-after-finished-syncs': noEffect(why.workers),
    'configure-cloud-routes': refused('routes of a cloud, which this version does not build', 'false'),
    'contention-profiling': noEffect(why.profiling),
    'controllers': works('"*", names of controllers that run, and with "-" of those that do not', readControllers),
    'enable-dynamic-provisioning': noEffect('volumes are provisioned by plugins'),
    'enable-garbage-collector': refused('--kube-controller-manager-arg controllers=*,-garbage-collector-controller', 'true'),
    'endpoint-updates-batch-period': noEffect(periods),
    'endpointslice-updates-batch-period': noEffect(periods),
    'feature-gates': noEffect(why.features),
    'flex-volume-plugin-dir': noEffect('there are no flexvolumes'),
    'horizontal-pod-autoscaler-cpu-initialization-period': refused(autoscaler, '5m', '5m0s'),
    'horizontal-pod-autoscaler-downscale-stabilization': refused(autoscaler, '5m', '5m0s'),
    'horizontal-pod-autoscaler-initial-readiness-delay': refused(autoscaler, '30s'),
    'horizontal-pod-autoscaler-sync-period': refused(autoscaler, '15s'),
    'horizontal-pod-autoscaler-tolerance': refused(autoscaler, '0.1'),
    'kube-api-burst': noEffect(why.rates),
    'kube-api-content-type': noEffect('calls inside the process are not encoded'),
    'kube-api-qps': noEffect(why.rates),
    'kubeconfig': refused('controllers of another cluster'),
    'large-cluster-size-threshold': refused(zones, '50'),
    'leader-elect': noEffect(why.election),
    'leader-elect-lease-duration': noEffect(why.election),
    'leader-elect-renew-deadline': noEffect(why.election),
    'leader-elect-resource-lock': noEffect(why.election),
    'leader-elect-retry-period': noEffect(why.election),
    'legacy-service-account-token-clean-up-period': works('how long unused service account tokens of old clusters stay', readCleanUp),
    'logging-format': noEffect(why.log),
    'master': refused('controllers of another cluster'),
    'max-endpoints-per-slice': refused('other sizes of EndpointSlices, which this version does not build', '100'),
    'min-resync-period': noEffect(periods),
    'namespace-sync-period': noEffect(periods),
    'node-cidr-mask-size': works('prefix length of nodes\' IPv4 pod ranges', (value, draft) => mask(draft, 4, value)),
    'node-cidr-mask-size-ipv4': works('prefix length of nodes\' IPv4 pod ranges', (value, draft) => mask(draft, 4, value)),
    'node-cidr-mask-size-ipv6': works('prefix length of nodes\' IPv6 pod ranges', (value, draft) => mask(draft, 6, value)),
    'node-eviction-rate': refused(zones, '0.1'),
    'node-monitor-grace-period': works('how long a node may be silent', (value, draft) => { draft.nodeMonitorGraceMs = durationMs(value); }),
    'node-monitor-period': works('how often nodes are looked at', (value, draft) => { draft.nodeMonitorPeriodMs = durationMs(value); }),
    'node-startup-grace-period': works('how long a new node may be silent', (value, draft) => { draft.nodeStartupGraceMs = durationMs(value); }),
    'profiling': noEffect(why.profiling),
    'pvclaimbinder-sync-period': noEffect(periods),
    'resource-quota-sync-period': noEffect(periods),
    'root-ca-file': refused(certificates),
    'secondary-node-eviction-rate': refused(zones, '0.01'),
    'secure-port': noEffect(why.listener),
    'service-account-private-key-file': refused(certificates),
    'service-cluster-ip-range': refused('--service-cidr, which names it'),
    'terminated-pod-gc-threshold': works('finished pods that are kept; 0 keeps all', (value, draft) => { draft.terminatedPods = wholeNumber(value) || Infinity; }),
    'tls-cipher-suites': noEffect(why.listener),
    'tls-min-version': noEffect(why.listener),
    'unhealthy-zone-threshold': refused(zones, '0.55'),
    'use-service-account-credentials': refused('controllers that share their rights', 'true'),
    'v': noEffect(why.log),
    'vmodule': noEffect(why.log),
  },
};

export function controllersTuning(
  given: readonly string[],
  source?: string,
): ArgumentFindings & { readonly tuning: ControllersTuning } {
  const draft: Draft = {};
  const findings = readArguments(controllerArguments, given, draft, source);
  const { choice, ...tuning } = draft;
  return { ...findings, tuning: choice ? { ...tuning, disabled: disabledBy(choice) } : tuning };
}

function mask(draft: Draft, family: 4 | 6, value: string): void {
  draft.nodeCidrMaskSizes = { ...draft.nodeCidrMaskSizes, [family]: wholeNumber(value, 1, family === 4 ? 32 : 128) };
}

function readCleanUp(value: string, draft: Draft): void {
  const ms = durationMs(value);
  if (ms === 0) throw new Error('must be longer than 0');
  draft.legacyTokenCleanUpMs = ms;
}

const names = controllers.map(({ name }) => name);

function readControllers(value: string, draft: Draft): void {
  const items = list(value).map(item => {
    if (item === '*') return item;
    const off = item.startsWith('-');
    const given = off ? item.slice(1) : item;
    const name = [aliases[given], given, `${given}-controller`].find(own => own !== undefined && names.includes(own));
    if (name !== undefined) return off ? `-${name}` : name;
    const absent = [...notBuilt, ...notBuiltAliases];
    if (!absent.includes(given) && !notBuilt.includes(`${given}-controller`)) {
      throw new Error(`"${given}" is no controller${didYouMean(given, [...names, ...absent])}`);
    }
    if (!off) throw new Error(`needs ${given}, which this version does not build`);
    return item;
  });
  draft.choice = [...(draft.choice ?? []), ...items];
}

/** As upstream: the first word about a controller counts, then the star. Source: controller-manager IsControllerEnabled. */
function disabledBy(choice: readonly string[]): string[] {
  return names.filter(name => {
    const word = choice.find(item => item === name || item === `-${name}`);
    return word === undefined ? !choice.includes('*') : word.startsWith('-');
  });
}
