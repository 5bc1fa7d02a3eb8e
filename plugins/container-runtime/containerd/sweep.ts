import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { errorCode } from '../../../core/plugin-api/index.js';
import { findByArgument } from '../../../core/host/process-identity.js';

/**
 * Ends what a containerd left behind that does not come up any more: the shims that were started for its socket, the first processes
 * of their containers, and what is mounted below its folders. Everything is found by our own paths; nothing else is touched.
 */
export async function sweep(socket: string, stateDirectory: string, folders: readonly string[]): Promise<void> {
  const bundles = join(stateDirectory, 'io.containerd.runtime.v2.task', 'k8s.io');
  for (const shim of findByArgument(socket)) kill(shim.pid);
  for (const id of existsSync(bundles) ? readdirSync(bundles) : []) {
    const pid = firstProcess(bundles, id);
    if (pid !== undefined) kill(pid);
    await rm(shimSocket(socket, id), { force: true });
    const namespace = networkNamespace(bundles, id);
    if (namespace !== undefined && existsSync(namespace)) {
      await promisify(execFile)('umount', ['-l', namespace]);
      await rm(namespace, { force: true });
    }
  }
  for (const place of (await mountsBelow(folders)).reverse()) await promisify(execFile)('umount', ['-l', place]);
}

/** The shim writes the id of a container's first process into the container's folder. */
function firstProcess(bundles: string, id: string): number | undefined {
  const file = join(bundles, id, 'init.pid');
  if (!existsSync(file)) return undefined;
  const pid = Number(readFileSync(file, 'utf8').trim());
  // The number may be another's by now; the cgroup names the container.
  const group = `/proc/${pid}/cgroup`;
  return pid > 1 && existsSync(group) && readFileSync(group, 'utf8').includes(id) ? pid : undefined;
}

/** Where a sandbox's own network namespace is kept; undefined for the node's. */
function networkNamespace(bundles: string, id: string): string | undefined {
  const file = join(bundles, id, 'config.json');
  if (!existsSync(file)) return undefined;
  const spec = JSON.parse(readFileSync(file, 'utf8')) as {
    readonly linux?: { readonly namespaces?: readonly { readonly type: string; readonly path?: string }[] };
  };
  const path = spec.linux?.namespaces?.find(({ type }) => type === 'network')?.path;
  return path !== undefined && /^(?:\/var)?\/run\/netns\/cni-[0-9a-f-]+$/.test(path) ? path : undefined;
}

/**
 * Where the shim of a sandbox listens. All containerds use this one folder; the name is made of their socket and the sandbox's id.
 * Source: SocketAddress in containerd's runtime/v2/shim.
 */
export function shimSocket(containerdSocket: string, sandboxId: string): string {
  const name = createHash('sha256')
    .update(join(containerdSocket, 'k8s.io', sandboxId))
    .digest('hex');
  return join('/run/containerd/s', name);
}

async function mountsBelow(folders: readonly string[]): Promise<string[]> {
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const places = lines.map(line =>
    (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_all, code: string) => String.fromCharCode(parseInt(code, 8))),
  );
  return places.filter(place => folders.some(folder => place.startsWith(`${folder}/`)));
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errorCode(error) !== 'ESRCH') throw error;
  }
}
