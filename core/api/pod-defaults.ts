import type {
  Container,
  EphemeralContainer,
  ObjectFieldSelector,
  ObjectMeta,
  Pod,
  PodSpec,
  PodTemplateSpec,
  Probe,
  Volume,
} from './generated/types.js';
import { emptyMap } from '../machinery/object.js';
import { podLimits, podRequests } from './pod-resources.js';
import { isDefaultTag } from './image-names.js';
import { isHugePage, isOvercommitAllowed, isPodLevelResource, roundResourceList } from './resource-names.js';

const fileMode = 0o644;
const tokenSeconds = 3600;

/** Source: SetDefaults_Pod and what its fields' types have; conversion of fields that have two names. */
export function defaultPod(pod: Pod): void {
  const { spec } = pod;
  for (const container of spec.containers ?? []) requestLimits(container);
  for (const container of spec.initContainers ?? []) requestLimits(container);
  if (spec.resources && spec.containers) defaultPodResources(pod);
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork) {
    for (const container of spec.containers ?? []) hostPorts(container);
    for (const container of spec.initContainers ?? []) hostPorts(container);
  }
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = 1;
  dropInitContainerAnnotations(pod.metadata);
  defaultPodSpec(spec);
  if (pod.status) defaultPodAddresses(pod);
}

export function defaultPodTemplate(template: PodTemplateSpec): void {
  if (template.metadata) dropInitContainerAnnotations(template.metadata);
  defaultPodSpec(template.spec);
}

/** Where init containers stood before they were fields. */
function dropInitContainerAnnotations({ annotations }: Partial<ObjectMeta>): void {
  if (!annotations) return;
  for (const age of ['alpha', 'beta']) {
    for (const name of ['init-containers', 'init-container-statuses']) delete annotations[`pod.${age}.kubernetes.io/${name}`];
  }
}

/** Source: SetDefaults_PodSpec and the defaults of all its parts; a template gets nothing else. */
export function defaultPodSpec(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst';
  spec.restartPolicy ||= 'Always';
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  spec.schedulerName ||= 'default-scheduler';
  const account = spec.serviceAccountName || spec.serviceAccount;
  if (account) {
    spec.serviceAccountName = account;
    spec.serviceAccount = account;
  }
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.containers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
  roundResourceList(spec.overhead);
  roundResourceList(spec.resources?.limits);
  roundResourceList(spec.resources?.requests);
}

function requestLimits({ resources }: Container): void {
  if (resources?.limits) resources.requests = withDefaults(resources.requests, resources.limits);
}

/** The list with what it lacks taken from another, its names sorted as an encoder writes them. */
function withDefaults(
  list: Record<string, string> | undefined,
  defaults: Readonly<Record<string, string>>,
): Record<string, string> {
  const all = { ...defaults, ...list };
  const names = Object.keys(all).sort();
  return names.length === 0 ? emptyMap() : Object.fromEntries(names.map(name => [name, all[name]!]));
}

function hostPorts(container: Container): void {
  for (const port of container.ports ?? []) port.hostPort ||= port.containerPort;
}

function defaultPodResources(pod: Pod): void {
  const resources = pod.spec.resources!;
  const own = { skipPodLevelResources: true, excludeOverhead: true };
  if (Object.keys(resources.limits ?? {}).length || Object.keys(resources.requests ?? {}).length) {
    const missing: Record<string, string> = {};
    for (const [name, total] of podLimits(pod, own)) {
      if (isHugePage(name) && resources.requests?.[name] === undefined) missing[name] = total.toString();
    }
    if (Object.keys(missing).length) resources.limits = withDefaults(resources.limits, missing);
  }
  if (!Object.keys(resources.limits ?? {}).length) return;
  const missing: Record<string, string> = {};
  for (const [name, limit] of Object.entries(resources.limits!)) if (isPodLevelResource(name)) missing[name] = limit;
  for (const [name, total] of podRequests(pod, own)) {
    if (isPodLevelResource(name) && isOvercommitAllowed(name)) missing[name] = total.toString();
  }
  resources.requests = withDefaults(resources.requests, missing);
}

/** `podIP` is the first of `podIPs`; where they differ the single one rules. */
function defaultPodAddresses({ status }: Pod): void {
  const [first] = status.podIPs ?? [];
  if (status.podIP) {
    if (first?.ip !== status.podIP) status.podIPs = [{ ip: status.podIP }];
  } else if (first?.ip) status.podIP = first.ip;
}

function defaultContainer(container: Container | EphemeralContainer): void {
  container.imagePullPolicy ||= isDefaultTag(container.image ?? '') ? 'Always' : 'IfNotPresent';
  container.terminationMessagePath ||= '/dev/termination-log';
  container.terminationMessagePolicy ||= 'File';
  for (const port of container.ports ?? []) port.protocol ||= 'TCP';
  for (const { valueFrom } of container.env ?? []) {
    if (!valueFrom) continue;
    defaultFieldRef(valueFrom.fieldRef);
    if (valueFrom.fileKeyRef) valueFrom.fileKeyRef.optional ??= false;
  }
  roundResourceList(container.resources?.limits);
  roundResourceList(container.resources?.requests);
  defaultProbe(container.livenessProbe);
  defaultProbe(container.readinessProbe);
  defaultProbe(container.startupProbe);
  defaultHttpGet(container.lifecycle?.postStart);
  defaultHttpGet(container.lifecycle?.preStop);
}

function defaultFieldRef(reference: ObjectFieldSelector | undefined): void {
  if (reference) reference.apiVersion ||= 'v1';
}

function defaultProbe(probe: Probe | undefined): void {
  if (!probe) return;
  probe.timeoutSeconds ||= 1;
  probe.periodSeconds ||= 10;
  probe.successThreshold ||= 1;
  probe.failureThreshold ||= 3;
  defaultHttpGet(probe);
  if (probe.grpc) probe.grpc.service ??= '';
}

function defaultHttpGet(handler: Pick<Probe, 'httpGet'> | undefined): void {
  if (!handler?.httpGet) return;
  handler.httpGet.path ||= '/';
  handler.httpGet.scheme ||= 'HTTP';
}

/** What volumes of pods and persistent volumes have in common. */
export function defaultVolumeSource(source: Pick<Volume, 'hostPath' | 'azureDisk'> & VolumeDrivers): void {
  if (source.hostPath) source.hostPath.type ??= '';
  if (source.iscsi) source.iscsi.iscsiInterface ||= 'default';
  if (source.rbd) {
    source.rbd.pool ||= 'rbd';
    source.rbd.user ||= 'admin';
    source.rbd.keyring ||= '/etc/ceph/keyring';
  }
  if (source.azureDisk) {
    source.azureDisk.cachingMode ??= 'ReadWrite';
    source.azureDisk.fsType ??= 'ext4';
    source.azureDisk.readOnly ??= false;
    source.azureDisk.kind ??= 'Shared';
  }
  if (source.scaleIO) {
    source.scaleIO.storageMode ||= 'ThinProvisioned';
    source.scaleIO.fsType ||= 'xfs';
  }
}

interface VolumeDrivers {
  iscsi?: { iscsiInterface?: string };
  rbd?: { pool?: string; user?: string; keyring?: string };
  scaleIO?: { storageMode?: string; fsType?: string };
}

function defaultVolume(volume: Volume): void {
  let empty = true;
  for (const field in volume) {
    if (field === 'name' || volume[field as keyof Volume] === undefined) continue;
    empty = false;
    break;
  }
  if (empty) volume.emptyDir = {};
  if (volume.image) volume.image.pullPolicy ||= isDefaultTag(volume.image.reference ?? '') ? 'Always' : 'IfNotPresent';
  defaultVolumeSource(volume);
  if (volume.secret) volume.secret.defaultMode ??= fileMode;
  if (volume.configMap) volume.configMap.defaultMode ??= fileMode;
  if (volume.downwardAPI) {
    volume.downwardAPI.defaultMode ??= fileMode;
    for (const { fieldRef } of volume.downwardAPI.items ?? []) defaultFieldRef(fieldRef);
  }
  if (volume.projected) {
    volume.projected.defaultMode ??= fileMode;
    for (const { downwardAPI, serviceAccountToken } of volume.projected.sources ?? []) {
      for (const { fieldRef } of downwardAPI?.items ?? []) defaultFieldRef(fieldRef);
      if (serviceAccountToken) serviceAccountToken.expirationSeconds ??= tokenSeconds;
    }
  }
  const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
  if (claim) {
    claim.volumeMode ??= 'Filesystem';
    roundResourceList(claim.resources?.limits);
    roundResourceList(claim.resources?.requests);
  }
}
