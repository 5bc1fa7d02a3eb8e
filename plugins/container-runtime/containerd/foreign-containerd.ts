import { CodedError, errorText } from '../../../core/plugin-api/index.js';
import type { CniPaths } from '../../../core/plugin-api/index.js';
import type { GrpcChannel } from './wire/grpc-channel.js';

/** What a containerd that is not ours says of itself. */
export interface ForeignContainerd {
  /** `containerd 1.7.2`. */
  readonly version: string;
  readonly snapshotter: string;
  readonly sandboxImage: string;
  /** One line each, where what it does is not what the node needs but may become so. */
  readonly warnings: readonly string[];
}

type EndpointFlag = '--container-runtime-endpoint' | '--image-service-endpoint';

/** The path in what the flag names: `/path` or `unix:///path`. Throws `RUNTIME_ENDPOINT` for all else. */
export function socketOf(endpoint: string, flag: EndpointFlag = '--container-runtime-endpoint'): string {
  const path = endpoint.replace(/^unix:(\/\/)?(?=\/)/, '');
  if (path.startsWith('/') && path.length <= 100) return path;
  const why = path.startsWith('/') ? 'its path is too long for a socket' : 'it is no path of a socket';
  throw new CodedError('RUNTIME_ENDPOINT', `${flag} ${endpoint}: ${why}`, {
    mend: 'write it like /run/containerd/containerd.sock or unix:///run/containerd/containerd.sock',
  });
}

interface CriConfig {
  readonly sandboxImage?: string;
  readonly cni?: { readonly binDir?: string; readonly binDirs?: readonly string[]; readonly confDir?: string };
  readonly containerd?: {
    readonly snapshotter?: string;
    readonly defaultRuntimeName?: string;
    readonly runtimes?: Readonly<Record<string, { readonly options?: Readonly<Record<string, unknown>> }>>;
  };
}

const answerLimitMs = 5000;

/**
 * Asks the runtime on a socket who it is. Throws `RUNTIME_ENDPOINT` with the mend when nothing answers, when it is no containerd (whose
 * events, tasks and snapshots are used beside CRI), or when it has its control groups made by systemd, which the kubelet does not.
 */
export async function inspectForeign(
  channel: Pick<GrpcChannel, 'call'>,
  endpoint: string,
  cni: CniPaths,
): Promise<ForeignContainerd> {
  const refuse = (problem: string, mend: string, cause?: unknown): CodedError =>
    new CodedError('RUNTIME_ENDPOINT', `--container-runtime-endpoint ${endpoint}: ${problem}`, { mend, cause });
  let name: string;
  let version: string;
  let config: CriConfig;
  try {
    const answer = await channel.call('Version', { version: 'v1' }, { timeoutMs: answerLimitMs });
    ({ runtimeName: name = '', runtimeVersion: version = '' } = answer);
    const { info } = await channel.call('Status', { verbose: true }, { timeoutMs: answerLimitMs });
    config = JSON.parse(info?.['config'] ?? '{}') as CriConfig;
  } catch (error) {
    const mend = 'start the container runtime first, or leave the flag out to run one of our own';
    throw refuse(`no container runtime answers: ${errorText(error).split('\n', 1)[0]}`, mend);
  }
  if (name !== 'containerd') {
    throw refuse(`${name || 'a nameless runtime'} answers, and only containerd can be used`, 'name the socket of a containerd');
  }
  const { snapshotter = 'overlayfs', defaultRuntimeName = 'runc', runtimes = {} } = config.containerd ?? {};
  if (runtimes[defaultRuntimeName]?.options?.['SystemdCgroup'] === true) {
    throw refuse(
      'its control groups are made by systemd, and those of the kubelet by cgroupfs',
      `set SystemdCgroup = false for the runtime ${defaultRuntimeName} in its configuration`,
    );
  }
  return {
    version: `containerd ${version.replace(/^v/, '')}`,
    snapshotter,
    sandboxImage: config.sandboxImage ?? '',
    warnings: networkWarnings(config, cni),
  };
}

/** Throws `RUNTIME_ENDPOINT` when no image service answers. */
export async function checkImageService(channel: Pick<GrpcChannel, 'call'>, endpoint: string): Promise<void> {
  try {
    await channel.call('ImageFsInfo', {}, { timeoutMs: answerLimitMs });
  } catch (error) {
    const problem = `no image service answers: ${errorText(error).split('\n', 1)[0]}`;
    throw new CodedError('RUNTIME_ENDPOINT', `--image-service-endpoint ${endpoint}: ${problem}`, {
      mend: 'start the image service, or leave the flag out: containerd has one of its own',
      cause: error,
    });
  }
}

/** Nobody but its administrator can tell it where the pod network's files are. */
function networkWarnings({ cni = {} }: CriConfig, wanted: CniPaths): string[] {
  const { confDir = '', binDir, binDirs = binDir === undefined ? [] : [binDir] } = cni;
  const warnings: string[] = [];
  if (confDir !== wanted.configurationDirectory) {
    warnings.push(
      `its network configuration comes from ${confDir}, and the pod network writes ${wanted.configurationDirectory} (conf_dir)`,
    );
  }
  const missing = wanted.binaryDirectories.filter(directory => !binDirs.includes(directory));
  if (missing.length > 0) warnings.push(`it does not look for network plugins in ${missing.join(', ')} (bin_dir)`);
  return warnings;
}
