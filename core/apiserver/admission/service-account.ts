import type { Container, EphemeralContainer, Pod, ServiceAccount, VolumeMount } from '../../api/generated/types.js';
import { ServiceAccounts } from '../../api/generated/resources.js';
import type { Clock } from '../../base/clock.js';
import { sleep } from '../../base/clock.js';
import type { AdmissionAttributes, AdmissionPlugin } from '../../contracts/admission.js';
import { podReferences } from '../../api/object-references.js';
import { generateName } from '../registry/store-support.js';
import type { ObjectLookup } from './object-lookup.js';
import { isFor, refusal } from './refusal.js';

const defaultAccount = 'default';
const mirrorAnnotation = 'kubernetes.io/config.mirror';
const enforceAnnotation = 'kubernetes.io/enforce-mountable-secrets';
const volumePrefix = 'kube-api-access-';
const mountPath = '/var/run/secrets/kubernetes.io/serviceaccount';
/** An hour, and seven seconds by which token requests of this volume are known. */
const tokenLifetimeSeconds = 3607;
const projectedFileMode = 0o644;
const defaultAccountAttempts = 10;
const retryMs = 150;
const trueWords = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);

/**
 * Every pod runs as a service account that exists, and finds a token, the cluster's authority and its namespace in a volume.
 * Source: KEP-1205; kube-apiserver's plugin of the same name.
 */
export class ServiceAccountAdmission implements AdmissionPlugin {
  readonly name = 'ServiceAccount';
  readonly #lookup: ObjectLookup;
  readonly #clock: Clock;

  constructor(lookup: ObjectLookup, clock: Clock) {
    this.#lookup = lookup;
    this.#clock = clock;
  }

  handles(attributes: AdmissionAttributes): boolean {
    if (!this.#lookup.serves(ServiceAccounts)) return false;
    if (attributes.operation === 'CREATE') return isFor(attributes, '', 'pods');
    return attributes.operation === 'UPDATE' && isFor(attributes, '', 'pods', 'ephemeralcontainers');
  }

  async mutate(attributes: AdmissionAttributes): Promise<void> {
    if (attributes.operation !== 'CREATE') return;
    const pod = attributes.object as unknown as Pod;
    // A kubelet deletes a mirror pod whose spec differs from the file's.
    if (isMirror(pod)) return this.validate(attributes);
    const { spec } = pod;
    spec.serviceAccountName ||= defaultAccount;
    spec.serviceAccount = spec.serviceAccountName;
    const account = await this.#account(attributes, spec.serviceAccountName);
    if (spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true) mountToken(pod);
    if (!spec.imagePullSecrets?.length && account.imagePullSecrets?.length)
      spec.imagePullSecrets = account.imagePullSecrets.map(({ name }) => ({ name: name ?? '' }));
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    const pod = attributes.object as unknown as Pod;
    if (attributes.operation === 'CREATE' && isMirror(pod)) return refuseMirror(pod, attributes);
    const name = pod.spec.serviceAccountName;
    if (!name)
      throw refusal(attributes, `no service account specified for pod ${attributes.namespace}/${pod.metadata.name ?? ''}`);
    const account = await this.#account(attributes, name);
    if (!trueWords.has(account.metadata.annotations?.[enforceAnnotation] ?? '')) return;
    const fault =
      attributes.operation === 'UPDATE'
        ? environmentFault(pod.spec.ephemeralContainers, 'ephemeral container', account)
        : secretFault(pod, account);
    if (fault) throw refusal(attributes, fault);
  }

  /** Waits a little for the default account, which a controller creates in each new namespace. */
  async #account(attributes: AdmissionAttributes, name: string): Promise<Readonly<ServiceAccount>> {
    const { namespace } = attributes;
    const attempts = name === defaultAccount ? defaultAccountAttempts : 1;
    for (let attempt = 0; attempt < attempts; attempt++) {
      if (attempt > 0) await sleep(this.#clock, retryMs);
      const account = await this.#lookup.find(ServiceAccounts, namespace, name);
      if (account) return account;
    }
    throw refusal(attributes, `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`);
  }
}

function isMirror(pod: Pod): boolean {
  return pod.metadata.annotations?.[mirrorAnnotation] !== undefined;
}

function refuseMirror(pod: Pod, attributes: AdmissionAttributes): void {
  if (pod.spec.serviceAccountName) throw refusal(attributes, 'a mirror pod may not reference service accounts');
  if (podReferences(pod).secrets.size > 0) throw refusal(attributes, 'a mirror pod may not reference secrets');
  const sources = (pod.spec.volumes ?? []).flatMap(volume => volume.projected?.sources ?? []);
  if (sources.some(source => source.serviceAccountToken))
    throw refusal(attributes, 'a mirror pod may not use ServiceAccountToken volume projections');
}

function mountToken({ spec }: Pod): void {
  const existing = spec.volumes?.find(volume => volume.name.startsWith(volumePrefix));
  const name = existing?.name ?? generateName(volumePrefix);
  const mount: VolumeMount = { name, readOnly: true, mountPath };
  let needed = false;
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    if (container.volumeMounts?.some(other => other.mountPath === mountPath)) continue;
    container.volumeMounts = [...(container.volumeMounts ?? []), { ...mount }];
    needed = true;
  }
  if (existing || !needed) return;
  spec.volumes = [
    ...(spec.volumes ?? []),
    {
      name,
      projected: {
        sources: [
          { serviceAccountToken: { expirationSeconds: tokenLifetimeSeconds, path: 'token' } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
        ],
        defaultMode: projectedFileMode,
      },
    },
  ];
}

/** The first secret that the pod names and its account does not. */
function secretFault(pod: Pod, account: Readonly<ServiceAccount>): string | undefined {
  const allowed = secretNames(account);
  const by = `is not allowed because service account ${account.metadata.name} does not reference that`;
  for (const { secret } of pod.spec.volumes ?? []) {
    const name = secret?.secretName ?? '';
    if (secret && !allowed.has(name)) return `volume with secret.secretName="${name}" ${by} secret`;
  }
  const inContainers =
    environmentFault(pod.spec.initContainers, 'init container', account) ??
    environmentFault(pod.spec.containers, 'container', account);
  if (inContainers) return inContainers;
  const pullSecrets = new Set((account.imagePullSecrets ?? []).map(({ name }) => name ?? ''));
  for (const [index, { name }] of (pod.spec.imagePullSecrets ?? []).entries()) {
    if (!pullSecrets.has(name ?? '')) return `imagePullSecrets[${index}].name="${name ?? ''}" ${by} imagePullSecret`;
  }
  return undefined;
}

function environmentFault(
  containers: readonly (Container | EphemeralContainer)[] | undefined,
  what: string,
  account: Readonly<ServiceAccount>,
): string | undefined {
  const allowed = secretNames(account);
  const by = `is not allowed because service account ${account.metadata.name} does not reference that secret`;
  for (const container of containers ?? []) {
    for (const variable of container.env ?? []) {
      const reference = variable.valueFrom?.secretKeyRef;
      if (reference && !allowed.has(reference.name ?? ''))
        return `${what} ${container.name} with envVar ${variable.name} referencing secret.secretName="${reference.name ?? ''}" ${by}`;
    }
    for (const { secretRef } of container.envFrom ?? []) {
      if (secretRef && !allowed.has(secretRef.name ?? ''))
        return `${what} ${container.name} with envFrom referencing secret.secretName="${secretRef.name ?? ''}" ${by}`;
    }
  }
  return undefined;
}

function secretNames(account: Readonly<ServiceAccount>): Set<string> {
  return new Set((account.secrets ?? []).map(({ name }) => name ?? ''));
}
