import type { ContainerPort, ObjectMeta, PodSpec, PodTemplateSpec } from '../../../api/generated/types.js';
import type { FieldPath } from '../../../machinery/field-errors.js';
import { fieldPath, quote } from '../../../machinery/field-errors.js';
import { semanticEqual } from '../../../machinery/object.js';
import { parseQuantity } from '../../../machinery/quantity.js';
import { addressWarnings } from './checks.js';
import { appArmorFieldOf } from './app-armor-annotations.js';
import { claimSpecWarnings } from './claim-warnings.js';
import { nodeLabelDeprecation, nodeSelectorTermWarnings } from './node-label-warnings.js';
import { containerPath, everyContainer } from './pod-containers.js';
import { appArmorPrefix, seccompContainerPrefix, seccompPodAnnotation } from './pod-template-validation.js';
import { overlapWarnings } from './volume-overlap-warnings.js';

const nullSelector = 'a null labelSelector results in matching no pod';
const deprecatedAnnotations = [
  ['scheduler.alpha.kubernetes.io/critical-pod', 'non-functional in v1.16+; use the "priorityClassName" field instead'],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  ['security.alpha.kubernetes.io/unsafe-sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
] as const;
const deprecatedVolumes = [
  ['photonPersistentDisk', 'photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['gitRepo', 'gitRepo', 'deprecated in v1.11, and disabled by default in v1.33+'],
  ['scaleIO', 'scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['flocker', 'flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['storageos', 'storageOS', 'deprecated in v1.22, non-functional in v1.25+'],
  ['quobyte', 'quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['ephemeral', '', ''],
  ['cephfs', 'cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'rbd', 'deprecated in v1.28, non-functional in v1.31+'],
] as const;

/** Warnings about a template of pods under `path`. Source: GetWarningsForPodTemplate. */
export function podTemplateWarnings(template: PodTemplateSpec | undefined, path: FieldPath): string[] {
  return template ? podSpecWarnings(template.spec, template.metadata ?? {}, path) : [];
}

/** `path` is that of the template; the root for a pod. Source: warningsForPodSpecAndMeta. */
export function podSpecWarnings(spec: PodSpec, metadata: Partial<ObjectMeta>, path: FieldPath = fieldPath()): string[] {
  const warnings: string[] = [];
  const warn = (at: FieldPath, text: string): void => void warnings.push(`${at}: ${text}`);
  const at = path.child('spec');
  nodeWarnings(spec, at, warnings);
  annotationWarnings(metadata, path, warnings);
  volumeWarnings(spec, at, warnings);
  duplicates(
    spec.hostAliases?.map(alias => alias.ip),
    index => at.child('hostAliases').index(index).child('ip'),
    { what: 'ip', warn },
  );
  const secretPath = (index: number): FieldPath => at.child('imagePullSecrets').index(index).child('name');
  duplicates(
    spec.imagePullSecrets?.map(secret => secret.name ?? ''),
    secretPath,
    { what: 'name', warn },
  );
  spec.imagePullSecrets?.forEach(({ name }, index) => {
    if (!name) warn(secretPath(index), 'invalid empty name ""');
  });
  fractionWarnings(spec.overhead, at.child('overhead'), warnings);
  if (!spec.securityContext?.seccompProfile && metadata.annotations?.[seccompPodAnnotation] !== undefined) {
    warn(
      path.child('metadata', 'annotations').key(seccompPodAnnotation),
      'non-functional in v1.27+; use the "seccompProfile" field instead',
    );
  }
  containerWarnings(spec, metadata, path, warnings);
  portWarnings(spec, at, warnings);
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    warn(at.child('terminationGracePeriodSeconds'), 'must be >= 0; negative values are invalid and will be treated as 1');
  }
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const affinity = spec.affinity?.[kind];
    const required = at.child('affinity', kind, 'requiredDuringSchedulingIgnoredDuringExecution');
    affinity?.requiredDuringSchedulingIgnoredDuringExecution?.forEach((term, index) => {
      if (!term.labelSelector) warn(required.index(index).child('labelSelector'), nullSelector);
    });
    const preferred = at.child('affinity', kind, 'preferredDuringSchedulingIgnoredDuringExecution');
    affinity?.preferredDuringSchedulingIgnoredDuringExecution?.forEach((term, index) => {
      if (!term.podAffinityTerm.labelSelector)
        warn(preferred.index(index).child('podAffinityTerm', 'labelSelector'), nullSelector);
    });
  }
  spec.dnsConfig?.nameservers?.forEach((address, index) => {
    warnings.push(...addressWarnings(at.child('dnsConfig', 'nameservers').index(index), address));
  });
  spec.hostAliases?.forEach(({ ip }, index) =>
    warnings.push(...addressWarnings(at.child('hostAliases').index(index).child('ip'), ip)),
  );
  return warnings;
}

function duplicates(
  values: readonly string[] | undefined,
  path: (index: number) => FieldPath,
  { what, warn }: { what: string; warn: (at: FieldPath, text: string) => void },
): void {
  values?.forEach((value, index) => {
    if (values.indexOf(value) < index) warn(path(index), `duplicate ${what} ${quote(value)}`);
  });
}

function nodeWarnings(spec: PodSpec, path: FieldPath, warnings: string[]): void {
  for (const key of Object.keys(spec.nodeSelector ?? {})) {
    const text = nodeLabelDeprecation(key);
    if (text) warnings.push(`${path.child('nodeSelector').key(key)}: ${text}`);
  }
  const affinity = spec.affinity?.nodeAffinity;
  const required = path.child('affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms');
  affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms?.forEach((term, index) => {
    warnings.push(...nodeSelectorTermWarnings(term, required.index(index)));
  });
  const preferred = path.child('affinity', 'nodeAffinity', 'preferredDuringSchedulingIgnoredDuringExecution');
  affinity?.preferredDuringSchedulingIgnoredDuringExecution?.forEach((term, index) => {
    warnings.push(...nodeSelectorTermWarnings(term.preference, preferred.index(index).child('preference'), true));
  });
  spec.topologySpreadConstraints?.forEach(({ topologyKey, labelSelector }, index) => {
    const at = path.child('topologySpreadConstraints').index(index);
    const text = nodeLabelDeprecation(topologyKey);
    if (text) warnings.push(`${at.child('topologyKey')}: ${topologyKey} is ${text}`);
    if (!labelSelector) warnings.push(`${at.child('labelSelector')}: ${nullSelector}`);
  });
}

function annotationWarnings({ annotations }: Partial<ObjectMeta>, path: FieldPath, warnings: string[]): void {
  if (!annotations) return;
  for (const [key, text] of deprecatedAnnotations) {
    if (annotations[key] !== undefined) warnings.push(`${path.child('metadata', 'annotations').key(key)}: ${text}`);
  }
}

function volumeWarnings(spec: PodSpec, path: FieldPath, warnings: string[]): void {
  if (!spec.volumes) return;
  for (const [index, volume] of spec.volumes.entries()) {
    const at = path.child('volumes').index(index);
    for (const [field, shown, text] of deprecatedVolumes) {
      if (!volume[field]) continue;
      if (field !== 'ephemeral') warnings.push(`${at.child(shown)}: ${text}`);
      else if (volume.ephemeral?.volumeClaimTemplate) {
        warnings.push(
          ...claimSpecWarnings(volume.ephemeral.volumeClaimTemplate.spec, at.child('ephemeral', 'volumeClaimTemplate', 'spec')),
        );
      }
    }
  }
  warnings.push(...overlapWarnings(spec.volumes));
}

function fractionWarnings(list: Readonly<Record<string, string>> | undefined, path: FieldPath, warnings: string[]): void {
  for (const name of ['memory', 'ephemeral-storage']) {
    const amount = list?.[name];
    if (amount === undefined || !/[mnu]$|e-/.test(amount) || parseQuantity(amount).isWhole) continue;
    warnings.push(`${path.key(name)}: fractional byte value ${quote(amount)} is invalid, must be an integer`);
  }
}

function containerWarnings(spec: PodSpec, { annotations }: Partial<ObjectMeta>, path: FieldPath, warnings: string[]): void {
  const isTemplate = path.toString() !== '<nil>';
  for (const place of everyContainer(spec)) {
    const { container } = place;
    const at = containerPath(path.child('spec'), place);
    if (annotations) {
      const seccomp = seccompContainerPrefix + container.name;
      if (!container.securityContext?.seccompProfile && annotations[seccomp] !== undefined) {
        const where = path.child('metadata', 'annotations').key(seccomp);
        warnings.push(`${where}: non-functional in v1.27+; use the "seccompProfile" field instead`);
      }
      const appArmor = annotations[appArmorPrefix + container.name];
      const podProfile = spec.securityContext?.appArmorProfile;
      // Pods are told when the annotation is turned into the field.
      if (isTemplate && appArmor !== undefined && !container.securityContext?.appArmorProfile) {
        if (!podProfile || !semanticEqual(podProfile, appArmorFieldOf(appArmor))) {
          const where = path.child('metadata', 'annotations').key(appArmorPrefix + container.name);
          warnings.push(`${where}: deprecated since v1.30; use the "appArmorProfile" field instead`);
        }
      }
    }
    for (const name of ['memory', 'ephemeral-storage']) {
      for (const list of ['limits', 'requests'] as const) {
        const amount = container.resources?.[list]?.[name];
        if (amount !== undefined) fractionWarnings({ [name]: amount }, at.child('resources', list), warnings);
      }
    }
    const seen = new Set<string>();
    for (const [index, { name, value = '', valueFrom }] of (container.env ?? []).entries()) {
      const reference = `$(${name})`;
      if (!seen.has(name)) seen.add(name);
      else if (valueFrom || value === reference || !value.includes(reference)) {
        const text = `hides previous definition of ${quote(name)}, which may be dropped when using apply`;
        warnings.push(`${at.child('env').index(index)}: ${text}`);
      }
    }
  }
}

function portWarnings(spec: PodSpec, path: FieldPath, warnings: string[]): void {
  const ports = everyContainer(spec).flatMap(place =>
    (place.container.ports ?? []).map((port, index) => ({
      port,
      at: () => containerPath(path, place).child('ports').index(index),
    })),
  );
  const known = new Map<string, typeof ports>();
  for (const { port, at } of ports) {
    if (port.hostIP && !port.hostPort) warnings.push(`${at()}: hostIP set without hostPort: ${goPort(port)}`);
    const key = `${port.containerPort}/${port.protocol}`;
    const others = known.get(key) ?? [];
    for (const other of others) {
      const text = conflictOf(port, other.port);
      if (text) warnings.push(`${at()}: ${text} port definition with ${other.at()}`);
    }
    known.set(key, [...others, { port, at }]);
  }
  const names = new Map<string, () => FieldPath>();
  for (const { port, at } of ports) {
    if (!port.name) continue;
    const other = names.get(port.name);
    if (other) {
      const text = `services and probes that select ports by name will use ${other()}`;
      warnings.push(`${at()}: duplicate port name ${quote(port.name)} with ${other()}, ${text}`);
    } else names.set(port.name, at);
  }
}

function conflictOf(one: ContainerPort, other: ContainerPort): string | undefined {
  const [hostIp, otherIp] = [one.hostIP ?? '', other.hostIP ?? ''];
  const [hostPort, otherPort] = [one.hostPort ?? 0, other.hostPort ?? 0];
  if (hostIp === otherIp && hostPort === otherPort) return 'duplicate';
  if (hostPort === 0 || otherPort === 0) return 'overlapping';
  return hostPort === otherPort && (hostIp === '') !== (otherIp === '') ? 'dangerously ambiguous' : undefined;
}

/** As Go prints the structure. */
function goPort({ name = '', hostPort = 0, containerPort, protocol = '', hostIP = '' }: ContainerPort): string {
  return `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`;
}
