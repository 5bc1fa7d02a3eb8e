/** generatedBy scripts/runtime/wire-tables.mjs from the modules cri-api@v0.36.3 and containerd@v1.6.20. Do not edit. */
import type { MethodTable, WireTable } from '../../../../../core/plugin-api/wire.js';

export const tables: WireTable = {
  'containerd.events.ContainerCreate': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'image', type: 'string', number: 2 },
    { name: 'runtime', type: 'containerd.events.ContainerCreate.Runtime', number: 3 },
  ],
  'containerd.events.ContainerCreate.Runtime': [
    { name: 'name', type: 'string', number: 1 },
    { name: 'options', type: 'google.protobuf.Any', number: 2 },
  ],
  'containerd.events.ContainerDelete': [{ name: 'id', type: 'string', number: 1 }],
  'containerd.events.TaskExit': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'id', type: 'string', number: 2 },
    { name: 'pid', type: 'uint32', number: 3 },
    { name: 'exitStatus', type: 'uint32', number: 4 },
    { name: 'exitedAt', type: 'google.protobuf.Timestamp', number: 5 },
  ],
  'containerd.events.TaskOOM': [{ name: 'containerId', type: 'string', number: 1 }],
  'containerd.events.TaskStart': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'pid', type: 'uint32', number: 2 },
  ],
  'containerd.services.containers.v1.Container': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'labels', type: 'map[string]string', number: 2 },
    { name: 'image', type: 'string', number: 3 },
    { name: 'runtime', type: 'containerd.services.containers.v1.Container.Runtime', number: 4 },
    { name: 'spec', type: 'google.protobuf.Any', number: 5 },
    { name: 'snapshotter', type: 'string', number: 6 },
    { name: 'snapshotKey', type: 'string', number: 7 },
    { name: 'createdAt', type: 'google.protobuf.Timestamp', number: 8 },
    { name: 'updatedAt', type: 'google.protobuf.Timestamp', number: 9 },
    { name: 'extensions', type: 'map[string]google.protobuf.Any', number: 10 },
  ],
  'containerd.services.containers.v1.Container.Runtime': [
    { name: 'name', type: 'string', number: 1 },
    { name: 'options', type: 'google.protobuf.Any', number: 2 },
  ],
  'containerd.services.containers.v1.GetContainerRequest': [{ name: 'id', type: 'string', number: 1 }],
  'containerd.services.containers.v1.GetContainerResponse': [
    { name: 'container', type: 'containerd.services.containers.v1.Container', number: 1 },
  ],
  'containerd.services.events.v1.Envelope': [
    { name: 'timestamp', type: 'google.protobuf.Timestamp', number: 1 },
    { name: 'namespace', type: 'string', number: 2 },
    { name: 'topic', type: 'string', number: 3 },
    { name: 'event', type: 'google.protobuf.Any', number: 4 },
  ],
  'containerd.services.events.v1.SubscribeRequest': [{ name: 'filters', type: '[]string', number: 1 }],
  'containerd.services.snapshots.v1.MountsRequest': [
    { name: 'snapshotter', type: 'string', number: 1 },
    { name: 'key', type: 'string', number: 2 },
  ],
  'containerd.services.snapshots.v1.MountsResponse': [{ name: 'mounts', type: '[]containerd.types.Mount', number: 1 }],
  'containerd.services.snapshots.v1.RemoveSnapshotRequest': [
    { name: 'snapshotter', type: 'string', number: 1 },
    { name: 'key', type: 'string', number: 2 },
  ],
  'containerd.services.snapshots.v1.ViewSnapshotRequest': [
    { name: 'snapshotter', type: 'string', number: 1 },
    { name: 'key', type: 'string', number: 2 },
    { name: 'parent', type: 'string', number: 3 },
    { name: 'labels', type: 'map[string]string', number: 4 },
  ],
  'containerd.services.snapshots.v1.ViewSnapshotResponse': [{ name: 'mounts', type: '[]containerd.types.Mount', number: 1 }],
  'containerd.services.tasks.v1.CloseIORequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'execId', type: 'string', number: 2 },
    { name: 'stdin', type: 'bool', number: 3 },
  ],
  'containerd.services.tasks.v1.DeleteProcessRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'execId', type: 'string', number: 2 },
  ],
  'containerd.services.tasks.v1.DeleteResponse': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'pid', type: 'uint32', number: 2 },
    { name: 'exitStatus', type: 'uint32', number: 3 },
    { name: 'exitedAt', type: 'google.protobuf.Timestamp', number: 4 },
  ],
  'containerd.services.tasks.v1.ExecProcessRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'stdin', type: 'string', number: 2 },
    { name: 'stdout', type: 'string', number: 3 },
    { name: 'stderr', type: 'string', number: 4 },
    { name: 'terminal', type: 'bool', number: 5 },
    { name: 'spec', type: 'google.protobuf.Any', number: 6 },
    { name: 'execId', type: 'string', number: 7 },
  ],
  'containerd.services.tasks.v1.KillRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'execId', type: 'string', number: 2 },
    { name: 'signal', type: 'uint32', number: 3 },
    { name: 'all', type: 'bool', number: 4 },
  ],
  'containerd.services.tasks.v1.ResizePtyRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'execId', type: 'string', number: 2 },
    { name: 'width', type: 'uint32', number: 3 },
    { name: 'height', type: 'uint32', number: 4 },
  ],
  'containerd.services.tasks.v1.StartRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'execId', type: 'string', number: 2 },
  ],
  'containerd.services.tasks.v1.StartResponse': [{ name: 'pid', type: 'uint32', number: 1 }],
  'containerd.services.tasks.v1.WaitRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'execId', type: 'string', number: 2 },
  ],
  'containerd.services.tasks.v1.WaitResponse': [
    { name: 'exitStatus', type: 'uint32', number: 1 },
    { name: 'exitedAt', type: 'google.protobuf.Timestamp', number: 2 },
  ],
  'containerd.services.version.v1.VersionResponse': [
    { name: 'version', type: 'string', number: 1 },
    { name: 'revision', type: 'string', number: 2 },
  ],
  'containerd.types.Mount': [
    { name: 'type', type: 'string', number: 1 },
    { name: 'source', type: 'string', number: 2 },
    { name: 'target', type: 'string', number: 3 },
    { name: 'options', type: '[]string', number: 4 },
  ],
  'google.protobuf.Any': [
    { name: 'typeUrl', type: 'string', number: 1 },
    { name: 'value', type: 'bytes', number: 2 },
  ],
  'google.protobuf.Empty': [],
  'google.protobuf.Timestamp': [
    { name: 'seconds', type: 'int64', number: 1 },
    { name: 'nanos', type: 'int32', number: 2 },
  ],
  'runtime.v1.AttachRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'stdin', type: 'bool', number: 2 },
    { name: 'tty', type: 'bool', number: 3 },
    { name: 'stdout', type: 'bool', number: 4 },
    { name: 'stderr', type: 'bool', number: 5 },
  ],
  'runtime.v1.AttachResponse': [{ name: 'url', type: 'string', number: 1 }],
  'runtime.v1.AuthConfig': [
    { name: 'username', type: 'string', number: 1 },
    { name: 'password', type: 'string', number: 2 },
    { name: 'auth', type: 'string', number: 3 },
    { name: 'serverAddress', type: 'string', number: 4 },
    { name: 'identityToken', type: 'string', number: 5 },
    { name: 'registryToken', type: 'string', number: 6 },
  ],
  'runtime.v1.CDIDevice': [{ name: 'name', type: 'string', number: 1 }],
  'runtime.v1.Capability': [
    { name: 'addCapabilities', type: '[]string', number: 1 },
    { name: 'dropCapabilities', type: '[]string', number: 2 },
    { name: 'addAmbientCapabilities', type: '[]string', number: 3 },
  ],
  'runtime.v1.Container': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'podSandboxId', type: 'string', number: 2 },
    { name: 'metadata', type: 'runtime.v1.ContainerMetadata', number: 3 },
    { name: 'image', type: 'runtime.v1.ImageSpec', number: 4 },
    { name: 'imageRef', type: 'string', number: 5 },
    {
      name: 'state',
      type: 'int32',
      number: 6,
      enum: ['CONTAINER_CREATED', 'CONTAINER_RUNNING', 'CONTAINER_EXITED', 'CONTAINER_UNKNOWN'],
    },
    { name: 'createdAt', type: 'int64', number: 7 },
    { name: 'labels', type: 'map[string]string', number: 8 },
    { name: 'annotations', type: 'map[string]string', number: 9 },
    { name: 'imageId', type: 'string', number: 10 },
  ],
  'runtime.v1.ContainerAttributes': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'metadata', type: 'runtime.v1.ContainerMetadata', number: 2 },
    { name: 'labels', type: 'map[string]string', number: 3 },
    { name: 'annotations', type: 'map[string]string', number: 4 },
  ],
  'runtime.v1.ContainerConfig': [
    { name: 'metadata', type: 'runtime.v1.ContainerMetadata', number: 1 },
    { name: 'image', type: 'runtime.v1.ImageSpec', number: 2 },
    { name: 'command', type: '[]string', number: 3 },
    { name: 'args', type: '[]string', number: 4 },
    { name: 'workingDir', type: 'string', number: 5 },
    { name: 'envs', type: '[]runtime.v1.KeyValue', number: 6 },
    { name: 'mounts', type: '[]runtime.v1.Mount', number: 7 },
    { name: 'devices', type: '[]runtime.v1.Device', number: 8 },
    { name: 'labels', type: 'map[string]string', number: 9 },
    { name: 'annotations', type: 'map[string]string', number: 10 },
    { name: 'logPath', type: 'string', number: 11 },
    { name: 'stdin', type: 'bool', number: 12 },
    { name: 'stdinOnce', type: 'bool', number: 13 },
    { name: 'tty', type: 'bool', number: 14 },
    { name: 'linux', type: 'runtime.v1.LinuxContainerConfig', number: 15 },
    { name: 'windows', type: 'runtime.v1.WindowsContainerConfig', number: 16 },
    { name: 'cDIDevices', type: '[]runtime.v1.CDIDevice', number: 17 },
    {
      name: 'stopSignal',
      type: 'int32',
      number: 18,
      enum: [
        'RUNTIME_DEFAULT',
        'SIGABRT',
        'SIGALRM',
        'SIGBUS',
        'SIGCHLD',
        'SIGCLD',
        'SIGCONT',
        'SIGFPE',
        'SIGHUP',
        'SIGILL',
        'SIGINT',
        'SIGIO',
        'SIGIOT',
        'SIGKILL',
        'SIGPIPE',
        'SIGPOLL',
        'SIGPROF',
        'SIGPWR',
        'SIGQUIT',
        'SIGSEGV',
        'SIGSTKFLT',
        'SIGSTOP',
        'SIGSYS',
        'SIGTERM',
        'SIGTRAP',
        'SIGTSTP',
        'SIGTTIN',
        'SIGTTOU',
        'SIGURG',
        'SIGUSR1',
        'SIGUSR2',
        'SIGVTALRM',
        'SIGWINCH',
        'SIGXCPU',
        'SIGXFSZ',
        'SIGRTMIN',
        'SIGRTMINPLUS1',
        'SIGRTMINPLUS2',
        'SIGRTMINPLUS3',
        'SIGRTMINPLUS4',
        'SIGRTMINPLUS5',
        'SIGRTMINPLUS6',
        'SIGRTMINPLUS7',
        'SIGRTMINPLUS8',
        'SIGRTMINPLUS9',
        'SIGRTMINPLUS10',
        'SIGRTMINPLUS11',
        'SIGRTMINPLUS12',
        'SIGRTMINPLUS13',
        'SIGRTMINPLUS14',
        'SIGRTMINPLUS15',
        'SIGRTMAXMINUS14',
        'SIGRTMAXMINUS13',
        'SIGRTMAXMINUS12',
        'SIGRTMAXMINUS11',
        'SIGRTMAXMINUS10',
        'SIGRTMAXMINUS9',
        'SIGRTMAXMINUS8',
        'SIGRTMAXMINUS7',
        'SIGRTMAXMINUS6',
        'SIGRTMAXMINUS5',
        'SIGRTMAXMINUS4',
        'SIGRTMAXMINUS3',
        'SIGRTMAXMINUS2',
        'SIGRTMAXMINUS1',
        'SIGRTMAX',
      ],
    },
  ],
  'runtime.v1.ContainerFilter': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'state', type: 'runtime.v1.ContainerStateValue', number: 2 },
    { name: 'podSandboxId', type: 'string', number: 3 },
    { name: 'labelSelector', type: 'map[string]string', number: 4 },
  ],
  'runtime.v1.ContainerMetadata': [
    { name: 'name', type: 'string', number: 1 },
    { name: 'attempt', type: 'uint32', number: 2 },
  ],
  'runtime.v1.ContainerResources': [
    { name: 'linux', type: 'runtime.v1.LinuxContainerResources', number: 1 },
    { name: 'windows', type: 'runtime.v1.WindowsContainerResources', number: 2 },
  ],
  'runtime.v1.ContainerStateValue': [
    {
      name: 'state',
      type: 'int32',
      number: 1,
      enum: ['CONTAINER_CREATED', 'CONTAINER_RUNNING', 'CONTAINER_EXITED', 'CONTAINER_UNKNOWN'],
    },
  ],
  'runtime.v1.ContainerStats': [
    { name: 'attributes', type: 'runtime.v1.ContainerAttributes', number: 1 },
    { name: 'cpu', type: 'runtime.v1.CpuUsage', number: 2 },
    { name: 'memory', type: 'runtime.v1.MemoryUsage', number: 3 },
    { name: 'writableLayer', type: 'runtime.v1.FilesystemUsage', number: 4 },
    { name: 'swap', type: 'runtime.v1.SwapUsage', number: 5 },
    { name: 'io', type: 'runtime.v1.IoUsage', number: 6 },
  ],
  'runtime.v1.ContainerStatsFilter': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'podSandboxId', type: 'string', number: 2 },
    { name: 'labelSelector', type: 'map[string]string', number: 3 },
  ],
  'runtime.v1.ContainerStatus': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'metadata', type: 'runtime.v1.ContainerMetadata', number: 2 },
    {
      name: 'state',
      type: 'int32',
      number: 3,
      enum: ['CONTAINER_CREATED', 'CONTAINER_RUNNING', 'CONTAINER_EXITED', 'CONTAINER_UNKNOWN'],
    },
    { name: 'createdAt', type: 'int64', number: 4 },
    { name: 'startedAt', type: 'int64', number: 5 },
    { name: 'finishedAt', type: 'int64', number: 6 },
    { name: 'exitCode', type: 'int32', number: 7 },
    { name: 'image', type: 'runtime.v1.ImageSpec', number: 8 },
    { name: 'imageRef', type: 'string', number: 9 },
    { name: 'reason', type: 'string', number: 10 },
    { name: 'message', type: 'string', number: 11 },
    { name: 'labels', type: 'map[string]string', number: 12 },
    { name: 'annotations', type: 'map[string]string', number: 13 },
    { name: 'mounts', type: '[]runtime.v1.Mount', number: 14 },
    { name: 'logPath', type: 'string', number: 15 },
    { name: 'resources', type: 'runtime.v1.ContainerResources', number: 16 },
    { name: 'imageId', type: 'string', number: 17 },
    { name: 'user', type: 'runtime.v1.ContainerUser', number: 18 },
    {
      name: 'stopSignal',
      type: 'int32',
      number: 19,
      enum: [
        'RUNTIME_DEFAULT',
        'SIGABRT',
        'SIGALRM',
        'SIGBUS',
        'SIGCHLD',
        'SIGCLD',
        'SIGCONT',
        'SIGFPE',
        'SIGHUP',
        'SIGILL',
        'SIGINT',
        'SIGIO',
        'SIGIOT',
        'SIGKILL',
        'SIGPIPE',
        'SIGPOLL',
        'SIGPROF',
        'SIGPWR',
        'SIGQUIT',
        'SIGSEGV',
        'SIGSTKFLT',
        'SIGSTOP',
        'SIGSYS',
        'SIGTERM',
        'SIGTRAP',
        'SIGTSTP',
        'SIGTTIN',
        'SIGTTOU',
        'SIGURG',
        'SIGUSR1',
        'SIGUSR2',
        'SIGVTALRM',
        'SIGWINCH',
        'SIGXCPU',
        'SIGXFSZ',
        'SIGRTMIN',
        'SIGRTMINPLUS1',
        'SIGRTMINPLUS2',
        'SIGRTMINPLUS3',
        'SIGRTMINPLUS4',
        'SIGRTMINPLUS5',
        'SIGRTMINPLUS6',
        'SIGRTMINPLUS7',
        'SIGRTMINPLUS8',
        'SIGRTMINPLUS9',
        'SIGRTMINPLUS10',
        'SIGRTMINPLUS11',
        'SIGRTMINPLUS12',
        'SIGRTMINPLUS13',
        'SIGRTMINPLUS14',
        'SIGRTMINPLUS15',
        'SIGRTMAXMINUS14',
        'SIGRTMAXMINUS13',
        'SIGRTMAXMINUS12',
        'SIGRTMAXMINUS11',
        'SIGRTMAXMINUS10',
        'SIGRTMAXMINUS9',
        'SIGRTMAXMINUS8',
        'SIGRTMAXMINUS7',
        'SIGRTMAXMINUS6',
        'SIGRTMAXMINUS5',
        'SIGRTMAXMINUS4',
        'SIGRTMAXMINUS3',
        'SIGRTMAXMINUS2',
        'SIGRTMAXMINUS1',
        'SIGRTMAX',
      ],
    },
  ],
  'runtime.v1.ContainerStatusRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'verbose', type: 'bool', number: 2 },
  ],
  'runtime.v1.ContainerStatusResponse': [
    { name: 'status', type: 'runtime.v1.ContainerStatus', number: 1 },
    { name: 'info', type: 'map[string]string', number: 2 },
  ],
  'runtime.v1.ContainerUser': [{ name: 'linux', type: 'runtime.v1.LinuxContainerUser', number: 1 }],
  'runtime.v1.CpuUsage': [
    { name: 'timestamp', type: 'int64', number: 1 },
    { name: 'usageCoreNanoSeconds', type: 'runtime.v1.UInt64Value', number: 2 },
    { name: 'usageNanoCores', type: 'runtime.v1.UInt64Value', number: 3 },
    { name: 'psi', type: 'runtime.v1.PsiStats', number: 4 },
  ],
  'runtime.v1.CreateContainerRequest': [
    { name: 'podSandboxId', type: 'string', number: 1 },
    { name: 'config', type: 'runtime.v1.ContainerConfig', number: 2 },
    { name: 'sandboxConfig', type: 'runtime.v1.PodSandboxConfig', number: 3 },
  ],
  'runtime.v1.CreateContainerResponse': [{ name: 'containerId', type: 'string', number: 1 }],
  'runtime.v1.DNSConfig': [
    { name: 'servers', type: '[]string', number: 1 },
    { name: 'searches', type: '[]string', number: 2 },
    { name: 'options', type: '[]string', number: 3 },
  ],
  'runtime.v1.Device': [
    { name: 'containerPath', type: 'string', number: 1 },
    { name: 'hostPath', type: 'string', number: 2 },
    { name: 'permissions', type: 'string', number: 3 },
  ],
  'runtime.v1.ExecRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'cmd', type: '[]string', number: 2 },
    { name: 'tty', type: 'bool', number: 3 },
    { name: 'stdin', type: 'bool', number: 4 },
    { name: 'stdout', type: 'bool', number: 5 },
    { name: 'stderr', type: 'bool', number: 6 },
  ],
  'runtime.v1.ExecResponse': [{ name: 'url', type: 'string', number: 1 }],
  'runtime.v1.ExecSyncRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'cmd', type: '[]string', number: 2 },
    { name: 'timeout', type: 'int64', number: 3 },
  ],
  'runtime.v1.ExecSyncResponse': [
    { name: 'stdout', type: 'bytes', number: 1 },
    { name: 'stderr', type: 'bytes', number: 2 },
    { name: 'exitCode', type: 'int32', number: 3 },
  ],
  'runtime.v1.FilesystemIdentifier': [{ name: 'mountpoint', type: 'string', number: 1 }],
  'runtime.v1.FilesystemUsage': [
    { name: 'timestamp', type: 'int64', number: 1 },
    { name: 'fsId', type: 'runtime.v1.FilesystemIdentifier', number: 2 },
    { name: 'usedBytes', type: 'runtime.v1.UInt64Value', number: 3 },
    { name: 'inodesUsed', type: 'runtime.v1.UInt64Value', number: 4 },
  ],
  'runtime.v1.HugepageLimit': [
    { name: 'pageSize', type: 'string', number: 1 },
    { name: 'limit', type: 'uint64', number: 2 },
  ],
  'runtime.v1.IDMapping': [
    { name: 'hostId', type: 'uint32', number: 1 },
    { name: 'containerId', type: 'uint32', number: 2 },
    { name: 'length', type: 'uint32', number: 3 },
  ],
  'runtime.v1.Image': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'repoTags', type: '[]string', number: 2 },
    { name: 'repoDigests', type: '[]string', number: 3 },
    { name: 'size', type: 'uint64', number: 4 },
    { name: 'uid', type: 'runtime.v1.Int64Value', number: 5 },
    { name: 'username', type: 'string', number: 6 },
    { name: 'spec', type: 'runtime.v1.ImageSpec', number: 7 },
    { name: 'pinned', type: 'bool', number: 8 },
  ],
  'runtime.v1.ImageFilter': [{ name: 'image', type: 'runtime.v1.ImageSpec', number: 1 }],
  'runtime.v1.ImageFsInfoRequest': [],
  'runtime.v1.ImageFsInfoResponse': [
    { name: 'imageFilesystems', type: '[]runtime.v1.FilesystemUsage', number: 1 },
    { name: 'containerFilesystems', type: '[]runtime.v1.FilesystemUsage', number: 2 },
  ],
  'runtime.v1.ImageSpec': [
    { name: 'image', type: 'string', number: 1 },
    { name: 'annotations', type: 'map[string]string', number: 2 },
    { name: 'userSpecifiedImage', type: 'string', number: 18 },
    { name: 'runtimeHandler', type: 'string', number: 19 },
    { name: 'imageRef', type: 'string', number: 20 },
  ],
  'runtime.v1.ImageStatusRequest': [
    { name: 'image', type: 'runtime.v1.ImageSpec', number: 1 },
    { name: 'verbose', type: 'bool', number: 2 },
  ],
  'runtime.v1.ImageStatusResponse': [
    { name: 'image', type: 'runtime.v1.Image', number: 1 },
    { name: 'info', type: 'map[string]string', number: 2 },
  ],
  'runtime.v1.Int64Value': [{ name: 'value', type: 'int64', number: 1 }],
  'runtime.v1.IoUsage': [
    { name: 'timestamp', type: 'int64', number: 1 },
    { name: 'psi', type: 'runtime.v1.PsiStats', number: 2 },
  ],
  'runtime.v1.KeyValue': [
    { name: 'key', type: 'string', number: 1 },
    { name: 'value', type: 'bytes', number: 2 },
  ],
  'runtime.v1.LinuxContainerConfig': [
    { name: 'resources', type: 'runtime.v1.LinuxContainerResources', number: 1 },
    { name: 'securityContext', type: 'runtime.v1.LinuxContainerSecurityContext', number: 2 },
  ],
  'runtime.v1.LinuxContainerResources': [
    { name: 'cpuPeriod', type: 'int64', number: 1 },
    { name: 'cpuQuota', type: 'int64', number: 2 },
    { name: 'cpuShares', type: 'int64', number: 3 },
    { name: 'memoryLimitInBytes', type: 'int64', number: 4 },
    { name: 'oomScoreAdj', type: 'int64', number: 5 },
    { name: 'cpusetCpus', type: 'string', number: 6 },
    { name: 'cpusetMems', type: 'string', number: 7 },
    { name: 'hugepageLimits', type: '[]runtime.v1.HugepageLimit', number: 8 },
    { name: 'unified', type: 'map[string]string', number: 9 },
    { name: 'memorySwapLimitInBytes', type: 'int64', number: 10 },
  ],
  'runtime.v1.LinuxContainerSecurityContext': [
    { name: 'capabilities', type: 'runtime.v1.Capability', number: 1 },
    { name: 'privileged', type: 'bool', number: 2 },
    { name: 'namespaceOptions', type: 'runtime.v1.NamespaceOption', number: 3 },
    { name: 'selinuxOptions', type: 'runtime.v1.SELinuxOption', number: 4 },
    { name: 'runAsUser', type: 'runtime.v1.Int64Value', number: 5 },
    { name: 'runAsGroup', type: 'runtime.v1.Int64Value', number: 12 },
    { name: 'runAsUsername', type: 'string', number: 6 },
    { name: 'readonlyRootfs', type: 'bool', number: 7 },
    { name: 'supplementalGroups', type: '[]int64', number: 8 },
    { name: 'supplementalGroupsPolicy', type: 'int32', number: 17, enum: ['Merge', 'Strict'] },
    { name: 'noNewPrivs', type: 'bool', number: 11 },
    { name: 'maskedPaths', type: '[]string', number: 13 },
    { name: 'readonlyPaths', type: '[]string', number: 14 },
    { name: 'seccomp', type: 'runtime.v1.SecurityProfile', number: 15 },
    { name: 'apparmor', type: 'runtime.v1.SecurityProfile', number: 16 },
    { name: 'apparmorProfile', type: 'string', number: 9 },
    { name: 'seccompProfilePath', type: 'string', number: 10 },
  ],
  'runtime.v1.LinuxContainerUser': [
    { name: 'uid', type: 'int64', number: 1 },
    { name: 'gid', type: 'int64', number: 2 },
    { name: 'supplementalGroups', type: '[]int64', number: 3 },
  ],
  'runtime.v1.LinuxPodSandboxConfig': [
    { name: 'cgroupParent', type: 'string', number: 1 },
    { name: 'securityContext', type: 'runtime.v1.LinuxSandboxSecurityContext', number: 2 },
    { name: 'sysctls', type: 'map[string]string', number: 3 },
    { name: 'overhead', type: 'runtime.v1.LinuxContainerResources', number: 4 },
    { name: 'resources', type: 'runtime.v1.LinuxContainerResources', number: 5 },
  ],
  'runtime.v1.LinuxPodSandboxStatus': [{ name: 'namespaces', type: 'runtime.v1.Namespace', number: 1 }],
  'runtime.v1.LinuxSandboxSecurityContext': [
    { name: 'namespaceOptions', type: 'runtime.v1.NamespaceOption', number: 1 },
    { name: 'selinuxOptions', type: 'runtime.v1.SELinuxOption', number: 2 },
    { name: 'runAsUser', type: 'runtime.v1.Int64Value', number: 3 },
    { name: 'runAsGroup', type: 'runtime.v1.Int64Value', number: 8 },
    { name: 'readonlyRootfs', type: 'bool', number: 4 },
    { name: 'supplementalGroups', type: '[]int64', number: 5 },
    { name: 'supplementalGroupsPolicy', type: 'int32', number: 11, enum: ['Merge', 'Strict'] },
    { name: 'privileged', type: 'bool', number: 6 },
    { name: 'seccomp', type: 'runtime.v1.SecurityProfile', number: 9 },
    { name: 'apparmor', type: 'runtime.v1.SecurityProfile', number: 10 },
    { name: 'seccompProfilePath', type: 'string', number: 7 },
  ],
  'runtime.v1.ListContainerStatsRequest': [{ name: 'filter', type: 'runtime.v1.ContainerStatsFilter', number: 1 }],
  'runtime.v1.ListContainerStatsResponse': [{ name: 'stats', type: '[]runtime.v1.ContainerStats', number: 1 }],
  'runtime.v1.ListContainersRequest': [{ name: 'filter', type: 'runtime.v1.ContainerFilter', number: 1 }],
  'runtime.v1.ListContainersResponse': [{ name: 'containers', type: '[]runtime.v1.Container', number: 1 }],
  'runtime.v1.ListImagesRequest': [{ name: 'filter', type: 'runtime.v1.ImageFilter', number: 1 }],
  'runtime.v1.ListImagesResponse': [{ name: 'images', type: '[]runtime.v1.Image', number: 1 }],
  'runtime.v1.ListPodSandboxRequest': [{ name: 'filter', type: 'runtime.v1.PodSandboxFilter', number: 1 }],
  'runtime.v1.ListPodSandboxResponse': [{ name: 'items', type: '[]runtime.v1.PodSandbox', number: 1 }],
  'runtime.v1.MemoryUsage': [
    { name: 'timestamp', type: 'int64', number: 1 },
    { name: 'workingSetBytes', type: 'runtime.v1.UInt64Value', number: 2 },
    { name: 'availableBytes', type: 'runtime.v1.UInt64Value', number: 3 },
    { name: 'usageBytes', type: 'runtime.v1.UInt64Value', number: 4 },
    { name: 'rssBytes', type: 'runtime.v1.UInt64Value', number: 5 },
    { name: 'pageFaults', type: 'runtime.v1.UInt64Value', number: 6 },
    { name: 'majorPageFaults', type: 'runtime.v1.UInt64Value', number: 7 },
    { name: 'psi', type: 'runtime.v1.PsiStats', number: 8 },
  ],
  'runtime.v1.Mount': [
    { name: 'containerPath', type: 'string', number: 1 },
    { name: 'hostPath', type: 'string', number: 2 },
    { name: 'readonly', type: 'bool', number: 3 },
    { name: 'selinuxRelabel', type: 'bool', number: 4 },
    {
      name: 'propagation',
      type: 'int32',
      number: 5,
      enum: ['PROPAGATION_PRIVATE', 'PROPAGATION_HOST_TO_CONTAINER', 'PROPAGATION_BIDIRECTIONAL'],
    },
    { name: 'uidMappings', type: '[]runtime.v1.IDMapping', number: 6 },
    { name: 'gidMappings', type: '[]runtime.v1.IDMapping', number: 7 },
    { name: 'recursiveReadOnly', type: 'bool', number: 8 },
    { name: 'image', type: 'runtime.v1.ImageSpec', number: 9 },
    { name: 'imageSubPath', type: 'string', number: 10 },
  ],
  'runtime.v1.Namespace': [{ name: 'options', type: 'runtime.v1.NamespaceOption', number: 2 }],
  'runtime.v1.NamespaceOption': [
    { name: 'network', type: 'int32', number: 1, enum: ['POD', 'CONTAINER', 'NODE', 'TARGET'] },
    { name: 'pid', type: 'int32', number: 2, enum: ['POD', 'CONTAINER', 'NODE', 'TARGET'] },
    { name: 'ipc', type: 'int32', number: 3, enum: ['POD', 'CONTAINER', 'NODE', 'TARGET'] },
    { name: 'targetId', type: 'string', number: 4 },
    { name: 'usernsOptions', type: 'runtime.v1.UserNamespace', number: 5 },
  ],
  'runtime.v1.NetworkConfig': [{ name: 'podCidr', type: 'string', number: 1 }],
  'runtime.v1.PodIP': [{ name: 'ip', type: 'string', number: 1 }],
  'runtime.v1.PodSandbox': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'metadata', type: 'runtime.v1.PodSandboxMetadata', number: 2 },
    { name: 'state', type: 'int32', number: 3, enum: ['SANDBOX_READY', 'SANDBOX_NOTREADY'] },
    { name: 'createdAt', type: 'int64', number: 4 },
    { name: 'labels', type: 'map[string]string', number: 5 },
    { name: 'annotations', type: 'map[string]string', number: 6 },
    { name: 'runtimeHandler', type: 'string', number: 7 },
  ],
  'runtime.v1.PodSandboxConfig': [
    { name: 'metadata', type: 'runtime.v1.PodSandboxMetadata', number: 1 },
    { name: 'hostname', type: 'string', number: 2 },
    { name: 'logDirectory', type: 'string', number: 3 },
    { name: 'dnsConfig', type: 'runtime.v1.DNSConfig', number: 4 },
    { name: 'portMappings', type: '[]runtime.v1.PortMapping', number: 5 },
    { name: 'labels', type: 'map[string]string', number: 6 },
    { name: 'annotations', type: 'map[string]string', number: 7 },
    { name: 'linux', type: 'runtime.v1.LinuxPodSandboxConfig', number: 8 },
    { name: 'windows', type: 'runtime.v1.WindowsPodSandboxConfig', number: 9 },
  ],
  'runtime.v1.PodSandboxFilter': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'state', type: 'runtime.v1.PodSandboxStateValue', number: 2 },
    { name: 'labelSelector', type: 'map[string]string', number: 3 },
  ],
  'runtime.v1.PodSandboxMetadata': [
    { name: 'name', type: 'string', number: 1 },
    { name: 'uid', type: 'string', number: 2 },
    { name: 'namespace', type: 'string', number: 3 },
    { name: 'attempt', type: 'uint32', number: 4 },
  ],
  'runtime.v1.PodSandboxNetworkStatus': [
    { name: 'ip', type: 'string', number: 1 },
    { name: 'additionalIps', type: '[]runtime.v1.PodIP', number: 2 },
  ],
  'runtime.v1.PodSandboxStateValue': [{ name: 'state', type: 'int32', number: 1, enum: ['SANDBOX_READY', 'SANDBOX_NOTREADY'] }],
  'runtime.v1.PodSandboxStatus': [
    { name: 'id', type: 'string', number: 1 },
    { name: 'metadata', type: 'runtime.v1.PodSandboxMetadata', number: 2 },
    { name: 'state', type: 'int32', number: 3, enum: ['SANDBOX_READY', 'SANDBOX_NOTREADY'] },
    { name: 'createdAt', type: 'int64', number: 4 },
    { name: 'network', type: 'runtime.v1.PodSandboxNetworkStatus', number: 5 },
    { name: 'linux', type: 'runtime.v1.LinuxPodSandboxStatus', number: 6 },
    { name: 'labels', type: 'map[string]string', number: 7 },
    { name: 'annotations', type: 'map[string]string', number: 8 },
    { name: 'runtimeHandler', type: 'string', number: 9 },
  ],
  'runtime.v1.PodSandboxStatusRequest': [
    { name: 'podSandboxId', type: 'string', number: 1 },
    { name: 'verbose', type: 'bool', number: 2 },
  ],
  'runtime.v1.PodSandboxStatusResponse': [
    { name: 'status', type: 'runtime.v1.PodSandboxStatus', number: 1 },
    { name: 'info', type: 'map[string]string', number: 2 },
    { name: 'containersStatuses', type: '[]runtime.v1.ContainerStatus', number: 3 },
    { name: 'timestamp', type: 'int64', number: 4 },
  ],
  'runtime.v1.PortForwardRequest': [
    { name: 'podSandboxId', type: 'string', number: 1 },
    { name: 'port', type: '[]int32', number: 2 },
  ],
  'runtime.v1.PortForwardResponse': [{ name: 'url', type: 'string', number: 1 }],
  'runtime.v1.PortMapping': [
    { name: 'protocol', type: 'int32', number: 1, enum: ['TCP', 'UDP', 'SCTP'] },
    { name: 'containerPort', type: 'int32', number: 2 },
    { name: 'hostPort', type: 'int32', number: 3 },
    { name: 'hostIp', type: 'string', number: 4 },
  ],
  'runtime.v1.PsiData': [
    { name: 'total', type: 'uint64', number: 1 },
    { name: 'avg10', type: 'float64', number: 2 },
    { name: 'avg60', type: 'float64', number: 3 },
    { name: 'avg300', type: 'float64', number: 4 },
  ],
  'runtime.v1.PsiStats': [
    { name: 'full', type: 'runtime.v1.PsiData', number: 1 },
    { name: 'some', type: 'runtime.v1.PsiData', number: 2 },
  ],
  'runtime.v1.PullImageRequest': [
    { name: 'image', type: 'runtime.v1.ImageSpec', number: 1 },
    { name: 'auth', type: 'runtime.v1.AuthConfig', number: 2 },
    { name: 'sandboxConfig', type: 'runtime.v1.PodSandboxConfig', number: 3 },
  ],
  'runtime.v1.PullImageResponse': [{ name: 'imageRef', type: 'string', number: 1 }],
  'runtime.v1.RemoveContainerRequest': [{ name: 'containerId', type: 'string', number: 1 }],
  'runtime.v1.RemoveContainerResponse': [],
  'runtime.v1.RemoveImageRequest': [{ name: 'image', type: 'runtime.v1.ImageSpec', number: 1 }],
  'runtime.v1.RemoveImageResponse': [],
  'runtime.v1.RemovePodSandboxRequest': [{ name: 'podSandboxId', type: 'string', number: 1 }],
  'runtime.v1.RemovePodSandboxResponse': [],
  'runtime.v1.ReopenContainerLogRequest': [{ name: 'containerId', type: 'string', number: 1 }],
  'runtime.v1.ReopenContainerLogResponse': [],
  'runtime.v1.RunPodSandboxRequest': [
    { name: 'config', type: 'runtime.v1.PodSandboxConfig', number: 1 },
    { name: 'runtimeHandler', type: 'string', number: 2 },
  ],
  'runtime.v1.RunPodSandboxResponse': [{ name: 'podSandboxId', type: 'string', number: 1 }],
  'runtime.v1.RuntimeCondition': [
    { name: 'type', type: 'string', number: 1 },
    { name: 'status', type: 'bool', number: 2 },
    { name: 'reason', type: 'string', number: 3 },
    { name: 'message', type: 'string', number: 4 },
  ],
  'runtime.v1.RuntimeConfig': [{ name: 'networkConfig', type: 'runtime.v1.NetworkConfig', number: 1 }],
  'runtime.v1.RuntimeFeatures': [
    { name: 'supplementalGroupsPolicy', type: 'bool', number: 1 },
    { name: 'userNamespacesHostNetwork', type: 'bool', number: 2 },
  ],
  'runtime.v1.RuntimeHandler': [
    { name: 'name', type: 'string', number: 1 },
    { name: 'features', type: 'runtime.v1.RuntimeHandlerFeatures', number: 2 },
  ],
  'runtime.v1.RuntimeHandlerFeatures': [
    { name: 'recursiveReadOnlyMounts', type: 'bool', number: 1 },
    { name: 'userNamespaces', type: 'bool', number: 2 },
  ],
  'runtime.v1.RuntimeStatus': [{ name: 'conditions', type: '[]runtime.v1.RuntimeCondition', number: 1 }],
  'runtime.v1.SELinuxOption': [
    { name: 'user', type: 'string', number: 1 },
    { name: 'role', type: 'string', number: 2 },
    { name: 'type', type: 'string', number: 3 },
    { name: 'level', type: 'string', number: 4 },
  ],
  'runtime.v1.SecurityProfile': [
    { name: 'profileType', type: 'int32', number: 1, enum: ['RuntimeDefault', 'Unconfined', 'Localhost'] },
    { name: 'localhostRef', type: 'string', number: 2 },
  ],
  'runtime.v1.StartContainerRequest': [{ name: 'containerId', type: 'string', number: 1 }],
  'runtime.v1.StartContainerResponse': [],
  'runtime.v1.StatusRequest': [{ name: 'verbose', type: 'bool', number: 1 }],
  'runtime.v1.StatusResponse': [
    { name: 'status', type: 'runtime.v1.RuntimeStatus', number: 1 },
    { name: 'info', type: 'map[string]string', number: 2 },
    { name: 'runtimeHandlers', type: '[]runtime.v1.RuntimeHandler', number: 3 },
    { name: 'features', type: 'runtime.v1.RuntimeFeatures', number: 4 },
  ],
  'runtime.v1.StopContainerRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'timeout', type: 'int64', number: 2 },
  ],
  'runtime.v1.StopContainerResponse': [],
  'runtime.v1.StopPodSandboxRequest': [{ name: 'podSandboxId', type: 'string', number: 1 }],
  'runtime.v1.StopPodSandboxResponse': [],
  'runtime.v1.SwapUsage': [
    { name: 'timestamp', type: 'int64', number: 1 },
    { name: 'swapAvailableBytes', type: 'runtime.v1.UInt64Value', number: 2 },
    { name: 'swapUsageBytes', type: 'runtime.v1.UInt64Value', number: 3 },
  ],
  'runtime.v1.UInt64Value': [{ name: 'value', type: 'uint64', number: 1 }],
  'runtime.v1.UpdateContainerResourcesRequest': [
    { name: 'containerId', type: 'string', number: 1 },
    { name: 'linux', type: 'runtime.v1.LinuxContainerResources', number: 2 },
    { name: 'windows', type: 'runtime.v1.WindowsContainerResources', number: 3 },
    { name: 'annotations', type: 'map[string]string', number: 4 },
  ],
  'runtime.v1.UpdateContainerResourcesResponse': [],
  'runtime.v1.UpdateRuntimeConfigRequest': [{ name: 'runtimeConfig', type: 'runtime.v1.RuntimeConfig', number: 1 }],
  'runtime.v1.UpdateRuntimeConfigResponse': [],
  'runtime.v1.UserNamespace': [
    { name: 'mode', type: 'int32', number: 1, enum: ['POD', 'CONTAINER', 'NODE', 'TARGET'] },
    { name: 'uids', type: '[]runtime.v1.IDMapping', number: 2 },
    { name: 'gids', type: '[]runtime.v1.IDMapping', number: 3 },
  ],
  'runtime.v1.VersionRequest': [{ name: 'version', type: 'string', number: 1 }],
  'runtime.v1.VersionResponse': [
    { name: 'version', type: 'string', number: 1 },
    { name: 'runtimeName', type: 'string', number: 2 },
    { name: 'runtimeVersion', type: 'string', number: 3 },
    { name: 'runtimeApiVersion', type: 'string', number: 4 },
  ],
  'runtime.v1.WindowsContainerConfig': [
    { name: 'resources', type: 'runtime.v1.WindowsContainerResources', number: 1 },
    { name: 'securityContext', type: 'runtime.v1.WindowsContainerSecurityContext', number: 2 },
  ],
  'runtime.v1.WindowsContainerResources': [
    { name: 'cpuShares', type: 'int64', number: 1 },
    { name: 'cpuCount', type: 'int64', number: 2 },
    { name: 'cpuMaximum', type: 'int64', number: 3 },
    { name: 'memoryLimitInBytes', type: 'int64', number: 4 },
    { name: 'rootfsSizeInBytes', type: 'int64', number: 5 },
    { name: 'affinityCpus', type: '[]runtime.v1.WindowsCpuGroupAffinity', number: 6 },
  ],
  'runtime.v1.WindowsContainerSecurityContext': [
    { name: 'runAsUsername', type: 'string', number: 1 },
    { name: 'credentialSpec', type: 'string', number: 2 },
    { name: 'hostProcess', type: 'bool', number: 3 },
  ],
  'runtime.v1.WindowsCpuGroupAffinity': [
    { name: 'cpuMask', type: 'uint64', number: 1 },
    { name: 'cpuGroup', type: 'uint32', number: 2 },
  ],
  'runtime.v1.WindowsNamespaceOption': [
    { name: 'network', type: 'int32', number: 1, enum: ['POD', 'CONTAINER', 'NODE', 'TARGET'] },
  ],
  'runtime.v1.WindowsPodSandboxConfig': [
    { name: 'securityContext', type: 'runtime.v1.WindowsSandboxSecurityContext', number: 1 },
  ],
  'runtime.v1.WindowsSandboxSecurityContext': [
    { name: 'runAsUsername', type: 'string', number: 1 },
    { name: 'credentialSpec', type: 'string', number: 2 },
    { name: 'hostProcess', type: 'bool', number: 3 },
    { name: 'namespaceOptions', type: 'runtime.v1.WindowsNamespaceOption', number: 4 },
  ],
};

export const methods = {
  Version: {
    path: '/runtime.v1.RuntimeService/Version',
    request: 'runtime.v1.VersionRequest',
    response: 'runtime.v1.VersionResponse',
  },
  Status: {
    path: '/runtime.v1.RuntimeService/Status',
    request: 'runtime.v1.StatusRequest',
    response: 'runtime.v1.StatusResponse',
  },
  RunPodSandbox: {
    path: '/runtime.v1.RuntimeService/RunPodSandbox',
    request: 'runtime.v1.RunPodSandboxRequest',
    response: 'runtime.v1.RunPodSandboxResponse',
  },
  StopPodSandbox: {
    path: '/runtime.v1.RuntimeService/StopPodSandbox',
    request: 'runtime.v1.StopPodSandboxRequest',
    response: 'runtime.v1.StopPodSandboxResponse',
  },
  RemovePodSandbox: {
    path: '/runtime.v1.RuntimeService/RemovePodSandbox',
    request: 'runtime.v1.RemovePodSandboxRequest',
    response: 'runtime.v1.RemovePodSandboxResponse',
  },
  PodSandboxStatus: {
    path: '/runtime.v1.RuntimeService/PodSandboxStatus',
    request: 'runtime.v1.PodSandboxStatusRequest',
    response: 'runtime.v1.PodSandboxStatusResponse',
  },
  ListPodSandbox: {
    path: '/runtime.v1.RuntimeService/ListPodSandbox',
    request: 'runtime.v1.ListPodSandboxRequest',
    response: 'runtime.v1.ListPodSandboxResponse',
  },
  CreateContainer: {
    path: '/runtime.v1.RuntimeService/CreateContainer',
    request: 'runtime.v1.CreateContainerRequest',
    response: 'runtime.v1.CreateContainerResponse',
  },
  StartContainer: {
    path: '/runtime.v1.RuntimeService/StartContainer',
    request: 'runtime.v1.StartContainerRequest',
    response: 'runtime.v1.StartContainerResponse',
  },
  StopContainer: {
    path: '/runtime.v1.RuntimeService/StopContainer',
    request: 'runtime.v1.StopContainerRequest',
    response: 'runtime.v1.StopContainerResponse',
  },
  RemoveContainer: {
    path: '/runtime.v1.RuntimeService/RemoveContainer',
    request: 'runtime.v1.RemoveContainerRequest',
    response: 'runtime.v1.RemoveContainerResponse',
  },
  ListContainers: {
    path: '/runtime.v1.RuntimeService/ListContainers',
    request: 'runtime.v1.ListContainersRequest',
    response: 'runtime.v1.ListContainersResponse',
  },
  ContainerStatus: {
    path: '/runtime.v1.RuntimeService/ContainerStatus',
    request: 'runtime.v1.ContainerStatusRequest',
    response: 'runtime.v1.ContainerStatusResponse',
  },
  UpdateContainerResources: {
    path: '/runtime.v1.RuntimeService/UpdateContainerResources',
    request: 'runtime.v1.UpdateContainerResourcesRequest',
    response: 'runtime.v1.UpdateContainerResourcesResponse',
  },
  ReopenContainerLog: {
    path: '/runtime.v1.RuntimeService/ReopenContainerLog',
    request: 'runtime.v1.ReopenContainerLogRequest',
    response: 'runtime.v1.ReopenContainerLogResponse',
  },
  ExecSync: {
    path: '/runtime.v1.RuntimeService/ExecSync',
    request: 'runtime.v1.ExecSyncRequest',
    response: 'runtime.v1.ExecSyncResponse',
  },
  Exec: { path: '/runtime.v1.RuntimeService/Exec', request: 'runtime.v1.ExecRequest', response: 'runtime.v1.ExecResponse' },
  Attach: {
    path: '/runtime.v1.RuntimeService/Attach',
    request: 'runtime.v1.AttachRequest',
    response: 'runtime.v1.AttachResponse',
  },
  PortForward: {
    path: '/runtime.v1.RuntimeService/PortForward',
    request: 'runtime.v1.PortForwardRequest',
    response: 'runtime.v1.PortForwardResponse',
  },
  ListContainerStats: {
    path: '/runtime.v1.RuntimeService/ListContainerStats',
    request: 'runtime.v1.ListContainerStatsRequest',
    response: 'runtime.v1.ListContainerStatsResponse',
  },
  UpdateRuntimeConfig: {
    path: '/runtime.v1.RuntimeService/UpdateRuntimeConfig',
    request: 'runtime.v1.UpdateRuntimeConfigRequest',
    response: 'runtime.v1.UpdateRuntimeConfigResponse',
  },
  ListImages: {
    path: '/runtime.v1.ImageService/ListImages',
    request: 'runtime.v1.ListImagesRequest',
    response: 'runtime.v1.ListImagesResponse',
  },
  ImageStatus: {
    path: '/runtime.v1.ImageService/ImageStatus',
    request: 'runtime.v1.ImageStatusRequest',
    response: 'runtime.v1.ImageStatusResponse',
  },
  PullImage: {
    path: '/runtime.v1.ImageService/PullImage',
    request: 'runtime.v1.PullImageRequest',
    response: 'runtime.v1.PullImageResponse',
  },
  RemoveImage: {
    path: '/runtime.v1.ImageService/RemoveImage',
    request: 'runtime.v1.RemoveImageRequest',
    response: 'runtime.v1.RemoveImageResponse',
  },
  ImageFsInfo: {
    path: '/runtime.v1.ImageService/ImageFsInfo',
    request: 'runtime.v1.ImageFsInfoRequest',
    response: 'runtime.v1.ImageFsInfoResponse',
  },
  'containers.Get': {
    path: '/containerd.services.containers.v1.Containers/Get',
    request: 'containerd.services.containers.v1.GetContainerRequest',
    response: 'containerd.services.containers.v1.GetContainerResponse',
  },
  'events.Subscribe': {
    path: '/containerd.services.events.v1.Events/Subscribe',
    request: 'containerd.services.events.v1.SubscribeRequest',
    response: 'containerd.services.events.v1.Envelope',
    stream: true,
  },
  'snapshots.View': {
    path: '/containerd.services.snapshots.v1.Snapshots/View',
    request: 'containerd.services.snapshots.v1.ViewSnapshotRequest',
    response: 'containerd.services.snapshots.v1.ViewSnapshotResponse',
  },
  'snapshots.Mounts': {
    path: '/containerd.services.snapshots.v1.Snapshots/Mounts',
    request: 'containerd.services.snapshots.v1.MountsRequest',
    response: 'containerd.services.snapshots.v1.MountsResponse',
  },
  'snapshots.Remove': {
    path: '/containerd.services.snapshots.v1.Snapshots/Remove',
    request: 'containerd.services.snapshots.v1.RemoveSnapshotRequest',
    response: 'google.protobuf.Empty',
  },
  'tasks.Exec': {
    path: '/containerd.services.tasks.v1.Tasks/Exec',
    request: 'containerd.services.tasks.v1.ExecProcessRequest',
    response: 'google.protobuf.Empty',
  },
  'tasks.Start': {
    path: '/containerd.services.tasks.v1.Tasks/Start',
    request: 'containerd.services.tasks.v1.StartRequest',
    response: 'containerd.services.tasks.v1.StartResponse',
  },
  'tasks.Wait': {
    path: '/containerd.services.tasks.v1.Tasks/Wait',
    request: 'containerd.services.tasks.v1.WaitRequest',
    response: 'containerd.services.tasks.v1.WaitResponse',
  },
  'tasks.CloseIO': {
    path: '/containerd.services.tasks.v1.Tasks/CloseIO',
    request: 'containerd.services.tasks.v1.CloseIORequest',
    response: 'google.protobuf.Empty',
  },
  'tasks.ResizePty': {
    path: '/containerd.services.tasks.v1.Tasks/ResizePty',
    request: 'containerd.services.tasks.v1.ResizePtyRequest',
    response: 'google.protobuf.Empty',
  },
  'tasks.Kill': {
    path: '/containerd.services.tasks.v1.Tasks/Kill',
    request: 'containerd.services.tasks.v1.KillRequest',
    response: 'google.protobuf.Empty',
  },
  'tasks.DeleteProcess': {
    path: '/containerd.services.tasks.v1.Tasks/DeleteProcess',
    request: 'containerd.services.tasks.v1.DeleteProcessRequest',
    response: 'containerd.services.tasks.v1.DeleteResponse',
  },
  'version.Version': {
    path: '/containerd.services.version.v1.Version/Version',
    request: 'google.protobuf.Empty',
    response: 'containerd.services.version.v1.VersionResponse',
  },
} as const satisfies MethodTable;

export interface ContainerCreate {
  readonly id?: string;
  readonly image?: string;
  readonly runtime?: Runtime;
}

export interface Runtime {
  readonly name?: string;
  readonly options?: WireAny;
}

export interface ContainerDelete {
  readonly id?: string;
}

export interface TaskExit {
  readonly containerId?: string;
  readonly id?: string;
  readonly pid?: number;
  readonly exitStatus?: number;
  readonly exitedAt?: WireTimestamp;
}

export interface TaskOOM {
  readonly containerId?: string;
}

export interface TaskStart {
  readonly containerId?: string;
  readonly pid?: number;
}

export interface ContainersContainer {
  readonly id?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly image?: string;
  readonly runtime?: ContainersRuntime;
  readonly spec?: WireAny;
  readonly snapshotter?: string;
  readonly snapshotKey?: string;
  readonly createdAt?: WireTimestamp;
  readonly updatedAt?: WireTimestamp;
  readonly extensions?: Readonly<Record<string, WireAny>>;
}

export interface ContainersRuntime {
  readonly name?: string;
  readonly options?: WireAny;
}

export interface ContainersGetContainerRequest {
  readonly id?: string;
}

export interface ContainersGetContainerResponse {
  readonly container?: ContainersContainer;
}

export interface EventsEnvelope {
  readonly timestamp?: WireTimestamp;
  readonly namespace?: string;
  readonly topic?: string;
  readonly event?: WireAny;
}

export interface EventsSubscribeRequest {
  readonly filters?: readonly string[];
}

export interface SnapshotsMountsRequest {
  readonly snapshotter?: string;
  readonly key?: string;
}

export interface SnapshotsMountsResponse {
  readonly mounts?: readonly TypesMount[];
}

export interface SnapshotsRemoveSnapshotRequest {
  readonly snapshotter?: string;
  readonly key?: string;
}

export interface SnapshotsViewSnapshotRequest {
  readonly snapshotter?: string;
  readonly key?: string;
  readonly parent?: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export interface SnapshotsViewSnapshotResponse {
  readonly mounts?: readonly TypesMount[];
}

export interface TasksCloseIORequest {
  readonly containerId?: string;
  readonly execId?: string;
  readonly stdin?: boolean;
}

export interface TasksDeleteProcessRequest {
  readonly containerId?: string;
  readonly execId?: string;
}

export interface TasksDeleteResponse {
  readonly id?: string;
  readonly pid?: number;
  readonly exitStatus?: number;
  readonly exitedAt?: WireTimestamp;
}

export interface TasksExecProcessRequest {
  readonly containerId?: string;
  readonly stdin?: string;
  readonly stdout?: string;
  readonly stderr?: string;
  readonly terminal?: boolean;
  readonly spec?: WireAny;
  readonly execId?: string;
}

export interface TasksKillRequest {
  readonly containerId?: string;
  readonly execId?: string;
  readonly signal?: number;
  readonly all?: boolean;
}

export interface TasksResizePtyRequest {
  readonly containerId?: string;
  readonly execId?: string;
  readonly width?: number;
  readonly height?: number;
}

export interface TasksStartRequest {
  readonly containerId?: string;
  readonly execId?: string;
}

export interface TasksStartResponse {
  readonly pid?: number;
}

export interface TasksWaitRequest {
  readonly containerId?: string;
  readonly execId?: string;
}

export interface TasksWaitResponse {
  readonly exitStatus?: number;
  readonly exitedAt?: WireTimestamp;
}

export interface VersionVersionResponse {
  readonly version?: string;
  readonly revision?: string;
}

export interface TypesMount {
  readonly type?: string;
  readonly source?: string;
  readonly target?: string;
  readonly options?: readonly string[];
}

export interface WireAny {
  readonly typeUrl?: string;
  readonly value?: Uint8Array;
}

export interface WireEmpty {}

export interface WireTimestamp {
  readonly seconds?: number;
  readonly nanos?: number;
}

export interface AttachRequest {
  readonly containerId?: string;
  readonly stdin?: boolean;
  readonly tty?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
}

export interface AttachResponse {
  readonly url?: string;
}

export interface AuthConfig {
  readonly username?: string;
  readonly password?: string;
  readonly auth?: string;
  readonly serverAddress?: string;
  readonly identityToken?: string;
  readonly registryToken?: string;
}

export interface CDIDevice {
  readonly name?: string;
}

export interface Capability {
  readonly addCapabilities?: readonly string[];
  readonly dropCapabilities?: readonly string[];
  readonly addAmbientCapabilities?: readonly string[];
}

export interface Container {
  readonly id?: string;
  readonly podSandboxId?: string;
  readonly metadata?: ContainerMetadata;
  readonly image?: ImageSpec;
  readonly imageRef?: string;
  readonly state?: 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';
  readonly createdAt?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly imageId?: string;
}

export interface ContainerAttributes {
  readonly id?: string;
  readonly metadata?: ContainerMetadata;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface ContainerConfig {
  readonly metadata?: ContainerMetadata;
  readonly image?: ImageSpec;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly workingDir?: string;
  readonly envs?: readonly KeyValue[];
  readonly mounts?: readonly Mount[];
  readonly devices?: readonly Device[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly logPath?: string;
  readonly stdin?: boolean;
  readonly stdinOnce?: boolean;
  readonly tty?: boolean;
  readonly linux?: LinuxContainerConfig;
  readonly windows?: WindowsContainerConfig;
  readonly cDIDevices?: readonly CDIDevice[];
  readonly stopSignal?:
    | 'RUNTIME_DEFAULT'
    | 'SIGABRT'
    | 'SIGALRM'
    | 'SIGBUS'
    | 'SIGCHLD'
    | 'SIGCLD'
    | 'SIGCONT'
    | 'SIGFPE'
    | 'SIGHUP'
    | 'SIGILL'
    | 'SIGINT'
    | 'SIGIO'
    | 'SIGIOT'
    | 'SIGKILL'
    | 'SIGPIPE'
    | 'SIGPOLL'
    | 'SIGPROF'
    | 'SIGPWR'
    | 'SIGQUIT'
    | 'SIGSEGV'
    | 'SIGSTKFLT'
    | 'SIGSTOP'
    | 'SIGSYS'
    | 'SIGTERM'
    | 'SIGTRAP'
    | 'SIGTSTP'
    | 'SIGTTIN'
    | 'SIGTTOU'
    | 'SIGURG'
    | 'SIGUSR1'
    | 'SIGUSR2'
    | 'SIGVTALRM'
    | 'SIGWINCH'
    | 'SIGXCPU'
    | 'SIGXFSZ'
    | 'SIGRTMIN'
    | 'SIGRTMINPLUS1'
    | 'SIGRTMINPLUS2'
    | 'SIGRTMINPLUS3'
    | 'SIGRTMINPLUS4'
    | 'SIGRTMINPLUS5'
    | 'SIGRTMINPLUS6'
    | 'SIGRTMINPLUS7'
    | 'SIGRTMINPLUS8'
    | 'SIGRTMINPLUS9'
    | 'SIGRTMINPLUS10'
    | 'SIGRTMINPLUS11'
    | 'SIGRTMINPLUS12'
    | 'SIGRTMINPLUS13'
    | 'SIGRTMINPLUS14'
    | 'SIGRTMINPLUS15'
    | 'SIGRTMAXMINUS14'
    | 'SIGRTMAXMINUS13'
    | 'SIGRTMAXMINUS12'
    | 'SIGRTMAXMINUS11'
    | 'SIGRTMAXMINUS10'
    | 'SIGRTMAXMINUS9'
    | 'SIGRTMAXMINUS8'
    | 'SIGRTMAXMINUS7'
    | 'SIGRTMAXMINUS6'
    | 'SIGRTMAXMINUS5'
    | 'SIGRTMAXMINUS4'
    | 'SIGRTMAXMINUS3'
    | 'SIGRTMAXMINUS2'
    | 'SIGRTMAXMINUS1'
    | 'SIGRTMAX';
}

export interface ContainerFilter {
  readonly id?: string;
  readonly state?: ContainerStateValue;
  readonly podSandboxId?: string;
  readonly labelSelector?: Readonly<Record<string, string>>;
}

export interface ContainerMetadata {
  readonly name?: string;
  readonly attempt?: number;
}

export interface ContainerResources {
  readonly linux?: LinuxContainerResources;
  readonly windows?: WindowsContainerResources;
}

export interface ContainerStateValue {
  readonly state?: 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';
}

export interface ContainerStats {
  readonly attributes?: ContainerAttributes;
  readonly cpu?: CpuUsage;
  readonly memory?: MemoryUsage;
  readonly writableLayer?: FilesystemUsage;
  readonly swap?: SwapUsage;
  readonly io?: IoUsage;
}

export interface ContainerStatsFilter {
  readonly id?: string;
  readonly podSandboxId?: string;
  readonly labelSelector?: Readonly<Record<string, string>>;
}

export interface ContainerStatus {
  readonly id?: string;
  readonly metadata?: ContainerMetadata;
  readonly state?: 'CONTAINER_CREATED' | 'CONTAINER_RUNNING' | 'CONTAINER_EXITED' | 'CONTAINER_UNKNOWN';
  readonly createdAt?: number;
  readonly startedAt?: number;
  readonly finishedAt?: number;
  readonly exitCode?: number;
  readonly image?: ImageSpec;
  readonly imageRef?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly mounts?: readonly Mount[];
  readonly logPath?: string;
  readonly resources?: ContainerResources;
  readonly imageId?: string;
  readonly user?: ContainerUser;
  readonly stopSignal?:
    | 'RUNTIME_DEFAULT'
    | 'SIGABRT'
    | 'SIGALRM'
    | 'SIGBUS'
    | 'SIGCHLD'
    | 'SIGCLD'
    | 'SIGCONT'
    | 'SIGFPE'
    | 'SIGHUP'
    | 'SIGILL'
    | 'SIGINT'
    | 'SIGIO'
    | 'SIGIOT'
    | 'SIGKILL'
    | 'SIGPIPE'
    | 'SIGPOLL'
    | 'SIGPROF'
    | 'SIGPWR'
    | 'SIGQUIT'
    | 'SIGSEGV'
    | 'SIGSTKFLT'
    | 'SIGSTOP'
    | 'SIGSYS'
    | 'SIGTERM'
    | 'SIGTRAP'
    | 'SIGTSTP'
    | 'SIGTTIN'
    | 'SIGTTOU'
    | 'SIGURG'
    | 'SIGUSR1'
    | 'SIGUSR2'
    | 'SIGVTALRM'
    | 'SIGWINCH'
    | 'SIGXCPU'
    | 'SIGXFSZ'
    | 'SIGRTMIN'
    | 'SIGRTMINPLUS1'
    | 'SIGRTMINPLUS2'
    | 'SIGRTMINPLUS3'
    | 'SIGRTMINPLUS4'
    | 'SIGRTMINPLUS5'
    | 'SIGRTMINPLUS6'
    | 'SIGRTMINPLUS7'
    | 'SIGRTMINPLUS8'
    | 'SIGRTMINPLUS9'
    | 'SIGRTMINPLUS10'
    | 'SIGRTMINPLUS11'
    | 'SIGRTMINPLUS12'
    | 'SIGRTMINPLUS13'
    | 'SIGRTMINPLUS14'
    | 'SIGRTMINPLUS15'
    | 'SIGRTMAXMINUS14'
    | 'SIGRTMAXMINUS13'
    | 'SIGRTMAXMINUS12'
    | 'SIGRTMAXMINUS11'
    | 'SIGRTMAXMINUS10'
    | 'SIGRTMAXMINUS9'
    | 'SIGRTMAXMINUS8'
    | 'SIGRTMAXMINUS7'
    | 'SIGRTMAXMINUS6'
    | 'SIGRTMAXMINUS5'
    | 'SIGRTMAXMINUS4'
    | 'SIGRTMAXMINUS3'
    | 'SIGRTMAXMINUS2'
    | 'SIGRTMAXMINUS1'
    | 'SIGRTMAX';
}

export interface ContainerStatusRequest {
  readonly containerId?: string;
  readonly verbose?: boolean;
}

export interface ContainerStatusResponse {
  readonly status?: ContainerStatus;
  readonly info?: Readonly<Record<string, string>>;
}

export interface ContainerUser {
  readonly linux?: LinuxContainerUser;
}

export interface CpuUsage {
  readonly timestamp?: number;
  readonly usageCoreNanoSeconds?: UInt64Value;
  readonly usageNanoCores?: UInt64Value;
  readonly psi?: PsiStats;
}

export interface CreateContainerRequest {
  readonly podSandboxId?: string;
  readonly config?: ContainerConfig;
  readonly sandboxConfig?: PodSandboxConfig;
}

export interface CreateContainerResponse {
  readonly containerId?: string;
}

export interface DNSConfig {
  readonly servers?: readonly string[];
  readonly searches?: readonly string[];
  readonly options?: readonly string[];
}

export interface Device {
  readonly containerPath?: string;
  readonly hostPath?: string;
  readonly permissions?: string;
}

export interface ExecRequest {
  readonly containerId?: string;
  readonly cmd?: readonly string[];
  readonly tty?: boolean;
  readonly stdin?: boolean;
  readonly stdout?: boolean;
  readonly stderr?: boolean;
}

export interface ExecResponse {
  readonly url?: string;
}

export interface ExecSyncRequest {
  readonly containerId?: string;
  readonly cmd?: readonly string[];
  readonly timeout?: number;
}

export interface ExecSyncResponse {
  readonly stdout?: Uint8Array;
  readonly stderr?: Uint8Array;
  readonly exitCode?: number;
}

export interface FilesystemIdentifier {
  readonly mountpoint?: string;
}

export interface FilesystemUsage {
  readonly timestamp?: number;
  readonly fsId?: FilesystemIdentifier;
  readonly usedBytes?: UInt64Value;
  readonly inodesUsed?: UInt64Value;
}

export interface HugepageLimit {
  readonly pageSize?: string;
  readonly limit?: number;
}

export interface IDMapping {
  readonly hostId?: number;
  readonly containerId?: number;
  readonly length?: number;
}

export interface Image {
  readonly id?: string;
  readonly repoTags?: readonly string[];
  readonly repoDigests?: readonly string[];
  readonly size?: number;
  readonly uid?: Int64Value;
  readonly username?: string;
  readonly spec?: ImageSpec;
  readonly pinned?: boolean;
}

export interface ImageFilter {
  readonly image?: ImageSpec;
}

export interface ImageFsInfoRequest {}

export interface ImageFsInfoResponse {
  readonly imageFilesystems?: readonly FilesystemUsage[];
  readonly containerFilesystems?: readonly FilesystemUsage[];
}

export interface ImageSpec {
  readonly image?: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly userSpecifiedImage?: string;
  readonly runtimeHandler?: string;
  readonly imageRef?: string;
}

export interface ImageStatusRequest {
  readonly image?: ImageSpec;
  readonly verbose?: boolean;
}

export interface ImageStatusResponse {
  readonly image?: Image;
  readonly info?: Readonly<Record<string, string>>;
}

export interface Int64Value {
  readonly value?: number;
}

export interface IoUsage {
  readonly timestamp?: number;
  readonly psi?: PsiStats;
}

export interface KeyValue {
  readonly key?: string;
  readonly value?: Uint8Array;
}

export interface LinuxContainerConfig {
  readonly resources?: LinuxContainerResources;
  readonly securityContext?: LinuxContainerSecurityContext;
}

export interface LinuxContainerResources {
  readonly cpuPeriod?: number;
  readonly cpuQuota?: number;
  readonly cpuShares?: number;
  readonly memoryLimitInBytes?: number;
  readonly oomScoreAdj?: number;
  readonly cpusetCpus?: string;
  readonly cpusetMems?: string;
  readonly hugepageLimits?: readonly HugepageLimit[];
  readonly unified?: Readonly<Record<string, string>>;
  readonly memorySwapLimitInBytes?: number;
}

export interface LinuxContainerSecurityContext {
  readonly capabilities?: Capability;
  readonly privileged?: boolean;
  readonly namespaceOptions?: NamespaceOption;
  readonly selinuxOptions?: SELinuxOption;
  readonly runAsUser?: Int64Value;
  readonly runAsGroup?: Int64Value;
  readonly runAsUsername?: string;
  readonly readonlyRootfs?: boolean;
  readonly supplementalGroups?: readonly number[];
  readonly supplementalGroupsPolicy?: 'Merge' | 'Strict';
  readonly noNewPrivs?: boolean;
  readonly maskedPaths?: readonly string[];
  readonly readonlyPaths?: readonly string[];
  readonly seccomp?: SecurityProfile;
  readonly apparmor?: SecurityProfile;
  readonly apparmorProfile?: string;
  readonly seccompProfilePath?: string;
}

export interface LinuxContainerUser {
  readonly uid?: number;
  readonly gid?: number;
  readonly supplementalGroups?: readonly number[];
}

export interface LinuxPodSandboxConfig {
  readonly cgroupParent?: string;
  readonly securityContext?: LinuxSandboxSecurityContext;
  readonly sysctls?: Readonly<Record<string, string>>;
  readonly overhead?: LinuxContainerResources;
  readonly resources?: LinuxContainerResources;
}

export interface LinuxPodSandboxStatus {
  readonly namespaces?: Namespace;
}

export interface LinuxSandboxSecurityContext {
  readonly namespaceOptions?: NamespaceOption;
  readonly selinuxOptions?: SELinuxOption;
  readonly runAsUser?: Int64Value;
  readonly runAsGroup?: Int64Value;
  readonly readonlyRootfs?: boolean;
  readonly supplementalGroups?: readonly number[];
  readonly supplementalGroupsPolicy?: 'Merge' | 'Strict';
  readonly privileged?: boolean;
  readonly seccomp?: SecurityProfile;
  readonly apparmor?: SecurityProfile;
  readonly seccompProfilePath?: string;
}

export interface ListContainerStatsRequest {
  readonly filter?: ContainerStatsFilter;
}

export interface ListContainerStatsResponse {
  readonly stats?: readonly ContainerStats[];
}

export interface ListContainersRequest {
  readonly filter?: ContainerFilter;
}

export interface ListContainersResponse {
  readonly containers?: readonly Container[];
}

export interface ListImagesRequest {
  readonly filter?: ImageFilter;
}

export interface ListImagesResponse {
  readonly images?: readonly Image[];
}

export interface ListPodSandboxRequest {
  readonly filter?: PodSandboxFilter;
}

export interface ListPodSandboxResponse {
  readonly items?: readonly PodSandbox[];
}

export interface MemoryUsage {
  readonly timestamp?: number;
  readonly workingSetBytes?: UInt64Value;
  readonly availableBytes?: UInt64Value;
  readonly usageBytes?: UInt64Value;
  readonly rssBytes?: UInt64Value;
  readonly pageFaults?: UInt64Value;
  readonly majorPageFaults?: UInt64Value;
  readonly psi?: PsiStats;
}

export interface Mount {
  readonly containerPath?: string;
  readonly hostPath?: string;
  readonly readonly?: boolean;
  readonly selinuxRelabel?: boolean;
  readonly propagation?: 'PROPAGATION_PRIVATE' | 'PROPAGATION_HOST_TO_CONTAINER' | 'PROPAGATION_BIDIRECTIONAL';
  readonly uidMappings?: readonly IDMapping[];
  readonly gidMappings?: readonly IDMapping[];
  readonly recursiveReadOnly?: boolean;
  readonly image?: ImageSpec;
  readonly imageSubPath?: string;
}

export interface Namespace {
  readonly options?: NamespaceOption;
}

export interface NamespaceOption {
  readonly network?: 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';
  readonly pid?: 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';
  readonly ipc?: 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';
  readonly targetId?: string;
  readonly usernsOptions?: UserNamespace;
}

export interface NetworkConfig {
  readonly podCidr?: string;
}

export interface PodIP {
  readonly ip?: string;
}

export interface PodSandbox {
  readonly id?: string;
  readonly metadata?: PodSandboxMetadata;
  readonly state?: 'SANDBOX_READY' | 'SANDBOX_NOTREADY';
  readonly createdAt?: number;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly runtimeHandler?: string;
}

export interface PodSandboxConfig {
  readonly metadata?: PodSandboxMetadata;
  readonly hostname?: string;
  readonly logDirectory?: string;
  readonly dnsConfig?: DNSConfig;
  readonly portMappings?: readonly PortMapping[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly linux?: LinuxPodSandboxConfig;
  readonly windows?: WindowsPodSandboxConfig;
}

export interface PodSandboxFilter {
  readonly id?: string;
  readonly state?: PodSandboxStateValue;
  readonly labelSelector?: Readonly<Record<string, string>>;
}

export interface PodSandboxMetadata {
  readonly name?: string;
  readonly uid?: string;
  readonly namespace?: string;
  readonly attempt?: number;
}

export interface PodSandboxNetworkStatus {
  readonly ip?: string;
  readonly additionalIps?: readonly PodIP[];
}

export interface PodSandboxStateValue {
  readonly state?: 'SANDBOX_READY' | 'SANDBOX_NOTREADY';
}

export interface PodSandboxStatus {
  readonly id?: string;
  readonly metadata?: PodSandboxMetadata;
  readonly state?: 'SANDBOX_READY' | 'SANDBOX_NOTREADY';
  readonly createdAt?: number;
  readonly network?: PodSandboxNetworkStatus;
  readonly linux?: LinuxPodSandboxStatus;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly runtimeHandler?: string;
}

export interface PodSandboxStatusRequest {
  readonly podSandboxId?: string;
  readonly verbose?: boolean;
}

export interface PodSandboxStatusResponse {
  readonly status?: PodSandboxStatus;
  readonly info?: Readonly<Record<string, string>>;
  readonly containersStatuses?: readonly ContainerStatus[];
  readonly timestamp?: number;
}

export interface PortForwardRequest {
  readonly podSandboxId?: string;
  readonly port?: readonly number[];
}

export interface PortForwardResponse {
  readonly url?: string;
}

export interface PortMapping {
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly containerPort?: number;
  readonly hostPort?: number;
  readonly hostIp?: string;
}

export interface PsiData {
  readonly total?: number;
  readonly avg10?: number;
  readonly avg60?: number;
  readonly avg300?: number;
}

export interface PsiStats {
  readonly full?: PsiData;
  readonly some?: PsiData;
}

export interface PullImageRequest {
  readonly image?: ImageSpec;
  readonly auth?: AuthConfig;
  readonly sandboxConfig?: PodSandboxConfig;
}

export interface PullImageResponse {
  readonly imageRef?: string;
}

export interface RemoveContainerRequest {
  readonly containerId?: string;
}

export interface RemoveContainerResponse {}

export interface RemoveImageRequest {
  readonly image?: ImageSpec;
}

export interface RemoveImageResponse {}

export interface RemovePodSandboxRequest {
  readonly podSandboxId?: string;
}

export interface RemovePodSandboxResponse {}

export interface ReopenContainerLogRequest {
  readonly containerId?: string;
}

export interface ReopenContainerLogResponse {}

export interface RunPodSandboxRequest {
  readonly config?: PodSandboxConfig;
  readonly runtimeHandler?: string;
}

export interface RunPodSandboxResponse {
  readonly podSandboxId?: string;
}

export interface RuntimeCondition {
  readonly type?: string;
  readonly status?: boolean;
  readonly reason?: string;
  readonly message?: string;
}

export interface RuntimeConfig {
  readonly networkConfig?: NetworkConfig;
}

export interface RuntimeFeatures {
  readonly supplementalGroupsPolicy?: boolean;
  readonly userNamespacesHostNetwork?: boolean;
}

export interface RuntimeHandler {
  readonly name?: string;
  readonly features?: RuntimeHandlerFeatures;
}

export interface RuntimeHandlerFeatures {
  readonly recursiveReadOnlyMounts?: boolean;
  readonly userNamespaces?: boolean;
}

export interface RuntimeStatus {
  readonly conditions?: readonly RuntimeCondition[];
}

export interface SELinuxOption {
  readonly user?: string;
  readonly role?: string;
  readonly type?: string;
  readonly level?: string;
}

export interface SecurityProfile {
  readonly profileType?: 'RuntimeDefault' | 'Unconfined' | 'Localhost';
  readonly localhostRef?: string;
}

export interface StartContainerRequest {
  readonly containerId?: string;
}

export interface StartContainerResponse {}

export interface StatusRequest {
  readonly verbose?: boolean;
}

export interface StatusResponse {
  readonly status?: RuntimeStatus;
  readonly info?: Readonly<Record<string, string>>;
  readonly runtimeHandlers?: readonly RuntimeHandler[];
  readonly features?: RuntimeFeatures;
}

export interface StopContainerRequest {
  readonly containerId?: string;
  readonly timeout?: number;
}

export interface StopContainerResponse {}

export interface StopPodSandboxRequest {
  readonly podSandboxId?: string;
}

export interface StopPodSandboxResponse {}

export interface SwapUsage {
  readonly timestamp?: number;
  readonly swapAvailableBytes?: UInt64Value;
  readonly swapUsageBytes?: UInt64Value;
}

export interface UInt64Value {
  readonly value?: number;
}

export interface UpdateContainerResourcesRequest {
  readonly containerId?: string;
  readonly linux?: LinuxContainerResources;
  readonly windows?: WindowsContainerResources;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface UpdateContainerResourcesResponse {}

export interface UpdateRuntimeConfigRequest {
  readonly runtimeConfig?: RuntimeConfig;
}

export interface UpdateRuntimeConfigResponse {}

export interface UserNamespace {
  readonly mode?: 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';
  readonly uids?: readonly IDMapping[];
  readonly gids?: readonly IDMapping[];
}

export interface VersionRequest {
  readonly version?: string;
}

export interface VersionResponse {
  readonly version?: string;
  readonly runtimeName?: string;
  readonly runtimeVersion?: string;
  readonly runtimeApiVersion?: string;
}

export interface WindowsContainerConfig {
  readonly resources?: WindowsContainerResources;
  readonly securityContext?: WindowsContainerSecurityContext;
}

export interface WindowsContainerResources {
  readonly cpuShares?: number;
  readonly cpuCount?: number;
  readonly cpuMaximum?: number;
  readonly memoryLimitInBytes?: number;
  readonly rootfsSizeInBytes?: number;
  readonly affinityCpus?: readonly WindowsCpuGroupAffinity[];
}

export interface WindowsContainerSecurityContext {
  readonly runAsUsername?: string;
  readonly credentialSpec?: string;
  readonly hostProcess?: boolean;
}

export interface WindowsCpuGroupAffinity {
  readonly cpuMask?: number;
  readonly cpuGroup?: number;
}

export interface WindowsNamespaceOption {
  readonly network?: 'POD' | 'CONTAINER' | 'NODE' | 'TARGET';
}

export interface WindowsPodSandboxConfig {
  readonly securityContext?: WindowsSandboxSecurityContext;
}

export interface WindowsSandboxSecurityContext {
  readonly runAsUsername?: string;
  readonly credentialSpec?: string;
  readonly hostProcess?: boolean;
  readonly namespaceOptions?: WindowsNamespaceOption;
}

/** Request and answer of every method. */
export interface Calls {
  Version: { request: VersionRequest; response: VersionResponse };
  Status: { request: StatusRequest; response: StatusResponse };
  RunPodSandbox: { request: RunPodSandboxRequest; response: RunPodSandboxResponse };
  StopPodSandbox: { request: StopPodSandboxRequest; response: StopPodSandboxResponse };
  RemovePodSandbox: { request: RemovePodSandboxRequest; response: RemovePodSandboxResponse };
  PodSandboxStatus: { request: PodSandboxStatusRequest; response: PodSandboxStatusResponse };
  ListPodSandbox: { request: ListPodSandboxRequest; response: ListPodSandboxResponse };
  CreateContainer: { request: CreateContainerRequest; response: CreateContainerResponse };
  StartContainer: { request: StartContainerRequest; response: StartContainerResponse };
  StopContainer: { request: StopContainerRequest; response: StopContainerResponse };
  RemoveContainer: { request: RemoveContainerRequest; response: RemoveContainerResponse };
  ListContainers: { request: ListContainersRequest; response: ListContainersResponse };
  ContainerStatus: { request: ContainerStatusRequest; response: ContainerStatusResponse };
  UpdateContainerResources: { request: UpdateContainerResourcesRequest; response: UpdateContainerResourcesResponse };
  ReopenContainerLog: { request: ReopenContainerLogRequest; response: ReopenContainerLogResponse };
  ExecSync: { request: ExecSyncRequest; response: ExecSyncResponse };
  Exec: { request: ExecRequest; response: ExecResponse };
  Attach: { request: AttachRequest; response: AttachResponse };
  PortForward: { request: PortForwardRequest; response: PortForwardResponse };
  ListContainerStats: { request: ListContainerStatsRequest; response: ListContainerStatsResponse };
  UpdateRuntimeConfig: { request: UpdateRuntimeConfigRequest; response: UpdateRuntimeConfigResponse };
  ListImages: { request: ListImagesRequest; response: ListImagesResponse };
  ImageStatus: { request: ImageStatusRequest; response: ImageStatusResponse };
  PullImage: { request: PullImageRequest; response: PullImageResponse };
  RemoveImage: { request: RemoveImageRequest; response: RemoveImageResponse };
  ImageFsInfo: { request: ImageFsInfoRequest; response: ImageFsInfoResponse };
  'containers.Get': { request: ContainersGetContainerRequest; response: ContainersGetContainerResponse };
  'events.Subscribe': { request: EventsSubscribeRequest; response: EventsEnvelope };
  'snapshots.View': { request: SnapshotsViewSnapshotRequest; response: SnapshotsViewSnapshotResponse };
  'snapshots.Mounts': { request: SnapshotsMountsRequest; response: SnapshotsMountsResponse };
  'snapshots.Remove': { request: SnapshotsRemoveSnapshotRequest; response: WireEmpty };
  'tasks.Exec': { request: TasksExecProcessRequest; response: WireEmpty };
  'tasks.Start': { request: TasksStartRequest; response: TasksStartResponse };
  'tasks.Wait': { request: TasksWaitRequest; response: TasksWaitResponse };
  'tasks.CloseIO': { request: TasksCloseIORequest; response: WireEmpty };
  'tasks.ResizePty': { request: TasksResizePtyRequest; response: WireEmpty };
  'tasks.Kill': { request: TasksKillRequest; response: WireEmpty };
  'tasks.DeleteProcess': { request: TasksDeleteProcessRequest; response: TasksDeleteResponse };
  'version.Version': { request: WireEmpty; response: VersionVersionResponse };
}

/** Messages that are read out of an Any or by name. */
export interface NamedMessages {
  'containerd.events.ContainerCreate': ContainerCreate;
  'containerd.events.ContainerDelete': ContainerDelete;
  'containerd.events.TaskStart': TaskStart;
  'containerd.events.TaskExit': TaskExit;
  'containerd.events.TaskOOM': TaskOOM;
}
