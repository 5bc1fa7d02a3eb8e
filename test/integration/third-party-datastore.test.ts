import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { access, cp, mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { launch } from '../support/command-line.js';
import type { CommandLineProcess, Outcome } from '../support/command-line.js';
import { realTool } from '../support/kubectl.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);
const writes = 1000;

let dir: string;
/** Where the packed example was installed, as beside a user's configuration. */
let home: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'third-party-'));
  home = join(dir, 'home');
  await mkdir(home);
  await writeFile(join(home, 'config.yaml'), '');
  const source = join(dir, 'k3s-plugin-journal');
  await cp(join(root, 'examples/plugins/k3s-plugin-journal'), source, {
    recursive: true,
    filter: path => !/\/(node_modules|dist)$/.test(path),
  });
  await compile(source);
  await npm(source, 'pack', '--ignore-scripts', '--pack-destination', dir);
  await writeFile(join(home, 'package.json'), '{ "private": true }');
  await npm(home, 'install', '--offline', '--no-audit', '--no-fund', join(dir, 'k3s-plugin-journal-0.1.0.tgz'));
}, 120_000);
const servers: CommandLineProcess[] = [];
afterAll(async () => {
  // Those of cases that failed half-way.
  for (const { child } of servers) child.kill('SIGKILL');
  await Promise.all(servers.map(server => server.outcome));
  await rm(dir, { recursive: true, force: true });
});

/** The real npm, with nothing of the one that may run these tests. */
async function npm(directory: string, ...words: string[]): Promise<void> {
  const own = Object.entries(process.env).filter(
    ([name]) => !/^npm_/i.test(name) && name !== 'NODE_ENV' && name !== 'NODE_OPTIONS',
  );
  await run('npm', words, { cwd: directory, env: { ...Object.fromEntries(own), npm_config_cache: join(dir, 'npm-cache') } });
}

/** What `npm install` and `npm run build` do in a package, without a registry. */
async function compile(directory: string): Promise<void> {
  await mkdir(join(directory, 'node_modules', '@types'), { recursive: true });
  await symlink(root, join(directory, 'node_modules', 'k3s-ts'));
  await symlink(join(root, 'node_modules/@types/node'), join(directory, 'node_modules/@types/node'));
  await run(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: directory });
}

/** The package's own test, by its own script's words. */
async function ownTest(directory: string): Promise<{ code: number; output: string }> {
  const environment = { PATH: process.env['PATH'], TMPDIR: dir };
  try {
    const { stdout } = await run(process.execPath, ['--test', 'dist/*.test.js'], { cwd: directory, env: environment });
    return { code: 0, output: stdout };
  } catch (error) {
    const { code, stdout } = error as { code: number; stdout: string };
    return { code, output: stdout };
  }
}

/** Nothing that a failed case leaves behind lives longer. */
const spawn = { timeout: 60_000, killSignal: 'SIGKILL' } as const;

const k3s = (...words: string[]): Promise<Outcome> => launch(home, words, { spawn }).outcome;

/** Breaks a promise in a built package: a stale update is let through. */
async function seedFault(directory: string): Promise<void> {
  const file = join(directory, 'dist', 'history.js');
  const code = await readFile(file, 'utf8');
  const faulty = code.replace('previous?.modRevision !== expectedRevision', '(expectedRevision === undefined) !== !previous');
  expect(faulty).not.toBe(code);
  await writeFile(file, faulty);
}

describe('k3s plugin init', () => {
  it('writes a package that builds, keeps its contract, can be checked and run, and turns red with a fault', async () => {
    const init = await k3s('plugin', 'init', 'my-datastore', '--slot', 'datastore');
    expect(init).toMatchObject({
      code: 0,
      errors: '',
      output: expect.stringContaining('wrote my-datastore/src/my-datastore.ts\n'),
    });
    const directory = join(home, 'my-datastore');
    const texts = await Promise.all(
      (await readdir(join(directory, 'src'))).map(file => readFile(join(directory, 'src', file), 'utf8')),
    );
    expect(texts.join()).not.toMatch(/template/i);
    await compile(directory);
    expect(await ownTest(directory)).toMatchObject({ code: 0, output: expect.stringMatching(/pass 4\d\n/) });

    const server = launch(home, ['server', '--preset', 'sandbox', '--plugin', './my-datastore'], { spawn });
    servers.push(server);
    const { child, printed, outcome } = server;
    await printed('metrics-server is ready');
    child.kill('SIGTERM');
    expect(await outcome).toMatchObject({ code: 0 });
    const list = await k3s('plugin', 'list', '--plugin', './my-datastore');
    expect(list.output).toMatch(/^datastore +my-datastore +0\.1\.0 +\.\/my-datastore +not running +- +--plugin$/m);

    const green = await k3s('plugin', 'check', 'my-datastore');
    expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
    await seedFault(directory);
    const stale = 'a stale update conflicts, shows what is there and changes nothing';
    expect(await ownTest(directory)).toMatchObject({ code: 1, output: expect.stringContaining(`✖ ${stale}`) });
    const red = await k3s('plugin', 'check', 'my-datastore');
    expect(red).toMatchObject({ code: 1, output: expect.stringContaining(`broken  my-datastore: writes: ${stale}: `) });
  }, 180_000);

  it.each([
    [['my-store'], '"k3s plugin init" takes one directory and --slot'],
    [['my-store', '--slot', 'datastor'], '--slot: no template for "datastor" (did you mean "datastore"?)'],
    [['My_Store', '--slot', 'datastore'], `"My_Store" cannot be a plugin's id`],
    [['.', '--slot', 'datastore'], 'is not empty'],
    [['my-store', '--slots', 'datastore'], `"k3s plugin init": Unknown option '--slots'`],
  ])('%j is refused in one line', async (words, line) => {
    const { code, errors, output } = await k3s('plugin', 'init', ...words);
    expect([code, output, errors.trimEnd().split('\n')]).toEqual([1, '', [expect.stringContaining(line)]]);
  });

  it('and check name what they cannot check', async () => {
    expect(await k3s('plugin', 'check')).toMatchObject({
      code: 1,
      errors: expect.stringContaining('takes the directory of one package'),
    });
    const { code, output } = await k3s('plugin', 'check', './nowhere');
    expect([code, output]).toEqual([1, expect.stringMatching(/^broken {2}wiring: .*nowhere cannot be loaded/)]);
  });
});

describe('the example datastore, packed and installed', () => {
  const data = (): string => join(home, 'data');

  async function serve(): Promise<CommandLineProcess> {
    // Tells every module that the process loads.
    const spy = `import { registerHooks } from 'node:module'; import { appendFileSync } from 'node:fs';
      registerHooks({ load: (url, context, next) => (appendFileSync(${JSON.stringify(join(home, 'modules'))}, url + '\\n'), next(url, context)) });`;
    const server = launch(
      home,
      ['server', '--preset', 'sandbox', '--data-dir', data(), '--plugin', 'k3s-plugin-journal', '--slot', 'datastore=journal'],
      { spawn, environment: { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(spy)}` } },
    );
    servers.push(server);
    await server.printed('metrics-server is ready');
    return server;
  }

  it('takes the place of sqlite in a running cluster, and 1,000 writes survive a kill', async () => {
    const first = await serve();
    const kubectl = await realTool('kubectl', join(data(), 'k3s.yaml'), home);
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
    const again = await realTool('kubectl', join(data(), 'k3s.yaml'), home);
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
    const installed = join(home, 'node_modules', 'k3s-plugin-journal');
    await expect(access(join(home, 'node_modules', 'k3s-ts'))).rejects.toMatchObject({ code: 'ENOENT' });
    const green = await k3s('plugin', 'check', installed);
    expect(green.output).not.toContain('note ');
    expect(green).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
    await seedFault(installed);
    const red = await k3s('plugin', 'check', installed);
    expect(red).toMatchObject({ code: 1, output: expect.stringContaining('broken  journal: writes: a stale update conflicts') });
  }, 180_000);

  /** No module, no file and no mapping of the part that was replaced. */
  async function assertNoSqlite(pid: number): Promise<void> {
    const modules = await readFile(join(home, 'modules'), 'utf8');
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
