import type { Duplex, Readable, Writable } from 'node:stream';
import type { Disposable } from '../base/disposable.js';

/**
 * Runs pods' sandboxes and containers on this node. The kubelet calls it; containerd, Docker and the simulation implement it.
 * Not CRI's types, but what CRI and Docker can both do.
 *
 * Every method may be called again after a lost answer: what is there already is success where it says so.
 * Errors are CodedErrors: `RUNTIME_NOT_FOUND` (no such sandbox, container or image), `RUNTIME_IMAGE_UNAUTHORIZED`,
 * `RUNTIME_IMAGE_NOT_FOUND`, `RUNTIME_IMAGE_INVALID`, `RUNTIME_REGISTRY_UNAVAILABLE`, `RUNTIME_NETWORK` (the pod network is not
 * ready or refused), `RUNTIME_UNAVAILABLE` (the runtime does not answer; retry), `RUNTIME_TIMEOUT` (a command ran too long),
 * `RUNTIME_FAILED` (its own message).
 */
export interface ContainerRuntime {
  /** Name and version for the Node's status, and whether runtime and network can take pods. */
  status(): Promise<RuntimeStatus>;
  /** Tells the Node's pod ranges, first family first; again whenever they change. Absent where the pod network learns them itself. */
  setPodCidrs?(podCidrs: readonly string[]): Promise<void>;

  /** Creates and starts a sandbox (namespaces, network). Resolves its id. The uid and attempt name it: the same again is the same sandbox. */
  runSandbox(spec: SandboxSpec): Promise<string>;
  /** Stops all containers and frees the network. No error when it is gone. */
  stopSandbox(sandboxId: string): Promise<void>;
  /** Removes a stopped sandbox with its containers. No error when it is gone. */
  removeSandbox(sandboxId: string): Promise<void>;
  listSandboxes(): Promise<SandboxState[]>;
  sandbox(sandboxId: string): Promise<SandboxState>;

  /** Resolves the container's id. Its image must be there. The name and attempt name it in its sandbox: the same again is the same container. */
  createContainer(sandboxId: string, spec: ContainerSpec): Promise<string>;
  /** Once: a second call changes nothing. Rejects where the sandbox was stopped, or the program is not there. */
  startContainer(containerId: string): Promise<void>;
  /**
   * The stop signal, then after `graceSeconds` SIGKILL. Resolves when it has stopped. No error when it is gone. A second call while
   * the first waits may shorten the wait; both resolve.
   */
  stopContainer(containerId: string, graceSeconds: number): Promise<void>;
  /** Kills it first when it runs. No error when it is gone. */
  removeContainer(containerId: string): Promise<void>;
  listContainers(): Promise<ContainerState[]>;
  container(containerId: string): Promise<ContainerState>;
  updateContainerResources(containerId: string, resources: LinuxResources): Promise<void>;
  /** Opens the log file anew after it was renamed. */
  reopenLog(containerId: string): Promise<void>;

  /** Runs a command to its end; output is cut at 16 KB. For probes and hooks. Rejects `RUNTIME_TIMEOUT`. */
  execSync(containerId: string, command: readonly string[], timeoutMs: number): Promise<ExecResult>;
  /** Starts a command with streams. */
  exec(containerId: string, options: ExecOptions): Promise<ExecSession>;
  /** Connects to the container's own streams. */
  attach(containerId: string, options: AttachOptions): Promise<ExecSession>;
  /** A stream to a port inside the sandbox's network. */
  portForward(sandboxId: string, port: number): Promise<NodeJS.ReadWriteStream>;
  /**
   * A raw SPDY/3.1 connection that is upgraded already and speaks `portforward.k8s.io`, for clients that do: the ports come in its
   * streams. Absent where the runtime has none.
   */
  portForwardConnection?(sandboxId: string): Promise<Duplex>;
  /**
   * The same for a container's own streams, or for those of a command that is started for it, in one of the remote command protocols
   * `v4.channel.k8s.io`, `v3.channel.k8s.io`, `v2.channel.k8s.io`.
   */
  commandConnection?(containerId: string, options: CommandConnectionOptions): Promise<Duplex>;

  /** Resolves the image's id. */
  pullImage(reference: string, options: PullOptions): Promise<string>;
  /** Undefined when it is not here. */
  image(reference: string): Promise<ImageState | undefined>;
  listImages(): Promise<ImageState[]>;
  removeImage(reference: string): Promise<void>;
  /**
   * Shows an image's files in a directory of this host, read-only, and keeps them there whatever becomes of the image; makes the
   * directory. The kubelet calls it for volumes made of images; the same again is success. `RUNTIME_NOT_FOUND`: no such image. Absent
   * where the runtime cannot.
   */
  mountImage?(imageId: string, directory: string): Promise<void>;
  /** Takes away what `mountImage` showed there. No error when it is gone. */
  unmountImage?(directory: string): Promise<void>;
  /** Loads an archive (docker or OCI layout, plain or compressed); resolves the names it brought. */
  importImages(archivePath: string): Promise<string[]>;
  imageFilesystem(): Promise<{ path: string; usedBytes: number; usedInodes: number }>;

  /** Usage of all running containers, or of one sandbox's. */
  stats(sandboxId?: string): Promise<ContainerStats[]>;

  /**
   * Calls on every creation, start, exit, removal and out-of-memory kill; never from within a call to the runtime. After a gap `lost`
   * tells to list again.
   */
  watch(listener: { event(event: RuntimeEvent): void; lost(): void }): Disposable;

  /** A network probe of a container, where the node cannot reach its address (`RuntimeStatus.onHost` is false). */
  probe?(containerId: string, target: ProbeTarget, timeoutMs: number): Promise<ProbeAnswer>;
  /**
   * All that it knows of a container, in CRI's own words, for a person: `crictl inspect` asks. Absent where `container` says it all.
   * `RUNTIME_NOT_FOUND` when it is gone.
   */
  inspect?(containerId: string): Promise<RuntimeInspection>;
  /** A container's log in CRI format, where it is kept elsewhere than in files. Ends with what is there unless `follow`. */
  logs?(containerId: string, options: { readonly follow: boolean; readonly signal?: AbortSignal }): Readable;
}

export const ContainerRuntime: unique symbol = Symbol.for('k3s/container-runtime@1');

export interface RuntimeStatus {
  readonly name: string;
  readonly version: string;
  readonly ready: boolean;
  readonly message: string;
  readonly networkReady: boolean;
  /** Why not, as the Node's Ready condition says it: `cni plugin not initialized`. */
  readonly networkMessage: string;
  /** The default is named ''. */
  readonly handlers: readonly RuntimeHandler[];
  readonly features: RuntimeFeatures;
  /**
   * Containers are processes of this host that see its files and network, so that the kubelet writes volumes and logs, sets up
   * cgroups and probes addresses. False for a simulation: nothing of the host is touched for its pods.
   */
  readonly onHost: boolean;
  /** What the node offers (`cpu`, `memory`, `ephemeral-storage`, `pods` ...) where the runtime decides and not the host. */
  readonly capacity?: Readonly<Record<string, string>>;
}

/** What a RuntimeClass may name. */
export interface RuntimeHandler {
  readonly name: string;
  /** Mounts whose `recursiveReadOnly` is kept. */
  readonly recursiveReadOnlyMounts: boolean;
  /** Sandboxes with users of their own (`hostUsers: false`). */
  readonly userNamespaces: boolean;
}

/** What is enforced; the node refuses pods that ask for what is not. */
export interface RuntimeFeatures {
  readonly supplementalGroupsPolicy: boolean;
  readonly appArmor: boolean;
}

export type ProbeTarget =
  | {
      readonly type: 'http';
      readonly scheme: 'http' | 'https';
      readonly host: string;
      readonly port: number;
      readonly path: string;
      readonly headers: readonly { readonly name: string; readonly value: string }[];
    }
  | { readonly type: 'tcp'; readonly host: string; readonly port: number }
  | { readonly type: 'grpc'; readonly host: string; readonly port: number; readonly service: string };

export interface ProbeAnswer {
  readonly ok: boolean;
  /** What the `Unhealthy` event says. */
  readonly output: string;
}

export interface SandboxSpec {
  readonly podUid: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly attempt: number;
  readonly hostname: string;
  readonly logDirectory: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly dns:
    | { readonly servers: readonly string[]; readonly searches: readonly string[]; readonly options: readonly string[] }
    | undefined;
  readonly portMappings: readonly PortMapping[];
  readonly hostNetwork: boolean;
  readonly hostPid: boolean;
  readonly hostIpc: boolean;
  /** One process namespace for all containers of the pod. */
  readonly sharePid: boolean;
  /** Root of the pod's cgroups, '' for the runtime's default. */
  readonly cgroupParent: string;
  readonly sysctls: Readonly<Record<string, string>>;
  readonly runtimeHandler: string;
  readonly security: SandboxSecurity;
}

export interface SandboxSecurity {
  readonly privileged: boolean;
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly supplementalGroups: readonly number[];
  readonly supplementalGroupsPolicy?: SupplementalGroupsPolicy;
  readonly readOnlyRootFilesystem: boolean;
  readonly seccomp?: SeccompProfile;
  readonly selinux?: SelinuxOptions;
}

export interface PortMapping {
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly containerPort: number;
  readonly hostPort: number;
  readonly hostIp: string;
}

export interface SandboxState {
  readonly id: string;
  readonly podUid: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly createdAtMs: number;
  /** Empty for host network and while there is none. */
  readonly ips: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly runtimeHandler: string;
}

export interface ContainerSpec {
  readonly name: string;
  readonly attempt: number;
  /** Image id or reference that `image` knows. */
  readonly image: string;
  /** As the user wrote it, for display. */
  readonly userImage: string;
  /** Replaces the image's entrypoint when not empty. */
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly workingDirectory: string;
  readonly environment: readonly { readonly name: string; readonly value: string }[];
  readonly mounts: readonly Mount[];
  readonly devices: readonly { readonly hostPath: string; readonly containerPath: string; readonly permissions: string }[];
  /**
   * Fully qualified names (`vendor.com/class=name`) of devices of the Container Device Interface, whose definitions lie in `/etc/cdi`
   * and `/var/run/cdi`. A container that names one that is not there is not created, where containers are on this host.
   */
  readonly cdiDevices?: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** Relative to the sandbox's log directory. CRI log format. */
  readonly logPath: string;
  readonly stdin: boolean;
  readonly stdinOnce: boolean;
  readonly tty: boolean;
  readonly stopSignal?: string;
  readonly resources: LinuxResources;
  readonly security: ContainerSecurity;
  /** Process namespace: of the container alone, of the pod, of the node, or of another container. */
  readonly pidMode: 'container' | 'pod' | 'node' | { readonly targetContainerId: string };
}

export interface Mount {
  readonly containerPath: string;
  readonly hostPath: string;
  readonly readOnly: boolean;
  readonly propagation: 'private' | 'host-to-container' | 'bidirectional';
  readonly recursiveReadOnly?: boolean;
}

export interface LinuxResources {
  readonly cpuShares?: number;
  readonly cpuQuotaMicros?: number;
  readonly cpuPeriodMicros?: number;
  readonly memoryLimitBytes?: number;
  readonly oomScoreAdjust?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly hugepageLimits?: readonly { readonly pageSize: string; readonly limitBytes: number }[];
  /** cgroup v2 keys beside the above. */
  readonly unified?: Readonly<Record<string, string>>;
}

export interface ContainerSecurity {
  readonly privileged: boolean;
  readonly runAsUser?: number;
  readonly runAsGroup?: number;
  readonly runAsUserName?: string;
  readonly supplementalGroups: readonly number[];
  readonly supplementalGroupsPolicy?: SupplementalGroupsPolicy;
  readonly readOnlyRootFilesystem: boolean;
  readonly noNewPrivileges: boolean;
  readonly addCapabilities: readonly string[];
  readonly dropCapabilities: readonly string[];
  readonly seccomp?: SeccompProfile;
  /** Undefined: the runtime's own default. */
  readonly appArmor?: AppArmorProfile;
  readonly selinux?: SelinuxOptions;
  /**
   * What of the kernel's files cannot be read, and what cannot be written: all that a container of an ordinary pod is kept from.
   * Runtimes add none of their own, and leave both out for a privileged container.
   */
  readonly maskedPaths: readonly string[];
  readonly readonlyPaths: readonly string[];
}

/** Groups that the image gives its user are added (`Merge`), or only the pod's own are given (`Strict`). */
export type SupplementalGroupsPolicy = 'Merge' | 'Strict';

/** `path`: the file on this host. */
export type SeccompProfile =
  | { readonly type: 'RuntimeDefault' | 'Unconfined' }
  | { readonly type: 'Localhost'; readonly path: string };

/** `name`: as it was loaded into this host's kernel. */
export type AppArmorProfile =
  | { readonly type: 'RuntimeDefault' | 'Unconfined' }
  | { readonly type: 'Localhost'; readonly name: string };

export interface SelinuxOptions {
  readonly user?: string;
  readonly role?: string;
  readonly type?: string;
  readonly level?: string;
}

export interface ContainerState {
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly attempt: number;
  readonly state: 'created' | 'running' | 'exited' | 'unknown';
  readonly createdAtMs: number;
  readonly startedAtMs?: number;
  readonly finishedAtMs?: number;
  readonly exitCode?: number;
  readonly signal?: number;
  /** `Completed`, `Error`, `OOMKilled`, `ContainerCannotRun` ... */
  readonly reason?: string;
  readonly message?: string;
  readonly imageId: string;
  /** Reference with a digest where the image has one. */
  readonly imageReference: string;
  /** The image's name as the runtime has it, `docker.io/library/nginx:latest`; absent: as the user wrote it. */
  readonly imageName?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly logPath: string;
  /** Who the first process ran as, where the runtime knows it. */
  readonly user?: { readonly userId: number; readonly groupId: number; readonly supplementalGroups: readonly number[] };
}

export interface ExecResult {
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface ExecOptions extends AttachOptions {
  readonly command: readonly string[];
}

export interface AttachOptions {
  readonly tty: boolean;
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
}

export interface CommandConnectionOptions extends AttachOptions {
  /** Undefined: attach. */
  readonly command: readonly string[] | undefined;
  readonly protocol: string;
}

export interface ExecSession {
  /** Ending it closes the process's input (half-close). */
  readonly stdin?: Writable;
  readonly stdout?: Readable;
  readonly stderr?: Readable;
  resize(columns: number, rows: number): void;
  /** Resolves the exit code; for an attach when the streams end. */
  readonly exited: Promise<number>;
  /** Kills an exec, leaves an attach. */
  close(): void;
}

export interface PullOptions {
  readonly auth?: RegistryCredentials;
  readonly sandbox?: SandboxSpec;
  readonly runtimeHandler?: string;
  readonly signal?: AbortSignal;
}

export interface RegistryCredentials {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly serverAddress?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}

export interface ImageState {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly sizeBytes: number;
  /** The user that the image wants, when it names a number; else its name. */
  readonly userId?: number;
  readonly userName?: string;
  /** Never collected: the sandbox image, and what the one who runs the node put there. */
  readonly pinned: boolean;
}

export interface RuntimeInspection {
  /** CRI's ContainerStatus. */
  readonly status: Readonly<Record<string, unknown>>;
  /** What the runtime adds, each value JSON or a plain word. */
  readonly info: Readonly<Record<string, string>>;
}

export interface ContainerStats {
  readonly containerId: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly timeMs: number;
  readonly cpuUsageCoreNanos: number;
  readonly memoryWorkingSetBytes: number;
  readonly memoryUsageBytes: number;
  readonly memoryRssBytes: number;
  readonly pageFaults: number;
  readonly majorPageFaults: number;
  readonly writableLayerBytes: number;
  readonly writableLayerInodes: number;
}

export interface RuntimeEvent {
  readonly type: 'created' | 'started' | 'exited' | 'removed' | 'oom';
  readonly kind: 'sandbox' | 'container';
  readonly id: string;
  readonly exitCode?: number;
  readonly exitedAtMs?: number;
}
