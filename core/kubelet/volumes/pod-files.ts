import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorCode } from '../../base/errors.js';
import type { Container, Pod } from '../../api/generated/types.js';
import type { Mount } from '../../contracts/container-runtime.js';

export interface PodFilesRequest {
  readonly pod: Pod;
  readonly container: Container;
  /** The pod's directory. */
  readonly directory: string;
  readonly podIps: readonly string[];
  readonly clusterDomain: string;
}

/** Files that the kubelet itself puts into containers: /etc/hosts and the place of the termination message. */
export async function podFiles(request: PodFilesRequest): Promise<Mount[]> {
  const { container, directory } = request;
  const mounts: Mount[] = [];
  const taken = new Set((container.volumeMounts ?? []).map(({ mountPath }) => mountPath));
  await mkdir(directory, { recursive: true, mode: 0o750 });
  if (!taken.has('/etc/hosts')) {
    const file = join(directory, 'etc-hosts');
    await writeFile(file, await hostsFile(request), { mode: 0o644 });
    // The mask of this process must not keep a container of another user from reading.
    await chmod(file, 0o644);
    mounts.push({ containerPath: '/etc/hosts', hostPath: file, readOnly: false, propagation: 'private' });
  }
  if (container.terminationMessagePath && !taken.has(container.terminationMessagePath)) {
    const folder = join(directory, 'containers', container.name);
    await mkdir(folder, { recursive: true, mode: 0o750 });
    const file = join(folder, randomBytes(4).toString('hex'));
    await writeFile(file, '', { mode: 0o666 });
    // The mask of this process must not keep a container of another user from writing.
    await chmod(file, 0o666);
    mounts.push({ containerPath: container.terminationMessagePath, hostPath: file, readOnly: false, propagation: 'private' });
  }
  return mounts;
}

/** Texts: pkg/kubelet managedHostsFileContent, nodeHostsFileContent. */
async function hostsFile({ pod, podIps, clusterDomain }: PodFilesRequest): Promise<string> {
  if (pod.spec.hostNetwork) return `# Kubernetes-managed hosts file (host network).\n${await nodeHosts()}${aliases(pod)}`;
  const name = podHostname(pod);
  const { subdomain, hostnameOverride } = pod.spec;
  const domain = subdomain && !hostnameOverride ? `.${subdomain}.${pod.metadata.namespace}.svc.${clusterDomain}` : '';
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...podIps.map(ip => (domain ? `${ip}\t${name}${domain}\t${name}` : `${ip}\t${name}`)),
  ];
  return `${lines.join('\n')}\n${aliases(pod)}`;
}

async function nodeHosts(): Promise<string> {
  try {
    return await readFile('/etc/hosts', 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}

/** What the pod calls itself: names of pods may be longer than the kernel takes. */
function podHostname({ metadata, spec }: Pod): string {
  const name = spec.hostnameOverride || spec.hostname || (metadata.name ?? '');
  return name.slice(0, 63).replace(/[-.]+$/, '');
}

function aliases(pod: Pod): string {
  const entries = pod.spec.hostAliases ?? [];
  if (entries.length === 0) return '';
  return `\n# Entries added by HostAliases.\n${entries.map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}\n`).join('')}`;
}
