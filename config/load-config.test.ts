import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flags, loadConfig, loadEarlyConfig } from './index.js';
import type { Environment, FlagDefinition, LoadedConfig, LoadOptions } from './index.js';

let dir: string;
let file: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'config-'));
  file = join(dir, 'config.yaml');
});
afterEach(() => rm(dir, { recursive: true }));

interface Setting {
  readonly argumentList?: string[];
  readonly environment?: Environment;
  readonly command?: 'server' | 'agent';
  readonly options?: LoadOptions;
}

async function load(setting: Setting = {}): Promise<LoadedConfig> {
  const { argumentList = [], environment = {}, command = 'server', options } = setting;
  const line = { command, arguments: argumentList, environment: { K3S_CONFIG_FILE: file, ...environment } };
  const early = await loadEarlyConfig(line);
  return loadConfig(line, early.files, options);
}

async function messages(setting: Setting): Promise<string[]> {
  try {
    await load(setting);
  } catch (error) {
    const { errors, message } = error as { errors?: Error[]; message: string };
    return errors?.map(each => each.message) ?? [message];
  }
  throw new Error('nothing was thrown');
}

const write = (text: string, name = file): Promise<void> => writeFile(name, text);
async function dropIn(name: string, text: string): Promise<void> {
  await mkdir(`${file}.d`, { recursive: true });
  await writeFile(join(`${file}.d`, name), text);
}

describe('configuration', () => {
  it('has the defaults of K3s', async () => {
    await write('');
    const { values, warnings, sources } = await load();
    expect(values['https-listen-port']).toBe(6443);
    expect(values['write-kubeconfig-mode']).toBe('0600');
    expect(values['service-node-port-range']).toBe('30000-32767');
    expect(values['cluster-domain']).toBe('cluster.local');
    expect(values.disable).toEqual([]);
    expect(values.token).toBeUndefined();
    expect(warnings).toEqual([]);
    expect(sources.size).toBe(1);
  });

  it('lets the command line beat files, files the environment, all the preset', async () => {
    await write('node-name: from-file\ntoken: from-file\n');
    const environment = { K3S_NODE_NAME: 'from-environment', K3S_TOKEN: 'from-environment', K3S_DATA_DIR: '/environment' };
    const options = { presetValues: { 'data-dir': '/preset', 'https-listen-port': 0 } };
    const { values, sources } = await load({ argumentList: ['--token', 'given'], environment, options });
    expect([values.token, values['node-name'], values['data-dir']]).toEqual(['given', 'from-file', '/environment']);
    expect(values['https-listen-port']).toBe(0);
    expect(sources.get('node-name')).toBe(file);
    expect(sources.get('data-dir')).toBe('K3S_DATA_DIR');
  });

  it('merges drop-in files by name, the last wins, + appends', async () => {
    await write('node-label: [a=1]\ntls-san: one\nnode-taint: [x]\ndebug: true\n');
    await dropIn('20.yaml', 'node-label+: [c=3]\ntls-san+: [three]\ndebug: false\n');
    await dropIn('10.yml', 'node-label+: b=2\ntls-san: [two]\nnode-taint: []\n');
    await dropIn('ignored.txt', 'node-label: nothing');
    const { values, files } = await load();
    expect(values['node-label']).toEqual(['a=1', 'b=2', 'c=3']);
    expect(values['tls-san']).toEqual(['two', 'three']);
    expect(values['node-taint']).toEqual([]);
    expect(values.debug).toBe(false);
    expect(files.map(path => path.slice(dir.length + 1))).toEqual([
      'config.yaml',
      'config.yaml.d/10.yml',
      'config.yaml.d/20.yaml',
    ]);
  });

  it('replaces a list of the file by that of the command line', async () => {
    await write('disable: [coredns]\nnode-label: [a=1]\n');
    const { values } = await load({ argumentList: ['--disable=traefik,servicelb', '--disable', 'metrics-server'] });
    expect(values.disable).toEqual(['traefik', 'servicelb', 'metrics-server']);
    expect(values['node-label']).toEqual(['a=1']);
  });

  it('splits only the lists that K3s splits', async () => {
    await write('');
    const argumentList = ['--node-label', 'a=1,2', '--cluster-cidr', '10.1.0.0/16,fd00::/56'];
    const { values } = await load({ argumentList });
    expect(values['node-label']).toEqual(['a=1,2']);
    expect(values['cluster-cidr']).toEqual(['10.1.0.0/16', 'fd00::/56']);
  });

  it("splits lists of plugins as K3s' own, from wherever they come", async () => {
    const list = { plugin: 'shop', kind: 'list', summary: '' } as const;
    const claimed = [
      { ...list, name: 'shop-doors', option: 'doors', environment: 'SHOP_DOORS' },
      { ...list, name: 'shop-arg', option: 'rules', whole: true, environment: 'SHOP_ARG' },
    ] as const;
    const read = async (text: string, argumentList: string[] = [], environment: Record<string, string> = {}) => {
      await write(text);
      const { values, pluginOptions } = await load({ argumentList, environment, options: { claimed } });
      // The same said of a flag of ours and of one of a plugin.
      return [values['tls-san'], pluginOptions.get('shop')?.['doors'], pluginOptions.get('shop')?.['rules']];
    };
    const flags = ['a,b', ' c ,,'].flatMap(item => ['--tls-san', item, '--shop-doors', item, '--shop-arg', item]);
    expect(await read('', flags)).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
      ['a,b', 'c ,,'],
    ]);
    expect(await read('tls-san: a,b\nshop-doors: a,b\nshop-arg: a,b\n')).toEqual([['a', 'b'], ['a', 'b'], ['a,b']]);
    expect(await read('tls-san: [a, "b,c"]\nshop-doors: [a, "b,c"]\nshop-arg: [a, "b,c"]\n')).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
      ['a', 'b,c'],
    ]);
    await mkdir(`${file}.d`);
    await writeFile(join(`${file}.d`, '1.yaml'), 'tls-san+: b,c\nshop-doors+: b,c\nshop-arg+: b,c\n');
    expect(await read('tls-san: a\nshop-doors: a\nshop-arg: a\n')).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
      ['a', 'b,c'],
    ]);
    await rm(`${file}.d`, { recursive: true });
    expect(await read('', [], { SHOP_DOORS: 'a,b', SHOP_ARG: 'a,b' })).toEqual([[], ['a', 'b'], ['a,b']]);
  });

  it('knows short names, one dash, booleans with values and aliases', async () => {
    await write('');
    const argumentList = ['-d', '/x', '-tls-san=a', '--debug=false', '--kube-controller-arg', 'v=2'];
    const claimed = [
      { plugin: 'controllers', name: 'kube-controller-manager-arg', option: 'arguments', kind: 'list', summary: '' } as const,
    ];
    const { values, pluginOptions } = await load({ argumentList, options: { claimed } });
    expect([values['data-dir'], values['tls-san'], values.debug]).toEqual(['/x', ['a'], false]);
    expect(pluginOptions.get('controllers')).toEqual({ arguments: ['v=2'] });
  });

  it('refuses unknown flags, naming the nearest, and everything else that is wrong, at once', async () => {
    await write('https-listen-port: 70000\n');
    const argumentList = ['--disabel', 'x', 'stray', '--bind-address', 'here', '--debug=maybe', '--token'];
    expect(await messages({ argumentList })).toEqual([
      'unknown flag --disabel (did you mean --disable?)',
      'unexpected argument "stray"',
      'flag --token needs a value',
      '--debug must be true or false, not "maybe"',
      '--bind-address must be an IP address, not "here"',
      `${file}: https-listen-port must be a port from 0 to 65535, not 70000`,
    ]);
  });

  it('refuses what is not built by name, and only when it changes something', async () => {
    await write('');
    expect(await messages({ argumentList: ['--cluster-init'] })).toEqual([
      '--cluster-init needs embedded etcd, which is not planned; use --datastore-endpoint with an etcd, Postgres or MySQL',
    ]);
    expect(await messages({ environment: { K3S_URL: 'https://server:6443' } })).toEqual([
      expect.stringMatching(/^--server \(from K3S_URL\) needs servers that join/),
    ]);
    await expect(load({ argumentList: ['--cluster-init=false'] })).resolves.toBeDefined();
    const { warnings } = await load({ argumentList: ['--etcd-snapshot-retention=9'], environment: { AWS_ACCESS_KEY_ID: 'x' } });
    expect(warnings).toEqual(['--etcd-snapshot-retention has no effect: there is no embedded etcd']);
  });

  it('accepts a flag of K3s that a plugin claims, and flags of its own', async () => {
    await write('redis-url: redis://file\nplugin-options: {redis: {limits: {size: 3}}, flannel: {backend: vxlan}}\n');
    const claimed = [
      { plugin: 'flannel', name: 'flannel-backend', option: 'backend', kind: 'string', summary: 'backend' },
      {
        plugin: 'redis',
        name: 'redis-url',
        option: 'connection.url',
        kind: 'string',
        summary: 'address',
        environment: 'REDIS_URL',
      },
    ] as const;
    const { pluginOptions } = await load({ argumentList: ['--flannel-backend=host-gw'], options: { claimed } });
    expect(pluginOptions.get('flannel')).toEqual({ backend: 'host-gw' });
    expect(pluginOptions.get('redis')).toEqual({ limits: { size: 3 }, connection: { url: 'redis://file' } });
    expect(await messages({ argumentList: ['--flannel-backend=ipsec'], options: { claimed } })).toEqual([
      '--flannel-backend must be one of none, vxlan, host-gw, wireguard-native, not "ipsec"',
    ]);
    const taken = ['c', 'plugins', 'slots', 'help'].map(name => ({ ...claimed[1], name }));
    expect(await messages({ options: { claimed: [...taken, { ...claimed[1], environment: 'K3S_TOKEN' }] } })).toEqual([
      'plugin redis claims --c, a name that belongs to --config',
      'plugin redis claims --plugins, a name that belongs to --plugin',
      'plugin redis claims --slots, a name that belongs to k3s itself',
      'plugin redis claims --help, a name that belongs to k3s itself',
      'plugin redis reads the variable K3S_TOKEN for --redis-url, which belongs to --token',
    ]);
    const clash = [{ ...claimed[0], name: 'token' }, claimed[1], { ...claimed[1], plugin: 'other' }];
    expect(await messages({ options: { claimed: clash } })).toEqual([
      'plugin flannel claims --token, which belongs to the core',
      '--redis-url is claimed by plugin other and plugin redis',
    ]);
  });

  it('warns about unknown keys of files, or refuses them when strict', async () => {
    await write('tokn: x\nno-such-thing-at-all: 1\n');
    const { warnings } = await load();
    expect(warnings[0]).toBe(`${file}: unknown key "tokn" (did you mean "token"?), skipped`);
    expect(await messages({ options: { strictFiles: true } })).toHaveLength(2);
  });

  it('reads slots of file and command line', async () => {
    await write('slots: {datastore: memory, ingress: none}\n');
    const { slots } = await load({ argumentList: ['--slot', 'ingress=traefik'] });
    expect([...slots]).toEqual([
      ['datastore', { plugin: 'memory', by: file }],
      ['ingress', { plugin: 'traefik', by: '--slot' }],
    ]);
    expect(await messages({ argumentList: ['--slot', 'ingress'] })).toEqual([
      '--slot must be like datastore=sqlite, not "ingress"',
    ]);
  });

  it('names file and line of broken YAML, and a file that was named but is not there', async () => {
    expect(await messages({})).toEqual([`configuration file ${file} does not exist`]);
    await write('token: a\ntoken: b\n');
    expect((await messages({}))[0]).toMatch(/config\.yaml, line 2: not valid YAML: duplicated mapping key/);
    await write('- a\n');
    expect(await messages({})).toEqual([`${file}: must be a map of flag names to values`]);
  });

  it('lets one file serve both commands', async () => {
    await write('write-kubeconfig-mode: "0644"\nnode-name: here\n');
    const { values, warnings } = await load({ command: 'agent' });
    expect(values['node-name']).toBe('here');
    expect(warnings).toEqual([]);
    expect(await messages({ command: 'agent', argumentList: ['--cluster-cidr', '10.0.0.0/8'] })).toEqual([
      expect.stringMatching(/^unknown flag --cluster-cidr/),
    ]);
  });

  it('finds preset and plugins in the first pass', async () => {
    await write('preset: edge\nplugins: [a, b]\n');
    const environment = { K3S_CONFIG_FILE: file };
    const early = (list: string[]) => loadEarlyConfig({ command: 'server', arguments: list, environment });
    expect(await early(['--unknown', '--token', 'x'])).toMatchObject({ preset: 'edge', plugins: ['a', 'b'] });
    expect(await early(['--preset=ci', '--plugin', 'c'])).toMatchObject({ preset: 'ci', plugins: ['c'] });
  });

  it('excludes a token and a token file together', async () => {
    await write('token: a\n');
    expect((await messages({ argumentList: ['--token-file', '/t'] }))[0]).toContain('exclude each other');
  });

  it('warns about variables that look like ours and do nothing', async () => {
    await write('');
    const environment = {
      K3S_TOKN: 'x',
      K3S_P2P_PORT: '5001',
      K3S_LB_SERVER_PORT: '6445',
      K3S_NODE_NAME: '',
      AWS_SESSION_TOKEN: 'x',
    };
    const { warnings } = await load({ environment });
    expect(warnings).toEqual([
      'unknown variable K3S_TOKN (did you mean "K3S_TOKEN"?), skipped',
      'K3S_P2P_PORT has no effect: nodes do not share images',
      '--lb-server-port (from K3S_LB_SERVER_PORT) has no effect: there is no agent load balancer',
    ]);
  });

  it('says what every flag that is not built needs', () => {
    const table: Readonly<Record<string, FlagDefinition>> = flags;
    for (const [name, { support, needs }] of Object.entries(table)) {
      if (support !== undefined && support !== 'built') expect([name, needs]).toEqual([name, expect.any(String)]);
    }
    expect(Object.keys(flags).length).toBeGreaterThanOrEqual(115);
  });
});
