import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { copyFile, constants, link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hostLeftovers } from '../support/host-leftovers.js';
import { realTool } from '../support/kubectl.js';
import { RealNode } from '../support/real-node.js';
import type { ClusterKind } from './options.js';
import { MissingError } from './go-programs.js';
import type { TestImages } from './test-images.js';

const main = fileURLToPath(new URL('../../core/cli/main.js', import.meta.url));
const registryMain = fileURLToPath(new URL('./registry-main.js', import.meta.url));
/** In the names of all that is made; several runs may go on at once. */
const mark = `k3s-conf-${process.pid}`;
const registryPort = 5050;

/** What the suite runs against. */
export interface Cluster {
  /** For the report. */
  readonly description: string;
  readonly kubeconfig: string;
  /** Words before a command that must reach what the cluster's nodes reach. */
  readonly inside: readonly string[];
  /** Log of the server, to be kept with the reports. */
  readonly log: string | undefined;
  /** Ends everything and removes what was made. */
  remove(): Promise<void>;
}

/** Throws MissingError where the machine lacks a right or a tool. */
export function checkMachine(kind: ClusterKind): void {
  if (kind !== 'real') return;
  if (process.platform !== 'linux') throw new MissingError(`a real node needs Linux, this is ${process.platform}`);
  if (process.getuid?.() !== 0)
    throw new MissingError('a real node needs root: run this as root, or choose areas that --simulated can run');
}

/** Resolves when the cluster has a ready node. `images` are what a real node needs. */
export async function startTestCluster(kind: ClusterKind, images: TestImages | undefined): Promise<Cluster> {
  if (kind === 'given') {
    return {
      description: 'a given cluster',
      kubeconfig: process.env['KUBECONFIG']!,
      inside: [],
      log: undefined,
      remove: async () => undefined,
    };
  }
  return kind === 'real' ? startReal(images!) : startSimulated();
}

async function startReal(images: TestImages): Promise<Cluster> {
  const settings = await mkdtemp(join(tmpdir(), `${mark}-settings-`));
  const registries = join(settings, 'registries.yaml');
  // Images that a pod always pulls come from a registry of our own; all others are there already.
  await writeFile(registries, `mirrors: {registry.k8s.io: {endpoint: ["http://127.0.0.1:${registryPort}"]}}\n`);
  const node = new RealNode(mark, ['--private-registry', registries]);
  let registry: ChildProcess | undefined;
  const remove = async (): Promise<void> => {
    if (registry) await endProcess(registry);
    await node.remove();
    await rm(settings, { recursive: true, force: true });
  };
  try {
    const folder = join(node.dataDirectory, 'agent', 'images');
    await mkdir(folder, { recursive: true });
    await linkOrCopy(images.archive, join(folder, 'conformance.tar'));
    await node.start();
    const [command, ...words] = [...node.inside, process.execPath, registryMain, images.archive, String(registryPort)];
    registry = spawn(command!, words, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    const log = join(node.directory, 'server.log');
    // A pull of an image that is still being imported would fail: there is no registry to pull from.
    await until('the images to be imported', 180_000, async () => {
      const text = await readFile(log, 'utf8');
      if (/archive was not imported/.test(text)) throw new Error(`the images were not imported, see ${log}`);
      return text.split('\n').some(line => line.includes('images imported') && line.includes('conformance.tar'));
    });
    return {
      description: 'one real node',
      kubeconfig: node.kubeconfig,
      inside: node.inside,
      log,
      async remove() {
        await remove();
        const left = hostLeftovers(mark);
        if (left.length) throw new Error(`left on the host: ${left.join(', ')}`);
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function startSimulated(): Promise<Cluster> {
  const directory = await mkdtemp(join(tmpdir(), `${mark}-`));
  const kubeconfig = join(directory, 'k3s.yaml');
  const log = join(directory, 'server.log');
  const words = ['server', '--preset', 'sandbox', '--write-kubeconfig', kubeconfig, '--log', log, '--node-name', mark];
  const server = spawn(process.execPath, [main, ...words], { stdio: 'ignore', env: { ...process.env, TMPDIR: directory } });
  const remove = async (): Promise<void> => {
    await endProcess(server);
    await rm(directory, { recursive: true, force: true });
  };
  try {
    const kubectl = await realTool('kubectl', kubeconfig, directory);
    await until('the simulated node', 30_000, async () => {
      if (server.exitCode !== null) throw new Error(`the server ended: ${(await readFile(log, 'utf8')).slice(-2000)}`);
      const nodes = await kubectl(['get', 'nodes', '--no-headers']).catch(() => undefined);
      return nodes !== undefined && /\bReady\b/.test(nodes.stdout);
    });
  } catch (error) {
    await remove();
    throw error;
  }
  return { description: 'one simulated node', kubeconfig, inside: [], log, remove };
}

/** Ends a child, by force when it does not end by itself. */
async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise(resolve => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  await ended;
  clearTimeout(timer);
}

async function until(what: string, limitMs: number, done: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!(await done())) {
    if (Date.now() > deadline) throw new Error(`waited ${limitMs / 1000} s for ${what}`);
    await new Promise(resolve => setTimeout(resolve, 200));
  }
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  // Another file system takes no link.
  await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_FICLONE));
}
