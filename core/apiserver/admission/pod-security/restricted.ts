import type { Volume } from '../../../api/generated/types.js';
import { forbiddenSeccomp, procMount } from './baseline.js';
import type { AnyContainer, Check, VersionedCheck } from './check.js';
import {
  badContainers,
  containerText,
  containersOf,
  plural,
  quoted,
  settersText,
  sorted,
  unlessUserNamespace,
  unlessWindows,
} from './check.js';

const privilegeEscalation: Check = (_metadata, spec) => {
  const names = badContainers(spec, container => container.securityContext?.allowPrivilegeEscalation !== false);
  if (names.length === 0) return undefined;
  return {
    reason: 'allowPrivilegeEscalation != false',
    detail: `${containerText(names)} must set securityContext.allowPrivilegeEscalation=false`,
  };
};

const capabilities: Check = (_metadata, spec) => {
  const added = (container: AnyContainer): string[] =>
    (container.securityContext?.capabilities?.add ?? []).filter(name => name !== 'NET_BIND_SERVICE');
  const keeping = badContainers(spec, container => !container.securityContext?.capabilities?.drop?.includes('ALL'));
  const adding = badContainers(spec, container => added(container).length > 0);
  const list = quoted(sorted(containersOf(spec).flatMap(added)));
  const faults = [
    ...(keeping.length > 0 ? [`${containerText(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0 ? [`${containerText(adding)} must not include ${list} in securityContext.capabilities.add`] : []),
  ];
  return faults.length > 0 ? { reason: 'unrestricted capabilities', detail: faults.join('; ') } : undefined;
};

const allowedVolumes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'image',
  'persistentVolumeClaim',
  'projected',
  'secret',
] as const;

const restrictedVolumes = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'gitRepo',
  'nfs',
  'iscsi',
  'glusterfs',
  'rbd',
  'flexVolume',
  'cinder',
  'cephfs',
  'flocker',
  'fc',
  'azureFile',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'portworxVolume',
  'scaleIO',
  'storageos',
] as const;

const volumes: Check = (_metadata, spec) => {
  const bad = (spec.volumes ?? []).filter(volume => allowedVolumes.every(type => volume[type] === undefined));
  if (bad.length === 0) return undefined;
  const typeOf = (volume: Volume): string => restrictedVolumes.find(type => volume[type] !== undefined) ?? 'unknown';
  const types = sorted(bad.map(typeOf));
  const names = `${plural('volume', 'volumes', bad.length)} ${quoted(bad.map(({ name }) => name))}`;
  const what = plural('restricted volume type', 'restricted volume types', types.length);
  return {
    reason: 'restricted volume types',
    detail: `${names} ${plural('uses', 'use', bad.length)} ${what} ${quoted(types)}`,
  };
};

const runAsNonRoot: Check = (_metadata, spec) => {
  const ofPod = spec.securityContext?.runAsNonRoot;
  const reason = 'runAsNonRoot != true';
  const setters = settersText(
    ofPod === false,
    badContainers(spec, container => container.securityContext?.runAsNonRoot === false),
  );
  if (setters) return { reason, detail: `${setters} must not set securityContext.runAsNonRoot=false` };
  const silent = badContainers(spec, container => container.securityContext?.runAsNonRoot === undefined && !ofPod);
  if (silent.length === 0) return undefined;
  return { reason, detail: `pod or ${containerText(silent)} must set securityContext.runAsNonRoot=true` };
};

const runAsUser: Check = (_metadata, spec) => {
  const setters = settersText(
    spec.securityContext?.runAsUser === 0,
    badContainers(spec, container => container.securityContext?.runAsUser === 0),
  );
  return setters ? { reason: 'runAsUser=0', detail: `${setters} must not set runAsUser=0` } : undefined;
};

const seccomp: Check = (_metadata, spec) => {
  const forbidden = forbiddenSeccomp(spec);
  if (forbidden || spec.securityContext?.seccompProfile) return forbidden;
  const silent = badContainers(spec, container => !container.securityContext?.seccompProfile);
  if (silent.length === 0) return undefined;
  return {
    reason: 'seccompProfile',
    detail: `pod or ${containerText(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"`,
  };
};

/** By id, in the order in which faults are told. Source: the Pod Security Standards, "Restricted". */
export const restrictedChecks: readonly VersionedCheck[] = [
  {
    id: 'allowPrivilegeEscalation',
    versions: [
      { since: 8, check: privilegeEscalation },
      { since: 25, check: unlessWindows(privilegeEscalation) },
    ],
  },
  {
    id: 'capabilities_restricted',
    versions: [
      { since: 22, check: capabilities },
      { since: 25, check: unlessWindows(capabilities) },
    ],
    overrides: 'capabilities_baseline',
  },
  { id: 'procMount_restricted', versions: [{ since: 35, check: procMount }], overrides: 'procMount' },
  { id: 'restrictedVolumes', versions: [{ since: 0, check: volumes }], overrides: 'hostPathVolumes' },
  {
    id: 'runAsNonRoot',
    versions: [
      { since: 0, check: runAsNonRoot },
      { since: 35, check: unlessUserNamespace(runAsNonRoot) },
    ],
  },
  {
    id: 'runAsUser',
    versions: [
      { since: 23, check: runAsUser },
      { since: 35, check: unlessUserNamespace(runAsUser) },
    ],
  },
  {
    id: 'seccompProfile_restricted',
    versions: [
      { since: 19, check: seccomp },
      { since: 25, check: unlessWindows(seccomp) },
    ],
    overrides: 'seccompProfile_baseline',
  },
];
