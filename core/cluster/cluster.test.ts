import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { access, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { ContainerModule } from 'inversify';
import { errorText } from '../base/errors.js';
import { ClusterPaths } from '../contracts/cluster-paths.js';
import { ClusterSettings } from '../contracts/cluster-settings.js';
import { Ledger } from '../contracts/ledger.js';
import { Part } from '../contracts/part.js';
import { PluginOptions } from '../contracts/plugin-options.js';
import { definePlugin } from '../plugin-api/descriptor.js';
import type { PartDescriptor } from '../plugin-api/descriptor.js';
import { slots } from '../plugin-api/slots.js';
import { presets } from '../../presets/index.js';
import { claimDataDirectory } from './foreign-k3s.js';
import { builtInCatalogue, discardCluster, prepareCluster, runCluster, slotTable } from './index.js';
import type { PreparedCluster, PrepareOptions } from './index.js';
import { makeClusterPaths } from './paths.js';
import { nthAddress } from './settings.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cluster-'));
  await writeFile(join(dir, 'config.yaml'), '');
});
afterEach(() => rm(dir, { recursive: true }));

function fake(id: string, slot: string, more: Partial<PartDescriptor> = {}): PartDescriptor {
  const module = new ContainerModule(({ bind }) => {
    bind(Part).toConstantValue({});
    bind(Symbol.for(`k3s/${slot}@1`)).toConstantValue({});
  });
  return definePlugin({ id, slot, contract: 1, load: async () => ({ module }), ...more });
}

const fakes = [
  fake('sqlite', 'datastore', { aliases: ['kine'] }),
  fake('memory', 'datastore'),
  fake('apiserver', 'apiserver', { requires: ['datastore'] }),
  fake('containerd', 'container-runtime'),
  fake('coredns', 'cluster-dns'),
  fake('nodes', 'controllers', { requires: ['apiserver'] }),
  fake('pods', 'controllers', { requires: ['apiserver'] }),
];

async function prepare(argumentList: string[] = [], more: Partial<PrepareOptions> = {}): Promise<PreparedCluster> {
  const environment = { K3S_CONFIG_FILE: join(dir, 'config.yaml') };
  return prepareCluster({ command: 'server', arguments: argumentList, environment, catalogue: fakes, isRoot: true, ...more });
}

const chosen = ({ selection }: PreparedCluster): string[] => selection.plugins.map(plugin => plugin.id).sort();

describe('choice of plugins', () => {
  it('warns about a flag whose plugin does not run', async () => {
    const flag = { option: 'size', kind: 'number', summary: 'size' } as const;
    const options = { size: { default: 1, format: 'nat' } };
    const own = fake('mine', 'cni', { flags: { 'mine-size': flag }, options });
    const catalogue = [...fakes, own];
    expect((await prepare(['--mine-size=3'], { catalogue })).warnings).toEqual([
      '--mine-size has no effect: mine, which reads it, does not run',
    ]);
    const running = await prepare(['--mine-size=3', '--slot=cni=mine'], { catalogue });
    expect(running.warnings).toEqual([]);
    expect(running.selection.plugins.find(({ id }) => id === 'mine')?.options).toEqual({ size: 3 });
  });

  it('takes from the preset what is built and tells what is not', async () => {
    const prepared = await prepare();
    expect(chosen(prepared)).toEqual(['apiserver', 'containerd', 'coredns', 'nodes', 'pods', 'sqlite']);
    expect(prepared.selection.notBuilt).toContainEqual({ slot: 'ingress', plugin: 'traefik' });
    expect(slotTable(prepared).find(row => row.slot === 'ingress')).toMatchObject({ reason: 'traefik is not built yet' });
  });

  it('leaves out what is disabled, by id, alias, flag or side', async () => {
    const argumentList = ['--disable=coredns,nodes', '--disable', 'kine', '--disable-agent', '--slot', 'datastore=memory'];
    expect(chosen(await prepare(argumentList))).toEqual(['apiserver', 'memory', 'pods']);
    const warned = await prepare(['--disable', 'cordns,traefik,ccm']);
    expect(warned.warnings).toEqual(['--disable cordns: no plugin has this name (did you mean "coredns"?); a manifest may']);
  });

  it('lets flags and files replace the choice of the preset', async () => {
    expect(chosen(await prepare(['--datastore-endpoint', 'memory://']))).toContain('memory');
    await writeFile(join(dir, 'config.yaml'), 'slots: {datastore: memory, cluster-dns: none}');
    expect(chosen(await prepare())).toEqual(['apiserver', 'containerd', 'memory', 'nodes', 'pods']);
    await expect(prepare(['--docker'])).rejects.toMatchObject({
      code: 'PLUGIN_NOT_BUILT',
      message: '--docker: no plugin "docker" for the slot container-runtime; there are containerd',
    });
    await expect(prepare(['--slot', 'ingress=coredns'])).rejects.toMatchObject({
      message: '--slot: plugin coredns belongs in the slot cluster-dns, not in ingress',
    });
    await writeFile(join(dir, 'config.yaml'), '');
    await expect(prepare(['--datastore-endpoint', 'sqlite:///x'])).rejects.toMatchObject({
      message: '--datastore-endpoint: the plugin sqlite takes no address, only sqlite://',
    });
  });

  it('lets --slot choose among plugins of one package, and tells which package was named in vain', async () => {
    const file = join(dir, 'two.mjs');
    const one = (id: string): string => `{ id: '${id}', slot: 'cluster-dns', contract: 1, load() {} }`;
    await writeFile(file, `export const plugins = [${one('first')}, ${one('second')}];`);
    const dns = async (...argumentList: string[]) => {
      const prepared = await prepare(['--plugin', file, '--plugin', file, ...argumentList]);
      const holders = slotTable(prepared).filter(row => row.slot === 'cluster-dns');
      return [holders.map(row => row.plugin), prepared.warnings];
    };
    // Both are wished for: the wiring refuses that, and names the way.
    expect(await dns()).toEqual([['first', 'second'], []]);
    expect(await dns('--slot', 'cluster-dns=second')).toEqual([['second'], []]);
    await writeFile(join(dir, 'config.yaml'), 'slots: {cluster-dns: first}');
    expect(await dns()).toEqual([['first'], []]);
    await writeFile(join(dir, 'config.yaml'), '');
    const inVain = (id: string, chosen: string) =>
      `--plugin ${file}: ${id} does not run, --slot has ${chosen} in the slot cluster-dns`;
    expect(await dns('--slot', 'cluster-dns=coredns')).toEqual([
      ['coredns'],
      [inVain('first', 'coredns'), inVain('second', 'coredns')],
    ]);
    expect(await dns('--slot', 'cluster-dns=none')).toEqual([[null], [inVain('first', 'none'), inVain('second', 'none')]]);
  });

  it('hands options of preset, file and flags to the plugin', async () => {
    const backend = { option: 'network.backend', kind: 'string', summary: 'backend' } as const;
    const options = { network: { backend: { default: 'vxlan', format: String } } };
    const catalogue = [...fakes, fake('flannel', 'cni', { options, flags: { 'flannel-backend': backend } })];
    await writeFile(join(dir, 'config.yaml'), 'plugin-options: {flanel: {}}');
    const prepared = await prepare(['--flannel-backend', 'host-gw'], { catalogue });
    const { options: given } = prepared.selection.plugins.find(plugin => plugin.id === 'flannel')!;
    expect(given).toEqual({ network: { backend: 'host-gw' } });
    expect(prepared.warnings).toEqual(['plugin-options: unknown plugin "flanel" (did you mean "flannel"?), skipped']);
  });

  it('has presets that name existing slots, and plugins that fit where they are built', () => {
    const known = new Map(slots.map(slot => [slot.id, slot]));
    const built = new Map(builtInCatalogue().map(descriptor => [descriptor.id, descriptor]));
    for (const preset of Object.values(presets)) {
      for (const [slot, wish] of Object.entries(preset.slots)) {
        expect([preset.id, slot, known.has(slot)]).toEqual([preset.id, slot, true]);
        const descriptor = typeof wish === 'string' ? built.get(wish) : undefined;
        if (descriptor) expect([descriptor.id, descriptor.slot]).toEqual([descriptor.id, slot]);
      }
    }
  });
});

describe('settings and paths', () => {
  it('types what flags say and derives the rest', async () => {
    const argumentList = [
      '--cluster-cidr=10.98.0.0/16,fd00:98::/56',
      '--service-cidr=10.99.0.0/16,fd00:99::/112',
      '--node-name=here',
      '--write-kubeconfig-mode=644',
    ];
    const { settings } = await prepare([...argumentList, '--service-node-port-range=100-200']);
    expect(settings).toMatchObject({
      role: 'server',
      preset: 'default',
      clusterCidrs: ['10.98.0.0/16', 'fd00:98::/56'],
      clusterDns: ['10.99.0.10', 'fd00:99::a'],
      nodeName: 'here',
      nodeEnabled: true,
      httpsListenPort: 6443,
      serviceNodePortRange: { first: 100, last: 200 },
      kubeconfig: { mode: 0o644, group: undefined, name: 'default' },
    });
    expect(Object.isFrozen(settings)).toBe(true);
    expect(nthAddress('10.1.2.255/24', 300)).toBe('10.1.3.44');
  });

  it('wants pods and Services of the same families', async () => {
    const six = ['fd00:42::/56', 'fd00:43::/112'];
    await expect(prepare([`--cluster-cidr=10.42.0.0/16,${six[0]}`])).rejects.toMatchObject({
      code: 'ADDRESS_FAMILIES',
      message:
        '--cluster-cidr 10.42.0.0/16,fd00:42::/56 and --service-cidr 10.43.0.0/16 must share the same IP version (IPv4, IPv6 or dual-stack)',
    });
    await expect(prepare([`--cluster-cidr=${six[0]}`])).rejects.toMatchObject({ code: 'ADDRESS_FAMILIES' });
    await expect(prepare(['--node-ip=192.0.2.1,192.0.2.2'])).rejects.toMatchObject({
      code: 'ADDRESS_FAMILIES',
      message: '--node-ip 192.0.2.1,192.0.2.2 names more than one address of a family',
    });
    await expect(prepare(['--cluster-cidr=10.42.0.0/16,10.44.0.0/16'])).rejects.toMatchObject({
      message: '--cluster-cidr 10.42.0.0/16,10.44.0.0/16 names more than one range of a family',
    });
    const mixed = await prepare([`--cluster-cidr=10.42.0.0/16,${six[0]}`, `--service-cidr=${six[1]},10.43.0.0/16`]);
    expect(mixed.settings.clusterDns).toEqual(['fd00:43::a', '10.43.0.10']);
  });

  it('reads tokens from files', async () => {
    await writeFile(join(dir, 'token'), 'secret\n');
    const { settings } = await prepare(['--token-file', join(dir, 'token')]);
    expect(settings.token).toBe('secret');
    await expect(prepare(['--token-file', join(dir, 'none')])).rejects.toMatchObject({ code: 'TOKEN_FILE' });
  });

  it('lays files out as K3s does, and keeps other clusters apart', () => {
    const common = { registriesFile: '/etc/rancher/k3s/registries.yaml', homeDir: '/home/u' };
    const root = makeClusterPaths({ ...common, ownsHost: true });
    expect(root).toMatchObject({
      dataDir: '/var/lib/rancher/k3s',
      runDir: '/run/k3s',
      kubeconfigFile: '/etc/rancher/k3s/k3s.yaml',
    });
    expect(root.server.databaseFile).toBe('/var/lib/rancher/k3s/server/db/state.db');
    expect(root.agent.kubeletDir).toBe('/var/lib/kubelet');
    const other = makeClusterPaths({ ...common, ownsHost: true, dataDir: '/data' });
    expect(other.runDir).toMatch(/^\/run\/k3s-[0-9a-f]{8}$/);
    expect(other.agent.kubeletDir).toBe('/data/agent/kubelet');
    const user = makeClusterPaths({ ...common, ownsHost: false });
    expect(user.kubeconfigFile).toBe('/home/u/.rancher/k3s/k3s.yaml');
    expect(user.runDir).toBe('/home/u/.rancher/k3s/run');
  });

  it('refuses the data or the service of another K3s and touches nothing', async () => {
    const paths = makeClusterPaths({ ownsHost: false, dataDir: join(dir, 'data'), registriesFile: '/x', homeDir: dir });
    await mkdir(dirname(paths.server.databaseFile), { recursive: true });
    await writeFile(paths.server.databaseFile, 'kine');
    await expect(claimDataDirectory(paths, false, dir)).rejects.toMatchObject({
      code: 'FOREIGN_K3S',
      mend: 'choose another place with --data-dir',
    });
    await expect(access(join(dir, 'data', '.k3s-ts'))).rejects.toMatchObject({ code: 'ENOENT' });
    await rm(paths.server.databaseFile);
    await claimDataDirectory(paths, false, dir);
    await writeFile(paths.server.databaseFile, 'ours');
    await claimDataDirectory(paths, false, dir);
    await writeFile(join(dir, 'k3s.service'), 'ExecStart=/usr/local/bin/k3s server');
    const onHost = { ...paths, runDir: '/run/k3s' };
    await expect(claimDataDirectory(onHost, true, dir)).rejects.toThrow('k3s.service is the service of another K3s');
    await writeFile(join(dir, 'k3s.service'), 'ExecStart=/opt/k3s-ts/k3s server');
    await claimDataDirectory(onHost, true, dir);
  });
});

describe('a running cluster', () => {
  const environment = (): Record<string, string> => ({ K3S_CONFIG_FILE: join(dir, 'config.yaml'), K3S_PRESET: 'sandbox' });

  it('binds settings, paths, options and ledger for its parts; leaves nothing behind', async () => {
    let seen: { settings: ClusterSettings; paths: ClusterPaths; options: unknown; ledger: Ledger } | undefined;
    const module = new ContainerModule(({ bind }) => {
      bind(Part).toDynamicValue(context => {
        seen = {
          settings: context.get<ClusterSettings>(ClusterSettings),
          paths: context.get<ClusterPaths>(ClusterPaths),
          options: context.get(PluginOptions),
          ledger: context.get<Ledger>(Ledger),
        };
        return { start: () => seen!.ledger.record('link', 'cni0') };
      });
    });
    const probe = definePlugin({
      id: 'probe',
      slot: 'core',
      contract: 1,
      requires: ['datastore'],
      load: async () => ({ module }),
    });
    const states: string[] = [];
    const catalogue = [...builtInCatalogue().filter(each => each.slot === 'datastore'), probe];
    const running = await runCluster({
      command: 'server',
      arguments: [],
      environment: environment(),
      catalogue,
      onStatus: status => states.push(`${status.id} ${status.state}`),
    });
    expect(states).toContain('probe ready');
    expect(seen!.settings).toMatchObject({ preset: 'sandbox', httpsListenPort: 0, bindAddress: '127.0.0.1' });
    expect(seen!.paths).toBe(running.prepared.paths);
    expect(seen!.options).toEqual({});
    await access(seen!.paths.ledgerFile);
    expect(await seen!.ledger.list()).toEqual([{ owner: 'probe', kind: 'link', name: 'cni0' }]);
    await Promise.all([running.stop(), running.stop()]);
    await running.finished;
    await expect(access(seen!.paths.dataDir)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('runs several times in one process, and each can be aborted', async () => {
    const catalogue = builtInCatalogue().filter(each => each.slot === 'datastore');
    const abort = new AbortController();
    const options = { command: 'server' as const, arguments: [], environment: environment(), catalogue };
    const [first, second] = await Promise.all([runCluster({ ...options, signal: abort.signal }), runCluster(options)]);
    expect(first.prepared.paths.dataDir).not.toBe(second.prepared.paths.dataDir);
    abort.abort();
    await first.finished;
    expect(second.kernel.state).toBe('running');
    await second.stop();
  });

  it('cleans up after a start that failed', async () => {
    const module = new ContainerModule(({ bind }) => {
      bind(Part).toConstantValue({ start: () => Promise.reject(new Error('no luck')) });
    });
    const broken = definePlugin({ id: 'broken', slot: 'core', contract: 1, vital: true, load: async () => ({ module }) });
    const catalogue = [...builtInCatalogue().filter(each => each.slot === 'datastore'), broken];
    let dataDir = '';
    const failed = runCluster({
      command: 'server',
      arguments: [],
      environment: environment(),
      catalogue,
      onPrepared: prepared => void (dataDir = prepared.paths.dataDir),
    });
    expect(errorText(await failed.catch((error: unknown) => error))).toBe('broken failed to start: no luck');
    await expect(access(dataDir)).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(runCluster({ command: 'agent', arguments: [], environment: {} })).rejects.toMatchObject({ code: 'NOT_BUILT' });
  });

  it('discards the directory of a cluster that was only prepared', async () => {
    const prepared = await prepareCluster({ command: 'server', arguments: [], environment: environment(), catalogue: fakes });
    await access(prepared.paths.dataDir);
    await discardCluster(prepared);
    await expect(access(prepared.paths.dataDir)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
