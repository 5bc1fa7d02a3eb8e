import { didYouMean } from '../../base/nearest-name.js';
import { configError } from '../../../config/index.js';
import type { AuditSettings } from '../../apiserver/audit/audit-settings.js';
import { list, truth, wholeNumber } from './argument-values.js';
import type { AuditDraft } from './audit-arguments.js';
import { auditArguments, auditSettings } from './audit-arguments.js';
import { authenticationOf, noEffect, readArguments, refused, why, works } from './component-arguments.js';
import type { ArgumentComponent, ArgumentFindings } from './component-arguments.js';

/** What `--kube-apiserver-arg` changes. */
export interface ApiServerTuning {
  readonly serviceNodePortRange?: { readonly first: number; readonly last: number };
  readonly disabledAdmission?: readonly string[];
  readonly notReadySeconds?: number;
  readonly unreachableSeconds?: number;
  readonly requestsInFlight?: number;
  readonly mutatingRequestsInFlight?: number;
  readonly priorityAndFairness?: boolean;
  readonly audit?: AuditSettings;
}

type Draft = { -readonly [Key in keyof Omit<ApiServerTuning, 'audit'>]: ApiServerTuning[Key] } & { audit?: AuditDraft };

/** What runs, and is on in upstream without being asked for. */
const admission: readonly string[] = [
  'CertificateApproval',
  'CertificateSigning',
  'CertificateSubjectRestriction',
  'DefaultIngressClass',
  'DefaultStorageClass',
  'DefaultTolerationSeconds',
  'LimitRanger',
  'MutatingAdmissionPolicy',
  'MutatingAdmissionWebhook',
  'NamespaceLifecycle',
  'NodeRestriction',
  'PersistentVolumeClaimResize',
  'PodResizeValidator',
  'PodSecurity',
  'PodTopologyLabels',
  'Priority',
  'ResourceQuota',
  'RuntimeClass',
  'ServiceAccount',
  'StorageObjectInUseProtection',
  'TaintNodesByCondition',
  'ValidatingAdmissionPolicy',
  'ValidatingAdmissionWebhook',
];

/** Known to upstream and not built: to leave them out is no change. */
const admissionNotBuilt: readonly string[] = [
  'AlwaysAdmit',
  'AlwaysDeny',
  'AlwaysPullImages',
  'ClusterTrustBundleAttest',
  'DenyServiceExternalIPs',
  'EventRateLimit',
  'ExtendedResourceToleration',
  'ImagePolicyWebhook',
  'JobValidation',
  'LimitPodHardAntiAffinityTopology',
  'NamespaceAutoProvision',
  'NamespaceExists',
  'NodeDeclaredFeatureValidator',
  'OwnerReferencesPermissionEnforcement',
  'PodGroupProtection',
  'PodGroupWorkloadExists',
  'PodNodeSelector',
  'PodTolerationRestriction',
];

const certificates = 'other keys and certificates than the cluster makes for itself';
const datastore = '--datastore-endpoint, which chooses the datastore';
const encryption = 'encryption at rest, which this version does not build yet';
const limits = 'these limits are fixed';
const nodes = 'nodes are reached in one way';
const oidc = authenticationOf('an OpenID provider');

/** Arguments of the API server, one sorted line an entry; what is not in here is refused. Source: kube-apiserver's options. */
// prettier-ignore
export const apiServerArguments: ArgumentComponent<Draft> = {
  flag: 'kube-apiserver-arg',
  name: 'the API server',
  table: {
    'admission-control-config-file': refused('configuration files of admission plugins, which this version does not read'),
    'advertise-address': refused('--advertise-address, which names it'),
    'allow-privileged': refused('pods without privileged containers; PodSecurity forbids them by namespace', 'true'),
    'alsologtostderr': noEffect(why.log),
    'anonymous-auth': refused('a server that answers nobody without a name', 'true'),
    'anonymous-auth-config': refused('a choice of what callers without a name may read'),
    'api-audiences': refused('other audiences of tokens, which this version does not build'),
    ...auditArguments,
    'authentication-config': refused(authenticationOf('a configuration file')),
    'authentication-token-webhook-config-file': refused(authenticationOf('a webhook')),
    'authorization-config': refused('other authorizers than Node and RBAC, which this version does not build'),
    'authorization-mode': refused('other authorizers than Node and RBAC, which this version does not build', 'Node,RBAC', 'RBAC,Node'),
    'authorization-webhook-config-file': refused('other authorizers than Node and RBAC, which this version does not build'),
    'bind-address': refused('--bind-address, which names it'),
    'cert-dir': refused(certificates),
    'client-ca-file': refused(certificates),
    'contention-profiling': noEffect(why.profiling),
    'cors-allowed-origins': refused('answers to scripts of other sites, which this version does not build'),
    'default-not-ready-toleration-seconds': works('how long pods stay on a node that is not ready', (value, draft) => { draft.notReadySeconds = wholeNumber(value); }),
    'default-unreachable-toleration-seconds': works('how long pods stay on a node that is not reached', (value, draft) => { draft.unreachableSeconds = wholeNumber(value); }),
    'default-watch-cache-size': noEffect('caches grow with what is in them'),
    'delete-collection-workers': noEffect(why.workers),
    'disable-admission-plugins': works('built-in admission plugins that do not run', readDisabled),
    'egress-selector-config-file': refused('another way to nodes, which this version does not build'),
    'enable-admission-plugins': works('admission plugins that run; those that are built run anyway', readEnabled),
    'enable-aggregator-routing': noEffect('extension servers are always reached at their endpoints, as K3s sets it'),
    'enable-bootstrap-token-auth': noEffect('bootstrap tokens are always known'),
    'enable-priority-and-fairness': works('whether requests are served by priority levels, in turns of their users', (value, draft) => { draft.priorityAndFairness = truth(value); }),
    'encryption-provider-config': refused(encryption),
    'encryption-provider-config-automatic-reload': refused(encryption),
    'endpoint-reconciler-type': noEffect('one server tells its address'),
    'etcd-cafile': refused(datastore),
    'etcd-certfile': refused(datastore),
    'etcd-compaction-interval': noEffect('history is compacted by the datastore'),
    'etcd-keyfile': refused(datastore),
    'etcd-prefix': refused(datastore),
    'etcd-servers': refused(datastore),
    'event-ttl': refused('another life of events than an hour, which this version does not build', '1h', '1h0m0s', '60m'),
    'external-hostname': noEffect('no address is made of it'),
    'feature-gates': noEffect(why.features),
    'goaway-chance': noEffect('connections are not spread over servers'),
    'http2-max-streams-per-connection': noEffect(limits),
    'kubelet-certificate-authority': refused(certificates),
    'kubelet-client-certificate': refused(certificates),
    'kubelet-client-key': refused(certificates),
    'kubelet-preferred-address-types': noEffect(nodes),
    'kubelet-timeout': noEffect(nodes),
    'livez-grace-period': noEffect('it is alive as soon as it answers'),
    'logging-format': noEffect(why.log),
    'max-mutating-requests-inflight': works('so many changing requests at a time; with priority and fairness the sum of both, shared by its levels', (value, draft) => { draft.mutatingRequestsInFlight = wholeNumber(value); }),
    'max-requests-inflight': works('so many reading requests at a time; with priority and fairness the sum of both, shared by its levels', (value, draft) => { draft.requestsInFlight = wholeNumber(value); }),
    'min-request-timeout': noEffect('watches last as long as they are wanted'),
    'oidc-ca-file': refused(oidc),
    'oidc-client-id': refused(oidc),
    'oidc-groups-claim': refused(oidc),
    'oidc-groups-prefix': refused(oidc),
    'oidc-issuer-url': refused(oidc),
    'oidc-required-claim': refused(oidc),
    'oidc-signing-algs': refused(oidc),
    'oidc-username-claim': refused(oidc),
    'oidc-username-prefix': refused(oidc),
    'profiling': noEffect(why.profiling),
    'proxy-client-cert-file': refused(certificates),
    'proxy-client-key-file': refused(certificates),
    'request-timeout': noEffect(limits),
    'requestheader-allowed-names': refused(certificates),
    'requestheader-client-ca-file': refused(certificates),
    'runtime-config': refused('a choice of served versions, which this version does not build'),
    'secure-port': refused('--https-listen-port, which names it'),
    'service-account-extend-token-expiration': refused('tokens that do not outlive their hour', 'true'),
    'service-account-issuer': refused('another issuer of tokens, which this version does not build'),
    'service-account-jwks-uri': refused('another issuer of tokens, which this version does not build'),
    'service-account-key-file': refused(certificates),
    'service-account-lookup': refused('tokens that outlive their account', 'true'),
    'service-account-max-token-expiration': refused('a limit on the life of tokens, which this version does not build'),
    'service-account-signing-key-file': refused(certificates),
    'service-cluster-ip-range': refused('--service-cidr, which names it'),
    'service-node-port-range': works('ports for Services of type NodePort', readPortRange),
    'shutdown-delay-duration': noEffect('it stops in order, as fast as it can'),
    'shutdown-send-retry-after': noEffect('it stops in order, as fast as it can'),
    'storage-backend': refused(datastore),
    'storage-media-type': noEffect('objects are stored in one form'),
    'strict-transport-security-directives': noEffect('no browser is served'),
    'tls-cert-file': refused(certificates),
    'tls-cipher-suites': refused('a choice of ciphers, which this version does not build'),
    'tls-min-version': refused('a choice of TLS versions, which this version does not build', 'VersionTLS12'),
    'tls-private-key-file': refused(certificates),
    'tls-sni-cert-key': refused(certificates),
    'token-auth-file': refused(authenticationOf('a file of tokens')),
    'tracing-config-file': refused('traces, which this version does not build'),
    'v': noEffect(why.log),
    'vmodule': noEffect(why.log),
    'watch-cache': noEffect('there is one copy of every object, and it is the cache'),
    'watch-cache-sizes': noEffect('caches grow with what is in them'),
  },
};

export function apiServerTuning(
  given: readonly string[],
  source?: string,
): ArgumentFindings & { readonly tuning: ApiServerTuning } {
  const draft: Draft = {};
  const findings = readArguments(apiServerArguments, given, draft, source);
  const { audit: auditDraft, ...rest } = draft;
  const audit = auditSettings(auditDraft, text => {
    findings.errors.push(configError('FLAG_VALUE', `${source ?? '--kube-apiserver-arg'}: ${text}`));
  });
  const tuning: ApiServerTuning = { ...rest, ...(audit ? { audit } : {}) };
  const { priorityAndFairness = true, requestsInFlight, mutatingRequestsInFlight } = tuning;
  // Both have a number that is not 0 where none is given.
  if (priorityAndFairness && requestsInFlight === 0 && mutatingRequestsInFlight === 0) {
    const text = `${source ?? '--kube-apiserver-arg'}: max-requests-inflight and max-mutating-requests-inflight must sum to more than 0`;
    findings.errors.push(configError('FLAG_VALUE', text, { mend: 'or add enable-priority-and-fairness=false' }));
  }
  return { ...findings, tuning };
}

function readPortRange(value: string, draft: Draft): void {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(value);
  const [first, last] = [Number(match?.[1]), Number(match?.[2])];
  if (!match || first < 1 || last > 65_535 || first > last) throw new Error('must be a range of ports like 30000-32767');
  draft.serviceNodePortRange = { first, last };
}

function assertAdmission(name: string): void {
  if (admission.includes(name) || admissionNotBuilt.includes(name)) return;
  throw new Error(`"${name}" is unknown${didYouMean(name, [...admission, ...admissionNotBuilt])}`);
}

function readDisabled(value: string, draft: Draft): void {
  const names = list(value);
  names.forEach(assertAdmission);
  draft.disabledAdmission = [...(draft.disabledAdmission ?? []), ...names];
}

function readEnabled(value: string): void {
  for (const name of list(value)) {
    assertAdmission(name);
    if (!admission.includes(name)) throw new Error(`needs ${name}, which this version does not build`);
  }
}
