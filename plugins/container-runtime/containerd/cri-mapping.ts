import type {
  AppArmorProfile,
  ContainerSecurity,
  ContainerSpec,
  ContainerState,
  ContainerStats,
  ImageState,
  LinuxResources,
  Mount,
  RegistryCredentials,
  SandboxSpec,
  SandboxState,
  SeccompProfile,
} from '../../../core/plugin-api/index.js';
import type * as cri from './wire/generated/tables.js';

const nanosPerMilli = 1_000_000;

/** Where a container's stop signal is kept, since containerd before 2.1 does not take it. */
export const stopSignalAnnotation = 'k3s.local/stop-signal';

/** Labels that CRI's users have always put on what they make, so that tools like crictl know it. */
const nameLabels = {
  podName: 'io.kubernetes.pod.name',
  podNamespace: 'io.kubernetes.pod.namespace',
  podUid: 'io.kubernetes.pod.uid',
  containerName: 'io.kubernetes.container.name',
} as const;

export function sandboxConfig(spec: SandboxSpec): cri.PodSandboxConfig {
  const { security } = spec;
  return {
    metadata: { name: spec.podName, uid: spec.podUid, namespace: spec.podNamespace, attempt: spec.attempt },
    // A pod that uses the node's network has the node's name.
    hostname: spec.hostNetwork ? '' : spec.hostname,
    logDirectory: spec.logDirectory,
    ...(spec.dns && { dnsConfig: spec.dns }),
    portMappings: spec.portMappings.map(({ protocol, containerPort, hostPort, hostIp }) => ({
      protocol,
      containerPort,
      hostPort,
      hostIp,
    })),
    labels: {
      ...spec.labels,
      [nameLabels.podName]: spec.podName,
      [nameLabels.podNamespace]: spec.podNamespace,
      [nameLabels.podUid]: spec.podUid,
    },
    annotations: spec.annotations,
    linux: {
      cgroupParent: spec.cgroupParent,
      sysctls: spec.sysctls,
      securityContext: {
        namespaceOptions: namespaces(spec, spec.hostPid ? 'NODE' : spec.sharePid ? 'POD' : 'CONTAINER'),
        privileged: security.privileged,
        readonlyRootfs: security.readOnlyRootFilesystem,
        supplementalGroups: security.supplementalGroups,
        supplementalGroupsPolicy: security.supplementalGroupsPolicy ?? 'Merge',
        ...(security.runAsUser !== undefined && { runAsUser: { value: security.runAsUser } }),
        ...(security.runAsGroup !== undefined && { runAsGroup: { value: security.runAsGroup } }),
        ...(security.selinux && { selinuxOptions: security.selinux }),
        seccomp: seccomp(security.seccomp),
      },
    },
  };
}

function namespaces(
  sandbox: Pick<SandboxSpec, 'hostNetwork' | 'hostIpc'>,
  pid: 'NODE' | 'POD' | 'CONTAINER' | 'TARGET',
  targetId = '',
): cri.NamespaceOption {
  return { network: sandbox.hostNetwork ? 'NODE' : 'POD', ipc: sandbox.hostIpc ? 'NODE' : 'POD', pid, targetId };
}

function seccomp(profile: SeccompProfile | undefined): cri.SecurityProfile {
  if (profile?.type === 'Localhost') return { profileType: 'Localhost', localhostRef: profile.path };
  return { profileType: profile?.type ?? 'Unconfined' };
}

/** What of a sandbox its containers must agree with. */
export type SandboxNamespaces = Pick<SandboxSpec, 'hostNetwork' | 'hostIpc'>;

export function containerConfig(spec: ContainerSpec, sandbox: SandboxNamespaces, appArmor: boolean): cri.ContainerConfig {
  return {
    metadata: { name: spec.name, attempt: spec.attempt },
    image: { image: spec.image, userSpecifiedImage: spec.userImage },
    command: spec.command,
    args: spec.args,
    workingDir: spec.workingDirectory,
    envs: spec.environment.map(({ name, value }) => ({ key: name, value: Buffer.from(value) })),
    mounts: spec.mounts.map(mount),
    devices: spec.devices,
    labels: { ...spec.labels, [nameLabels.containerName]: spec.name },
    annotations: spec.stopSignal ? { ...spec.annotations, [stopSignalAnnotation]: spec.stopSignal } : spec.annotations,
    cDIDevices: (spec.cdiDevices ?? []).map(name => ({ name })),
    logPath: spec.logPath,
    stdin: spec.stdin,
    stdinOnce: spec.stdinOnce,
    tty: spec.tty,
    linux: { resources: linuxResources(spec.resources), securityContext: containerSecurity(spec, sandbox, appArmor) },
  };
}

const propagations = {
  private: 'PROPAGATION_PRIVATE',
  'host-to-container': 'PROPAGATION_HOST_TO_CONTAINER',
  bidirectional: 'PROPAGATION_BIDIRECTIONAL',
} as const;

function mount(entry: Mount): cri.Mount {
  return {
    containerPath: entry.containerPath,
    hostPath: entry.hostPath,
    readonly: entry.readOnly,
    propagation: propagations[entry.propagation],
    recursiveReadOnly: entry.recursiveReadOnly ?? false,
  };
}

export function linuxResources(resources: LinuxResources): cri.LinuxContainerResources {
  return {
    cpuShares: resources.cpuShares ?? 0,
    cpuQuota: resources.cpuQuotaMicros ?? 0,
    cpuPeriod: resources.cpuPeriodMicros ?? 0,
    memoryLimitInBytes: resources.memoryLimitBytes ?? 0,
    oomScoreAdj: resources.oomScoreAdjust ?? 0,
    cpusetCpus: resources.cpusetCpus ?? '',
    cpusetMems: resources.cpusetMems ?? '',
    hugepageLimits: (resources.hugepageLimits ?? []).map(({ pageSize, limitBytes }) => ({ pageSize, limit: limitBytes })),
    unified: resources.unified ?? {},
  };
}

function containerSecurity(
  spec: ContainerSpec,
  sandbox: SandboxNamespaces,
  appArmor: boolean,
): cri.LinuxContainerSecurityContext {
  const security: ContainerSecurity = spec.security;
  const { pidMode } = spec;
  const target = typeof pidMode === 'object';
  const pid = target ? 'TARGET' : pidMode === 'pod' ? 'POD' : pidMode === 'node' ? 'NODE' : 'CONTAINER';
  return {
    privileged: security.privileged,
    namespaceOptions: namespaces(sandbox, pid, target ? pidMode.targetContainerId : ''),
    capabilities: { addCapabilities: security.addCapabilities, dropCapabilities: security.dropCapabilities },
    supplementalGroups: security.supplementalGroups,
    supplementalGroupsPolicy: security.supplementalGroupsPolicy ?? 'Merge',
    readonlyRootfs: security.readOnlyRootFilesystem,
    noNewPrivs: security.noNewPrivileges,
    ...(security.runAsUser !== undefined && { runAsUser: { value: security.runAsUser } }),
    ...(security.runAsGroup !== undefined && { runAsGroup: { value: security.runAsGroup } }),
    ...(security.runAsUserName && { runAsUsername: security.runAsUserName }),
    ...(security.selinux && { selinuxOptions: security.selinux }),
    seccomp: seccomp(security.seccomp),
    ...(appArmor && security.appArmor && appArmorProfile(security.appArmor)),
    maskedPaths: security.maskedPaths,
    readonlyPaths: security.readonlyPaths,
  };
}

/** In CRI's old words too, the only ones that containerd 1.6 reads. */
function appArmorProfile(profile: AppArmorProfile): Pick<cri.LinuxContainerSecurityContext, 'apparmor' | 'apparmorProfile'> {
  if (profile.type === 'Localhost') {
    const { name } = profile;
    return { apparmor: { profileType: 'Localhost', localhostRef: name }, apparmorProfile: `localhost/${name}` };
  }
  const oldWord = profile.type === 'Unconfined' ? 'unconfined' : 'runtime/default';
  return { apparmor: { profileType: profile.type }, apparmorProfile: oldWord };
}

export function sandboxState(sandbox: cri.PodSandbox, ips: readonly string[]): SandboxState {
  const { metadata = {} } = sandbox;
  return {
    id: sandbox.id ?? '',
    podUid: metadata.uid ?? '',
    podName: metadata.name ?? '',
    podNamespace: metadata.namespace ?? '',
    attempt: metadata.attempt ?? 0,
    ready: (sandbox.state ?? 'SANDBOX_READY') === 'SANDBOX_READY',
    createdAtMs: millis(sandbox.createdAt) ?? 0,
    ips,
    labels: sandbox.labels ?? {},
    annotations: sandbox.annotations ?? {},
    runtimeHandler: sandbox.runtimeHandler ?? '',
  };
}

const states = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
  CONTAINER_UNKNOWN: 'unknown',
} as const;

export function containerState(
  status: cri.ContainerStatus,
  listed: { readonly sandboxId: string; readonly imageId: string },
): ContainerState {
  const { [stopSignalAnnotation]: _stopSignal, ...annotations } = status.annotations ?? {};
  const state = states[status.state ?? 'CONTAINER_CREATED'];
  const startedAtMs = millis(status.startedAt);
  const finishedAtMs = millis(status.finishedAt);
  const exitCode = status.exitCode ?? 0;
  const user = status.user?.linux;
  return {
    id: status.id ?? '',
    sandboxId: listed.sandboxId,
    name: status.metadata?.name ?? '',
    attempt: status.metadata?.attempt ?? 0,
    state,
    createdAtMs: millis(status.createdAt) ?? 0,
    ...(startedAtMs !== undefined && { startedAtMs }),
    ...(state === 'exited' && {
      finishedAtMs: finishedAtMs ?? startedAtMs ?? 0,
      exitCode,
      reason: status.reason || (exitCode === 0 ? 'Completed' : 'Error'),
      ...(exitCode > 128 && exitCode < 160 && { signal: exitCode - 128 }),
    }),
    ...(status.message && { message: status.message }),
    // Newer containerds tell it; for 1.6 only the list has it.
    imageId: status.imageId || listed.imageId || status.imageRef || '',
    imageReference: status.imageRef ?? '',
    labels: status.labels ?? {},
    annotations,
    logPath: status.logPath ?? '',
    ...(user && {
      user: { userId: user.uid ?? 0, groupId: user.gid ?? 0, supplementalGroups: user.supplementalGroups ?? [] },
    }),
  };
}

export function imageState(image: cri.Image): ImageState {
  const userId = image.uid?.value ?? (image.uid ? 0 : undefined);
  return {
    id: image.id ?? '',
    tags: image.repoTags ?? [],
    digests: image.repoDigests ?? [],
    sizeBytes: image.size ?? 0,
    ...(userId !== undefined && { userId }),
    ...(image.username && { userName: image.username }),
    pinned: image.pinned ?? false,
  };
}

export function containerStats(stats: cri.ContainerStats, sandboxId: string): ContainerStats {
  const { cpu, memory, writableLayer, attributes } = stats;
  const timestamp = memory?.timestamp ?? cpu?.timestamp ?? 0;
  return {
    containerId: attributes?.id ?? '',
    sandboxId,
    name: attributes?.metadata?.name ?? '',
    timeMs: timestamp / nanosPerMilli,
    cpuUsageCoreNanos: cpu?.usageCoreNanoSeconds?.value ?? 0,
    memoryWorkingSetBytes: memory?.workingSetBytes?.value ?? 0,
    memoryUsageBytes: memory?.usageBytes?.value ?? 0,
    memoryRssBytes: memory?.rssBytes?.value ?? 0,
    pageFaults: memory?.pageFaults?.value ?? 0,
    majorPageFaults: memory?.majorPageFaults?.value ?? 0,
    writableLayerBytes: writableLayer?.usedBytes?.value ?? 0,
    writableLayerInodes: writableLayer?.inodesUsed?.value ?? 0,
  };
}

export function authConfig(auth: RegistryCredentials): cri.AuthConfig {
  return {
    username: auth.username ?? '',
    password: auth.password ?? '',
    auth: auth.auth ?? '',
    serverAddress: auth.serverAddress ?? '',
    identityToken: auth.identityToken ?? '',
    registryToken: auth.registryToken ?? '',
  };
}

/** Nanoseconds since the epoch are beyond 2^53: the last digits are lost, the milliseconds are not. */
export function millis(nanos: number | undefined): number | undefined {
  return nanos === undefined || nanos <= 0 ? undefined : Math.floor(nanos / nanosPerMilli);
}
