import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Container, Pod } from '../../api/generated/types.js';
import type { Mount } from '../../contracts/container-runtime.js';

export interface PodFilesRequest {
  readonly pod: Pod;
  readonly container: Container;
  /** The pod's directory. */
  readonly directory: string;
  readonly podIps: readonly string[];
}

/** Files that the kubelet itself puts into containers: /etc/hosts and the place of the termination message. */
export async function podFiles({ pod, container, directory, podIps }: PodFilesRequest): Promise<Mount[]> {
  const mounts: Mount[] = [];
  const taken = new Set((container.volumeMounts ?? []).map(({ mountPath }) => mountPath));
  await mkdir(directory, { recursive: true, mode: 0o750 });
  if (!taken.has('/etc/hosts') && !pod.spec.hostNetwork) {
    const file = join(directory, 'etc-hosts');
    await writeFile(file, hostsFile(pod, podIps), { mode: 0o644 });
    mounts.push({ containerPath: '/etc/hosts', hostPath: file, readOnly: false, propagation: 'private' });
  } else if (!taken.has('/etc/hosts') && pod.spec.hostAliases?.length) {
    const file = join(directory, 'etc-hosts');
    await writeFile(file, (await readFile('/etc/hosts', 'utf8')) + aliases(pod), { mode: 0o644 });
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

function hostsFile(pod: Pod, podIps: readonly string[]): string {
  const { hostname, subdomain } = pod.spec;
  const name = hostname ?? pod.metadata.name ?? '';
  const lines = [
    '# Kubernetes-managed hosts file.',
    '127.0.0.1\tlocalhost',
    '::1\tlocalhost ip6-localhost ip6-loopback',
    'fe00::0\tip6-localnet',
    'fe00::0\tip6-mcastprefix',
    'fe00::1\tip6-allnodes',
    'fe00::2\tip6-allrouters',
    ...podIps.map(ip =>
      subdomain ? `${ip}\t${name}.${subdomain}.${pod.metadata.namespace}.svc.cluster.local\t${name}` : `${ip}\t${name}`,
    ),
  ];
  return `${lines.join('\n')}\n${aliases(pod)}`;
}

function aliases(pod: Pod): string {
  const entries = pod.spec.hostAliases ?? [];
  if (entries.length === 0) return '';
  return `\n# Entries added by HostAliases.\n${entries.map(({ ip, hostnames }) => `${ip}\t${(hostnames ?? []).join('\t')}\n`).join('')}`;
}
