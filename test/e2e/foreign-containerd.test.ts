import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readDebianPackages } from '../../core/host/debian-packages.js';
import { cniBinaryDirectory } from '../../plugins/container-runtime/containerd/binaries.js';
import { containerdConfig } from '../../plugins/container-runtime/containerd/containerd-config.js';
import { pauseArchive, pauseImage } from '../../plugins/container-runtime/containerd/pause-image.js';
import { sweep } from '../../plugins/container-runtime/containerd/sweep.js';
import { boxArchive, fetchTestPackages } from '../support/box-image.js';
import { hostLeftovers } from '../support/host-leftovers.js';
import { RealNode } from '../support/real-node.js';

const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);
const mark = 'k3s-foreign';
const main = fileURLToPath(new URL('../../core/cli/main.js', import.meta.url));

(runsHere ? describe : describe.skip)('--container-runtime-endpoint on a real node (needs root)', () => {
  let node: RealNode;
  let containerd: ChildProcess | undefined;
  let directory: string;
  let socket: string;
  let state: string;

  const program = (name: string, path: string): string => join(readDebianPackages()!.root(name)!, path);

  /** A containerd that is not ours: its own root, state and socket, in the node's network. */
  async function startContainerd(): Promise<void> {
    const { paths } = node;
    state = join(directory, 'state');
    mkdirSync(state, { recursive: true });
    const config = containerdConfig({
      root: join(directory, 'root'),
      state,
      socket,
      snapshotter: 'native',
      sandboxImage: pauseImage,
      runc: program('runc', 'usr/sbin/runc'),
      cniBinaryDirectory: cniBinaryDirectory(paths.binDir),
      cniConfigurationDirectory: join(paths.agent.etcDir, 'cni', 'net.d'),
      registryDirectory: join(directory, 'certs.d'),
      restrictOomScoreAdjust: true,
    });
    const file = join(directory, 'config.toml');
    writeFileSync(file, config);
    const log = openSync(join(directory, 'log'), 'a');
    const [enter, ...words] = node.inside;
    const env = { PATH: `${program('containerd', 'usr/bin')}:${cniBinaryDirectory(paths.binDir)}:${process.env['PATH']}` };
    const args = [...words, program('containerd', 'usr/bin/containerd'), '--config', file];
    containerd = spawn(enter!, args, { stdio: ['ignore', log, log], env });
    await until(() => existsSync(socket));
  }

  async function until(met: () => boolean | Promise<boolean>, limitMs = 20_000): Promise<void> {
    for (const deadline = Date.now() + limitMs; !(await met()); await new Promise(resolve => setTimeout(resolve, 50))) {
      if (Date.now() > deadline) throw new Error('it did not come about in time');
    }
  }

  async function k(...words: string[]): Promise<string> {
    const result = await node.kubectl(words, { timeoutMs: 60_000 });
    if (result.code !== 0) throw new Error(`kubectl ${words.join(' ')}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  const ctr = (...words: string[]): string =>
    spawnSync(program('containerd', 'usr/bin/ctr'), ['--address', socket, '--namespace', 'k8s.io', ...words], {
      encoding: 'utf8',
    }).stdout;

  const tasks = (): string[] => ctr('tasks', 'list', '-q').trim().split('\n').sort();

  beforeAll(async () => {
    expect(hostLeftovers(mark)).toEqual([]);
    await fetchTestPackages();
    directory = mkdtempSync(`/tmp/${mark}-containerd-`);
    socket = join(directory, 'containerd.sock');
    const config = join(directory, 'config.yaml');
    // For killall, too.
    writeFileSync(config, `container-runtime-endpoint: unix://${socket}`);
    node = new RealNode(mark, ['--config', config]);
    await node.start(async () => {
      await startContainerd();
      const archives = [await pauseArchive(), await boxArchive({ reference: node.image, layout: 'docker' })];
      for (const [index, archive] of archives.entries()) {
        const file = join(directory, `image-${index}.tar`);
        writeFileSync(file, archive);
        await until(() => ctr('images', 'import', '--snapshotter', 'native', file).includes('unpacking'));
      }
    });
  }, 120_000);

  afterAll(async () => {
    await node.remove(async () => {
      const left = ctr('containers', 'list', '-q');
      const ended = new Promise(resolve => containerd?.once('exit', resolve));
      containerd?.kill('SIGTERM');
      if (containerd) await ended;
      // The pods are gone already: killall knows the endpoint from the configuration.
      expect(left).toBe('');
      await sweep(socket, state, [state]);
    }, ['--config', join(directory, 'config.yaml')]);
    rmSync(directory, { recursive: true });
    expect(hostLeftovers(mark)).toEqual([]);
  }, 60_000);

  it('runs pods in the containerd that was there, with logs, exec and images', async () => {
    expect(await k('get', 'nodes', '-o', 'jsonpath={.items[0].status.nodeInfo.containerRuntimeVersion}')).toMatch(
      /^containerd:\/\/1\./,
    );
    await k('run', 'box', `--image=${node.image}`, '--image-pull-policy=Never', '--', 'sh', '-c', 'echo hello; sleep 1000');
    await k('wait', '--for=condition=Ready', 'pod/box', '--timeout=30s');
    expect(await k('logs', 'box')).toBe('hello\n');
    expect(await k('exec', 'box', '--', 'cat', '/etc/hostname')).toBe('box\n');
    expect(ctr('containers', 'list', '-q').trim().split('\n')).toHaveLength(2);
    expect(existsSync(join(node.paths.runDir, 'containerd', 'containerd.sock'))).toBe(false);
  }, 60_000);

  it('outlives the server, which finds its pods again', async () => {
    const before = tasks();
    await node.stop('SIGTERM');
    expect(containerd!.exitCode).toBeNull();
    expect(tasks()).toEqual(before);
    await node.launch();
    expect(await k('get', 'pod', 'box', '-o', 'jsonpath={.status.containerStatuses[0].restartCount}')).toBe('0');
    expect(tasks()).toEqual(before);
  }, 60_000);

  it('is refused in one line where nothing answers', async () => {
    const words = ['--data-dir', join(node.directory, 'other'), '--https-listen-port', '24010', '--write-kubeconfig'];
    const endpoint = `--container-runtime-endpoint=unix://${join(node.directory, 'nobody.sock')}`;
    const [enter, ...inside] = node.inside;
    const args = [...inside, process.execPath, main, 'server', ...words, join(node.directory, 'other.yaml'), endpoint];
    const { status, stderr } = spawnSync(enter!, args, { encoding: 'utf8', timeout: 30_000 });
    const lines = stderr.split('\n').filter(line => line.startsWith('error:') || /^ +at /.test(line));
    expect(lines).toEqual([expect.stringMatching(/nobody\.sock: no container runtime answers: /)]);
    expect(status).toBe(1);
  }, 40_000);
});
