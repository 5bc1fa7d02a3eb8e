import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '../../base/clock.js';
import { formatRecord, SinkLogger } from '../../base/logger.js';
import { RecordingCommands } from '../../host/commands.js';
import { isAlive, processIdentity } from '../../host/process-identity.js';
import { LedgerFile } from '../../kernel/ledger-file.js';
import { claimDataDirectory } from '../foreign-k3s.js';
import { prepareCluster } from '../prepare-cluster.js';
import type { PreparedCluster } from '../prepare-cluster.js';
import { lockServer } from '../server-lock.js';
import { readBundles, removeCgroups, removeNetworkResults } from './bundles.js';
import { removeAbsent } from './absent.js';
import { killAll } from './kill-all.js';
import { endProcesses, withDescendants } from './processes.js';
import { uninstall } from './uninstall.js';

let dir: string;
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), 'removal-'))));
afterEach(() => rm(dir, { recursive: true }));

async function prepare(): Promise<PreparedCluster> {
  await writeFile(join(dir, 'config.yaml'), '');
  return prepareCluster({
    command: 'server',
    arguments: ['--data-dir', join(dir, 'data'), '--preset', 'sandbox'],
    environment: { K3S_CONFIG_FILE: join(dir, 'config.yaml') },
  });
}

interface Outcome {
  readonly lines: string[];
  readonly error: unknown;
}

async function run(remove: typeof killAll, prepared: PreparedCluster, commands = new RecordingCommands()): Promise<Outcome> {
  const lines: string[] = [];
  const report = (line: string): void => void lines.push(line);
  const error: unknown = await remove({ prepared, force: false, report, commands }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { lines, error };
}

describe('what containers leave', () => {
  it('is read from their bundles: namespaces of pods and cgroups of their own, nothing else', async () => {
    const tasks = join(dir, 'io.containerd.runtime.v2.task', 'k8s.io');
    const bundle = async (id: string, text: string): Promise<void> => {
      await mkdir(join(tasks, id), { recursive: true });
      await writeFile(join(tasks, id, 'config.json'), text);
    };
    const linux = (path: string, cgroupsPath: string): string =>
      JSON.stringify({ linux: { cgroupsPath, namespaces: [{ type: 'pid' }, { type: 'network', path }] } });
    await bundle('aa', linux('/var/run/netns/cni-1-2', '/kubepods/podx/aa'));
    await bundle('bb', linux('/run/netns/cni-1-2', '/kubepods/podx/bb'));
    await bundle('cc', linux('/run/netns/theirs', '/system.slice'));
    await bundle('dd', linux('/run/netns/cni-../x', '/../dd'));
    await bundle('ee', '{"linux":');
    await mkdir(join(tasks, 'ff'));
    expect(await readBundles(dir)).toEqual({
      networkNamespaces: ['/run/netns/cni-1-2'],
      cgroups: ['/kubepods/podx/aa', '/kubepods/podx/bb'],
    });
    expect(await readBundles(join(dir, 'none'))).toEqual({ networkNamespaces: [], cgroups: [] });
  });

  it('goes with the cgroups above it, as far as they are empty', async () => {
    for (const folder of ['cpu/kubepods/podx/aa', 'cpu/kubepods/podx/bb', 'memory/kubepods/podx', 'memory/kubepods/pody']) {
      await mkdir(join(dir, folder), { recursive: true });
    }
    expect(await removeCgroups(['/kubepods/podx/aa', '/kubepods/podx/bb'], dir)).toBe(5);
    expect(await readdir(dir, { recursive: true })).toEqual(['cpu', 'memory', 'memory/kubepods', 'memory/kubepods/pody']);
  });
});

describe('what the CNI library keeps', () => {
  it('goes for pods of ours, and its folders once nothing is in them', async () => {
    const cni = join(dir, 'cni');
    await mkdir(join(cni, 'results'), { recursive: true });
    for (const name of ['cbr0-aa-eth0', 'my-net-bb-eth0', 'cbr0-cc-eth0']) await writeFile(join(cni, 'results', name), '{}');
    const cgroups = ['/kubepods/podx/aa', '/kubepods/podx/bb', '/kubepods/podx/dd'];
    expect(await removeNetworkResults(cgroups, cni)).toBe(2);
    expect(await readdir(join(cni, 'results'))).toEqual(['cbr0-cc-eth0']);
    expect(await removeNetworkResults(['/kubepods/podx/cc'], cni)).toBe(1);
    expect(existsSync(cni)).toBe(false);
    expect(await removeNetworkResults(cgroups, cni)).toBe(0);
  });
});

describe('processes', () => {
  it('end with their descendants', async () => {
    const child = spawn('sh', ['-c', "trap '' TERM; sleep 100 & echo up; wait; wait"], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    const tree = withDescendants([processIdentity(child.pid!)!]);
    expect(tree).toHaveLength(2);
    await endProcesses(tree, 0, new SystemClock());
    expect(tree.filter(isAlive)).toEqual([]);
    expect(withDescendants(tree)).toEqual([]);
  });
});

describe('killall and uninstall', () => {
  it('leave alone what no server of ours has marked, and a server that runs', async () => {
    const prepared = await prepare();
    const { dataDir } = prepared.paths;
    expect(await run(killAll, prepared)).toEqual({ lines: [], error: undefined });
    await mkdir(join(dataDir, 'server'), { recursive: true });
    for (const remove of [killAll, uninstall]) {
      expect(await run(remove, prepared)).toMatchObject({ lines: [], error: { code: 'NOT_OURS' } });
    }
    await claimDataDirectory(prepared.paths, false);
    const release = await lockServer(prepared.paths);
    for (const remove of [killAll, uninstall]) {
      expect(await run(remove, prepared)).toMatchObject({ lines: [], error: { code: 'SERVER_RUNNING' } });
    }
    expect(await readdir(join(dataDir, 'server'))).toEqual([]);
    await release();
  });

  it('remove what the ledger names, the newest first, and keep what failed for the next time', async () => {
    const prepared = await prepare();
    const { paths } = prepared;
    await claimDataDirectory(paths, false);
    const ledger = new LedgerFile(paths.ledgerFile);
    await ledger.forOwner('flannel').record('link', 'cni0');
    await ledger.forOwner('flannel').record('strange', 'thing');
    await ledger.forOwner('proxy').record('nftables-table', 'inet k3s-test');
    await ledger.forOwner('dataplane').record('process', 'dataplane');
    const { containerLogsDir, podLogsDir } = paths.agent;
    await ledger.forOwner('kubelet').record('log-links', containerLogsDir, { podLogsDir });
    await mkdir(containerLogsDir, { recursive: true });
    await symlink(join(podLogsDir, 'a.log'), join(containerLogsDir, 'p_n_c-a.log'));
    await ledger.close();
    const commands = new RecordingCommands();
    const { lines, error } = await run(killAll, prepared, commands);
    expect(lines).toEqual([
      `removed log-links ${containerLogsDir} of kubelet`,
      'removed nftables-table inet k3s-test of proxy',
      'removed link cni0 of flannel',
    ]);
    expect(existsSync(containerLogsDir)).toBe(false);
    expect((error as AggregateError).errors).toEqual([
      expect.objectContaining({ code: 'REMOVAL_UNKNOWN', message: 'flannel made the strange thing; it is left there' }),
    ]);
    expect(commands.lines()[0]).toMatch(/^nft /);
    const left = new LedgerFile(paths.ledgerFile);
    expect(await left.list()).toEqual([{ owner: 'flannel', kind: 'strange', name: 'thing' }]);
    await left.close();
  });

  it('end a dataplane by its record', async () => {
    const prepared = await prepare();
    await claimDataDirectory(prepared.paths, false);
    const directory = join(prepared.paths.runDir, 'dataplane');
    await mkdir(directory, { recursive: true });
    const child = spawn('sleep', ['100'], { stdio: 'ignore' });
    const exited = once(child, 'exit');
    const record = { pid: child.pid, startTime: String(processIdentity(child.pid!)!.startTicks), socket: 'x', protocol: 1 };
    await writeFile(join(directory, 'child.json'), JSON.stringify(record));
    const { lines, error } = await run(killAll, prepared);
    expect(error).toBeUndefined();
    expect(lines).toEqual([`ended the dataplane (pid ${child.pid})`, `removed ${prepared.paths.runDir}`]);
    expect((await exited)[1]).toBe('SIGTERM');
  });

  it('uninstall takes the data and its own kubeconfig, and nothing of others', async () => {
    const prepared = await prepare();
    const { paths } = prepared;
    await claimDataDirectory(paths, false);
    await mkdir(paths.server.tlsDir, { recursive: true });
    await writeFile(join(paths.server.tlsDir, 'server-ca.crt'), 'authority');
    await writeFile(paths.kubeconfigFile, `ca: ${Buffer.from('another').toString('base64')}\n`);
    await writeFile(join(paths.dataDir, 'notes.txt'), 'mine');
    const first = await run(uninstall, prepared);
    expect(first.error).toBeUndefined();
    expect(first.lines.at(-1)).toBe(`left ${paths.dataDir}: it holds files that are not ours (k3s.yaml, notes.txt)`);
    expect(await readdir(paths.dataDir)).toEqual(['k3s.yaml', 'notes.txt']);

    await rm(paths.dataDir, { recursive: true });
    await claimDataDirectory(paths, false);
    await mkdir(paths.server.tlsDir, { recursive: true });
    await writeFile(join(paths.server.tlsDir, 'server-ca.crt'), 'authority');
    await writeFile(paths.kubeconfigFile, `ca: ${Buffer.from('authority').toString('base64')}\n`);
    expect((await run(uninstall, prepared)).error).toBeUndefined();
    expect(await readdir(dir)).toEqual(['config.yaml']);
    expect(await run(uninstall, prepared)).toEqual({ lines: [], error: undefined });
  });

  it('uninstall takes the logs of pods, also of those that ended and whose links a killall took', async () => {
    const prepared = await prepare();
    const agent = { ...prepared.paths.agent, podLogsDir: join(dir, 'pods'), containerLogsDir: join(dir, 'containers') };
    const paths = { ...prepared.paths, agent };
    await claimDataDirectory(paths, false);
    const { containerLogsDir, podLogsDir } = agent;
    const ledger = new LedgerFile(paths.ledgerFile);
    await ledger.forOwner('kubelet').record('log-links', containerLogsDir, { podLogsDir });
    await ledger.close();
    await mkdir(containerLogsDir);
    for (const pod of ['n_kept_1', 'n_ended_2', 'n_foreign_3']) await mkdir(join(podLogsDir, pod, 'c'), { recursive: true });
    await mkdir(join(agent.kubeletDir, 'pods', '1'), { recursive: true });
    await symlink(join(podLogsDir, 'n_ended_2', 'c', '0.log'), join(containerLogsDir, 'ended_n_c-a.log'));
    await writeFile(join(containerLogsDir, 'no-link.log'), '');
    // Twice: the second finds the links gone.
    for (let time = 0; time < 2; time++) expect((await run(killAll, { ...prepared, paths })).error).toBeUndefined();
    expect(await readdir(podLogsDir)).toHaveLength(3);
    expect((await run(uninstall, { ...prepared, paths })).error).toBeUndefined();
    expect(await readdir(podLogsDir)).toEqual(['n_foreign_3']);
  });

  it('uninstall takes the folders of the kubeconfig, too', async () => {
    const prepared = await prepare();
    const kubeconfigFile = join(dir, 'rancher', 'k3s', 'k3s.yaml');
    const paths = { ...prepared.paths, kubeconfigFile };
    await claimDataDirectory(paths, false);
    await mkdir(paths.server.tlsDir, { recursive: true });
    await mkdir(join(dir, 'rancher', 'k3s'), { recursive: true });
    await writeFile(join(paths.server.tlsDir, 'server-ca.crt'), 'authority');
    await writeFile(kubeconfigFile, `ca: ${Buffer.from('authority').toString('base64')}\n`);
    expect((await run(uninstall, { ...prepared, paths })).error).toBeUndefined();
    expect(await readdir(dir)).toEqual(['config.yaml']);
  });
});

describe('a part that ran before and does not run now', () => {
  it('loses what it made, also when its package is gone; what nobody can remove is told', async () => {
    const prepared = await prepare();
    const ledger = new LedgerFile(prepared.paths.ledgerFile);
    const file = join(dir, 'data', 'made', 'by', 'gone');
    await mkdir(join(dir, 'data', 'made', 'by'), { recursive: true });
    await writeFile(file, '');
    await ledger.forOwner('gone').record('file', file);
    await ledger.forOwner('gone').record('nftables-table', 'inet gone');
    await ledger.forOwner('gone').record('spaceship', 'one');
    await ledger.forOwner('kubelet').record('nftables-table', 'inet stays');
    const lines: string[] = [];
    const logger = new SinkLogger(record => lines.push(formatRecord(record).slice(25)), 'debug');
    const commands = new RecordingCommands();
    try {
      await removeAbsent(prepared, { ledger, logger, commands });
      expect(existsSync(file)).toBe(false);
      expect(commands.requests.map(({ input }) => input)).toEqual(['add table inet gone\ndelete table inet gone\n']);
      expect(lines).toEqual([
        'INFO  a part does not run any more: removed nftables-table inet gone of gone',
        `INFO  a part does not run any more: removed file ${file} of gone`,
        expect.stringMatching(/^WARN  .*gone made the spaceship one; it is left there/),
      ]);
      expect((await ledger.list()).map(({ owner, name }) => `${owner} ${name}`)).toEqual(['gone one', 'kubelet inet stays']);
    } finally {
      await ledger.close();
    }
  });
});
