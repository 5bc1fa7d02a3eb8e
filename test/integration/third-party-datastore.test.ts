import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { access, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { CommandLineProcess } from '../support/command-line.js';
import { realTool } from '../support/kubectl.js';
import { PluginHome } from '../support/plugin-package.js';

const writes = 1000;

let packages: PluginHome;
let installed: string;
beforeAll(async () => {
  packages = await PluginHome.make();
  installed = await packages.installExample('k3s-plugin-journal');
}, 120_000);
afterAll(() => packages.dispose());

/** Breaks a promise in a built package: a stale update is let through. */
const seedFault = (directory: string): Promise<void> =>
  packages.replaceIn(
    directory,
    'history.js',
    'previous?.modRevision !== expectedRevision',
    '(expectedRevision === undefined) !== !previous',
  );

describe('k3s plugin init', () => {
  it('writes a package that builds, keeps its contract, can be checked and run, and turns red with a fault', async () => {
    const directory = await packages.initialise('my-datastore', 'datastore');
    expect(await packages.ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass 4\d\n/) });

    const { child, printed, outcome } = packages.serve(['--preset', 'sandbox', '--plugin', './my-datastore']);
    await printed('metrics-server is ready');
    child.kill('SIGTERM');
    expect(await outcome).toMatchObject({ code: 0 });
    const list = await packages.k3s('plugin', 'list', '--plugin', './my-datastore');
    expect(list.output).toMatch(/^datastore +my-datastore +0\.1\.0 +\.\/my-datastore +not running +- +--plugin$/m);

    const green = await packages.k3s('plugin', 'check', 'my-datastore');
    expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
    await seedFault(directory);
    const stale = 'a stale update conflicts, shows what is there and changes nothing';
    expect(await packages.ownTest(directory, stale)).toMatchObject({ code: 1, output: expect.stringContaining(`✖ ${stale}`) });
    const red = await packages.k3s('plugin', 'check', 'my-datastore');
    expect(red).toMatchObject({ code: 1, output: expect.stringContaining(`broken  my-datastore: writes: ${stale}: `) });
  }, 180_000);

  it.each([
    [['my-store'], '"k3s plugin init" takes one directory and --slot'],
    [['my-store', '--slot', 'datastor'], '--slot: no template for "datastor" (did you mean "datastore"?)'],
    [['My_Store', '--slot', 'datastore'], `"My_Store" cannot be a plugin's id`],
    [['.', '--slot', 'datastore'], 'is not empty'],
    [['my-store', '--slots', 'datastore'], `"k3s plugin init": Unknown option '--slots'`],
  ])('%j is refused in one line', async (words, line) => {
    const { code, errors, output } = await packages.k3s('plugin', 'init', ...words);
    expect([code, output, errors.trimEnd().split('\n')]).toEqual([1, '', [expect.stringContaining(line)]]);
  });

  it('and check name what they cannot check', async () => {
    expect(await packages.k3s('plugin', 'check')).toMatchObject({
      code: 1,
      errors: expect.stringContaining('takes the directory of one package'),
    });
    const { code, output } = await packages.k3s('plugin', 'check', './nowhere');
    expect([code, output]).toEqual([
      1,
      expect.stringMatching(/^broken {2}wiring: .*nowhere cannot be read: .*\(check the path\)/),
    ]);
  });
});

describe('the example datastore, packed and installed', () => {
  const data = (): string => join(packages.home, 'data');

  async function serve(): Promise<CommandLineProcess> {
    // Tells every module that the process loads.
    const spy = `import { registerHooks } from 'node:module'; import { appendFileSync } from 'node:fs';
      registerHooks({ load: (url, context, next) => (appendFileSync(${JSON.stringify(join(packages.home, 'modules'))}, url + '\\n'), next(url, context)) });`;
    const server = packages.serve(
      ['--preset', 'sandbox', '--data-dir', data(), '--plugin', 'k3s-plugin-journal', '--slot', 'datastore=journal'],
      { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(spy)}` },
    );
    await server.printed('metrics-server is ready');
    return server;
  }

  it('takes the place of sqlite in a running cluster, and 1,000 writes survive a kill', async () => {
    const first = await serve();
    const kubectl = await realTool('kubectl', join(data(), 'k3s.yaml'), packages.home);
    const items = Array.from({ length: writes }, (_, index) => ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: `kept-${index}`, namespace: 'default', labels: { test: 'kept' } },
      data: { index: `${index}` },
    }));
    const created = await kubectl(['create', '-f', '-'], {
      input: items.map(item => JSON.stringify(item)).join('\n---\n'),
      timeoutMs: 120_000,
    });
    expect(created.stderr).toBe('');
    expect([created.code, created.stdout.trim().split('\n').length]).toEqual([0, writes]);
    await assertNoSqlite(first.child.pid!);
    first.child.kill('SIGKILL');
    await first.outcome;

    const second = await serve();
    const again = await realTool('kubectl', join(data(), 'k3s.yaml'), packages.home);
    const kept = await again([
      'get',
      'configmaps',
      '-l',
      'test=kept',
      '-o',
      'jsonpath={range .items[*]}{.metadata.name}={.data.index} {end}',
    ]);
    const expected = items.map(item => `${item.metadata.name}=${item.data.index}`).sort();
    expect(kept.stdout.trim().split(' ').sort()).toEqual(expected);
    expect((await again(['delete', 'configmap', 'kept-7'])).code).toBe(0);
    await assertNoSqlite(second.child.pid!);
    second.child.kill('SIGTERM');
    expect((await second.outcome).code).toBe(0);
    expect(await readdir(join(data(), 'server', 'db'))).toEqual(['journal']);
  }, 240_000);

  it('keeps its contract, and is caught when it does not', async () => {
    await expect(access(join(packages.home, 'node_modules', 'k3s-ts'))).rejects.toMatchObject({ code: 'ENOENT' });
    const green = await packages.k3s('plugin', 'check', installed);
    expect(green.output).not.toContain('note ');
    expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
    await seedFault(installed);
    const red = await packages.k3s('plugin', 'check', installed);
    expect(red).toMatchObject({ code: 1, output: expect.stringContaining('broken  journal: writes: a stale update conflicts') });
  }, 180_000);

  /** No module, no file and no mapping of the part that was replaced. */
  async function assertNoSqlite(pid: number): Promise<void> {
    const modules = await readFile(join(packages.home, 'modules'), 'utf8');
    expect(modules).toContain('k3s-plugin-journal/dist/journal-datastore.js');
    expect(modules.split('\n').filter(url => /better-sqlite3|sqlite-(datastore|worker|engine|module)/.test(url))).toEqual([]);
    expect(await readFile(`/proc/${pid}/maps`, 'utf8')).not.toContain('sqlite');
    const opened = await Promise.all(
      (await readdir(`/proc/${pid}/fd`)).map(name => readlink(`/proc/${pid}/fd/${name}`).catch(() => '')),
    );
    expect(opened.filter(path => path.includes('state.db'))).toEqual([]);
    expect(opened.filter(path => path.endsWith('/db/journal/journal'))).toHaveLength(1);
  }
});
