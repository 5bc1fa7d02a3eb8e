import { readFile, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { errorCode } from '../../base/errors.js';
import { processIdentity } from '../../host/process-identity.js';
import type { ProcessIdentity } from '../../host/process-identity.js';
import { entriesIn, removeIfEmpty } from './entries.js';

/** What containers hold on the host beside their processes, as their OCI bundles say it. */
export interface BundleRemains {
  /** Files of network namespaces that the runtime made for pods. */
  readonly networkNamespaces: readonly string[];
  /** Below each cgroup hierarchy. The last part is the container's id, so that they are nobody else's. */
  readonly cgroups: readonly string[];
}

/** Reads the bundles below a containerd's state directory. Source: the OCI runtime specification, config.json. */
export async function readBundles(stateDirectory: string): Promise<BundleRemains> {
  const networkNamespaces = new Set<string>();
  const cgroups = new Set<string>();
  const tasks = join(stateDirectory, 'io.containerd.runtime.v2.task', 'k8s.io');
  for (const id of await entriesIn(tasks)) {
    const linux = await linuxSection(join(tasks, id, 'config.json'));
    for (const { type, path } of linux?.namespaces ?? []) {
      const isPods = type === 'network' && path !== undefined && /^(\/var)?\/run\/netns\/cni-[\w-]+$/.test(path);
      if (isPods) networkNamespaces.add(path.replace(/^\/var/, ''));
    }
    const path = linux?.cgroupsPath;
    if (path?.startsWith('/') && basename(path) === id && !path.includes('..')) cgroups.add(path);
  }
  return { networkNamespaces: [...networkNamespaces], cgroups: [...cgroups] };
}

/**
 * Removes what the CNI library keeps of pods' networks, and its folders when they are empty then: all that use it share them. It is
 * still there of a pod that was ended by force. Resolves how many files went. Source: libcni's cacheAdd.
 */
export async function removeNetworkResults(cgroups: readonly string[], directory = '/var/lib/cni'): Promise<number> {
  const ids = new Set(cgroups.map(path => basename(path)));
  const results = join(directory, 'results');
  let count = 0;
  for (const name of await entriesIn(results)) {
    // NETWORK-CONTAINER-INTERFACE; a container's id has no dash.
    if (!ids.has(name.split('-').at(-2) ?? '')) continue;
    await rm(join(results, name), { force: true });
    count++;
  }
  for (const folder of [results, directory]) await removeIfEmpty(folder);
  return count;
}

interface LinuxSection {
  readonly namespaces?: readonly { readonly type?: string; readonly path?: string }[];
  readonly cgroupsPath?: string;
}

async function linuxSection(file: string): Promise<LinuxSection | undefined> {
  try {
    return (JSON.parse(await readFile(file, 'utf8')) as { linux?: LinuxSection }).linux;
  } catch (error) {
    // Being made or removed; it holds nothing that outlives it.
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** The directories of a cgroup, there or not: one for each hierarchy in version 1, one in version 2. */
async function directoriesOf(cgroup: string, root: string): Promise<string[]> {
  const entries = await entriesIn(root);
  const hierarchies = entries.includes('cgroup.controllers') ? [''] : entries;
  return hierarchies.map(hierarchy => join(root, hierarchy, cgroup));
}

/** Processes in cgroups of containers: those whose shim has died show nowhere else. */
export async function processesIn(cgroups: readonly string[], root = '/sys/fs/cgroup'): Promise<ProcessIdentity[]> {
  const found = new Map<number, ProcessIdentity>();
  for (const cgroup of cgroups) {
    for (const directory of await directoriesOf(cgroup, root)) {
      const text = (await entriesIn(directory)).includes('cgroup.procs')
        ? await readFile(join(directory, 'cgroup.procs'), 'utf8')
        : '';
      for (const pid of text.split('\n').filter(Boolean).map(Number)) {
        const identity = processIdentity(pid);
        if (identity) found.set(pid, identity);
      }
    }
  }
  return [...found.values()];
}

/** Removes the cgroups, and what stands above them when it is empty then. Resolves how many directories went. */
export async function removeCgroups(cgroups: readonly string[], root = '/sys/fs/cgroup'): Promise<number> {
  let removed = 0;
  for (const cgroup of cgroups) {
    for (const directory of await directoriesOf(cgroup, root)) {
      let current = directory;
      for (let level = cgroup.split('/').length - 1; level > 0; level--) {
        const outcome = await removeEmpty(current);
        if (outcome === 'in use') break;
        if (outcome === 'removed') removed++;
        current = dirname(current);
      }
    }
  }
  return removed;
}

async function removeEmpty(directory: string): Promise<'removed' | 'gone' | 'in use'> {
  try {
    await rmdir(directory);
    return 'removed';
  } catch (error) {
    const code = errorCode(error);
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'gone';
    if (code === 'EBUSY' || code === 'ENOTEMPTY') return 'in use';
    throw error;
  }
}
