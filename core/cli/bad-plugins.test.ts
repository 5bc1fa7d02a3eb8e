import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch } from '../../test/support/command-line.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'bad-plugin-'));
  await writeFile(join(dir, 'config.yaml'), '');
  await mkdir(join(dir, 'bad'));
  await writeFile(join(dir, 'bad', 'package.json'), '{ "name": "bad", "type": "module", "exports": "./index.js" }');
});
afterEach(() => rm(dir, { recursive: true }));

const minimal = ['apiserver', 'controllers', 'core', 'kubelet', 'scheduler', 'helm', 'metrics'].map(
  slot => `--slot=${slot}=none`,
);

/** The index.js of a package with one plugin whose part is `part`. */
const withPart = (part: string, more = ''): string => `
  import { ContainerModule, definePlugin, Part } from 'k3s-ts/plugin';
  export const plugin = definePlugin({
    id: 'bad', slot: 'controllers', contract: 1, vital: true, ${more}
    load: async () => ({ module: new ContainerModule(({ bind }) => { bind(Part).toConstantValue(${part}); }) }),
  });`;

/** Starts a sandbox whose slots are empty but for the datastore and the plugin's; only the lines of errors come back. */
async function startWith(
  source: string | undefined,
  more: readonly string[] = [],
): Promise<{ code: number | null; errors: string }> {
  if (source !== undefined) await writeFile(join(dir, 'bad', 'index.js'), source);
  const { code, errors } = await launch(dir, ['server', '--preset', 'sandbox', ...minimal, '--plugin', './bad', ...more], {
    // A plugin that is let in would run for ever.
    spawn: { timeout: 20_000, killSignal: 'SIGKILL' },
  }).outcome;
  return {
    code,
    errors: errors
      .split('\n')
      .filter(line => line.startsWith('error:') || line.startsWith(' '))
      .join('\n'),
  };
}

describe('k3s server with a plugin that', () => {
  it.each([
    ['was not built', undefined, 'error: --plugin ./bad: what its package.json names as its entry is not there: ENOENT'],
    ['is no JavaScript', 'export const = 3;', 'error: --plugin ./bad cannot be loaded: Unexpected token'],
    ['throws when it is imported', `throw new Error('no luck')`, 'error: --plugin ./bad cannot be loaded: no luck'],
    ['throws nothing at all when it is imported', `throw undefined`, 'error: --plugin ./bad cannot be loaded'],
    [
      'imports a package that is not there',
      `import 'no-such-package'; export const plugin = {};`,
      `error: --plugin ./bad cannot be loaded: Cannot find package 'no-such-package'`,
    ],
    [
      'has no descriptor',
      'export const other = 1;',
      'error: --plugin ./bad exports no descriptor as "plugin", "plugins" or "default"',
    ],
    ['has nonsense for a descriptor', 'export const plugin = 3;', 'error: --plugin ./bad: plugin (unnamed) is not an object'],
    [
      'has no slot',
      `export const plugin = { id: 'bad', contract: 1, load() {} };`,
      'error: --plugin ./bad: plugin bad needs a "slot"',
    ],
    [
      'wants an unknown slot',
      `export const plugin = { id: 'bad', slot: 'datastor', contract: 1, load() {} };`,
      'unknown slot "datastor" (did you mean "datastore"?)',
    ],
    [
      'claims a taken id',
      `export const plugin = { id: 'sqlite', slot: 'datastore', contract: 1, load() {} };`,
      'error: the name "sqlite" belongs to two plugins: sqlite (./bad) and sqlite (built-in)',
    ],
    [
      'was made for another contract version',
      `export const plugin = { id: 'bad', slot: 'datastore', contract: 2, load() {} };`,
      'error: plugin bad (./bad) speaks datastore@2, this k3s speaks datastore@1',
    ],
    [
      'requires what is not there',
      withPart('{}', `requires: ['ingress'],`),
      'error: plugin bad (./bad) requires the slot ingress, which is empty',
    ],
    [
      'fails its own options schema',
      withPart('{}', `options: { size: { default: 'large', format: 'nat' } },`),
      'error: --plugin: option of plugin bad is not valid: size: must be a positive integer',
    ],
    [
      'loads no module',
      `export const plugin = { id: 'bad', slot: 'controllers', contract: 1, load: async () => ({}) };`,
      'error: plugin bad (./bad): what it loads has no ContainerModule',
    ],
    [
      'loads nothing at all',
      `export const plugin = { id: 'bad', slot: 'controllers', contract: 1, load: async () => undefined };`,
      'error: plugin bad (./bad): what it loads has no ContainerModule',
    ],
    [
      'does not bind its contract',
      withPart('{}').replace(`'controllers'`, `'datastore'`),
      'error: the module of plugin bad (./bad) does not bind k3s/datastore@1',
    ],
    ['throws in init', withPart(`{ init() { throw new Error('no luck'); } }`), 'error: bad failed to init: no luck'],
    ['throws in start', withPart(`{ start() { throw new Error('no luck'); } }`), 'error: bad failed to start: no luck'],
    ['throws nothing at all in start', withPart(`{ start() { throw undefined; } }`), 'error: bad failed to start'],
    ['throws in ready', withPart(`{ ready() { throw new Error('no luck'); } }`), 'error: bad failed to become ready: no luck'],
    [
      'hangs in start',
      withPart(`{ start: () => new Promise(() => {}) }`, 'deadlinesMs: { start: 200 },'),
      'error: bad failed to start: no answer from bad.start within 200 ms',
    ],
    [
      'hangs in stop after it could not start',
      withPart(`{ start() { throw new Error('no luck'); }, stop: () => new Promise(() => {}) }`, 'deadlinesMs: { stop: 200 },'),
      'error: bad failed to start: no luck\nerror: bad failed to stop: no answer from bad.stop within 200 ms',
    ],
  ])('%s says so in one line', async (_name, source, line) => {
    const { code, errors } = await startWith(source);
    expect(errors).toContain(line);
    expect(errors.split('\n').length).toBe(line.split('\n').length);
    expect(errors).not.toMatch(/unexpected|\n +at /);
    expect(code).toBe(1);
    expect((await readdir(dir)).filter(name => name.startsWith('k3s-sandbox'))).toEqual([]);
  });

  it('gets an option that its schema does not know is told the option', async () => {
    await writeFile(join(dir, 'config.yaml'), 'plugin-options: { bad: { sise: 3 } }');
    const { code, errors } = await startWith(withPart('{}', `options: { size: { default: 1, format: 'nat' } },`));
    expect([code, errors]).toEqual([1, expect.stringContaining('unknown option "sise" (did you mean "size"?) for plugin bad')]);
  });

  it('its loader refuses is told so with the mend, and what it takes is taken', async () => {
    const shape = `{ id: 'bad', slot: 'load-balancer', contract: 1, load() {} }`;
    const define = `import { definePlugin } from 'k3s-ts/plugin'; export const plugin = definePlugin(${shape});`;
    const common = `const { definePlugin } = require('k3s-ts/plugin');`;
    const esm = { type: 'module', exports: './index.js' };
    const cases: [name: string, manifest: object, files: Record<string, string>, says: string][] = [
      ['as default', esm, { 'index.js': define.replace('const plugin =', 'default') }, 'ok bad'],
      [
        'commonjs',
        { exports: './a.cjs' },
        { 'a.cjs': `${common} module.exports = { plugin: definePlugin(${shape}) };` },
        'ok bad',
      ],
      ['commonjs alone', { main: 'a.js' }, { 'a.js': `${common} module.exports = definePlugin(${shape});` }, 'ok bad'],
      [
        'compiled',
        { main: 'a.js' },
        { 'a.js': `${common} exports.__esModule = true; exports.default = definePlugin(${shape});` },
        'ok bad',
      ],
      ['typescript', { type: 'module', exports: './a.ts' }, { 'a.ts': `const id: string = 'x'; void id; ${define}` }, 'ok bad'],
      [
        'module syntax in commonjs',
        { type: 'commonjs', exports: './index.js' },
        { 'index.js': define },
        'Cannot use import statement outside a module at DIR/index.js:1 (its package.json needs "type": "module")',
      ],
      [
        'commonjs in a module',
        esm,
        { 'index.js': common },
        'require is not defined in ES module scope, you can use import instead',
      ],
      [
        'typescript that is more than types',
        { type: 'module', exports: './a.ts' },
        { 'a.ts': `enum A { b } ${define}` },
        'TypeScript enum is not supported in strip-only mode at DIR/a.ts:1 (name JavaScript: build the package,',
      ],
      [
        'typescript that means its build',
        { type: 'module', exports: './a.ts' },
        { 'a.ts': `import './b.js'; ${define}`, 'b.ts': '' },
        `Cannot find module 'DIR/b.js' imported from DIR/a.ts (build the package first,`,
      ],
      [
        'a missing package',
        esm,
        { 'index.js': `import 'no-such';` },
        `Cannot find package 'no-such' imported from DIR/index.js (run "npm install"`,
      ],
      [
        'our own rooms',
        esm,
        { 'index.js': `import 'k3s-ts/kernel';` },
        '(a plugin may import k3s-ts/plugin, and its tests k3s-ts/testing)',
      ],
      ['no entry', { type: 'module' }, {}, 'its package.json does not say where it begins (as in "exports": "./dist/index.js")'],
      [
        'no build',
        { exports: './dist/index.js' },
        {},
        `'DIR/dist/index.js' (build the package first, as with "npm run build" in it)`,
      ],
      [
        'an empty list',
        esm,
        { 'index.js': 'export const plugins = [];' },
        'exports no descriptor as "plugin", "plugins" or "default" (export const plugin =',
      ],
      [
        'a function',
        esm,
        { 'index.js': 'export default () => 1;' },
        'plugin (unnamed) is not an object (see docs/guides/plugins.md',
      ],
      [
        'null',
        esm,
        { 'index.js': 'export const plugin = null;' },
        'plugin (unnamed) is not an object (see docs/guides/plugins.md',
      ],
      [
        'a descriptor that its own check refuses',
        esm,
        { 'index.js': define.replace(`slot: 'load-balancer', `, '') },
        'bad needs a "slot" (the slots are admission,',
      ],
    ];
    const paths: string[] = [];
    for (const [at, [, manifest, files]] of cases.entries()) {
      const home = join(dir, `case-${at}`);
      paths.push(home);
      await mkdir(home);
      await writeFile(join(home, 'package.json'), JSON.stringify({ name: 'bad', ...manifest }));
      for (const [file, text] of Object.entries(files)) await writeFile(join(home, file), text);
    }
    const names = [...paths, './nowhere', 'case-0', 'not-here', 'one,two'];
    const loader = new URL('../cluster/plugin-loader.js', import.meta.url).href;
    const script = `const { loadPlugin } = await import('${loader}');
      for (const name of ${JSON.stringify(names)}) await loadPlugin(name, ${JSON.stringify(dir)}).then(
        found => console.log('ok ' + found.map(({ descriptor }) => descriptor.id)),
        error => console.log(error.code.startsWith('PLUGIN_') && error.message.replaceAll('\\n', ' ') + ': ' + error.cause?.message + ' (' + error.mend + ')'));`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 60_000 });
    const said = stdout.trim().split('\n');
    expect(said).toHaveLength(names.length);
    for (const [at, [name, , , says]] of cases.entries()) {
      const line = said[at]!.replaceAll(paths[at]!, 'DIR').replace(': undefined', '').replace(' (undefined)', '');
      expect(`${name}: ${line}`).toContain(says);
    }
    expect(said.slice(cases.length)).toEqual([
      expect.stringMatching(/^--plugin \.\/nowhere cannot be read: ENOENT.* \(check the path\)$/),
      expect.stringMatching(
        /case-0: the package is not installed.*\(npm install case-0, or --plugin \.\/case-0 for what lies here\)$/,
      ),
      expect.stringMatching(/not-here: the package is not installed.*\(npm install not-here\)$/),
      expect.stringMatching(/one,two: the package is not installed.*\(name each by a --plugin of its own\)$/),
    ]);
  });

  it('never ends its import is left after a deadline', async () => {
    await writeFile(join(dir, 'bad', 'index.js'), 'await new Promise(() => undefined);');
    // Jest has an import of its own, in which nothing can be mapped.
    const loader = new URL('../cluster/plugin-loader.js', import.meta.url).href;
    const script = `const { loadPlugin } = await import('${loader}');
      await loadPlugin('./bad', ${JSON.stringify(dir)}, 100).catch(error => process.stdout.write(error.message));`;
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8', timeout: 20_000 });
    expect(stdout).toBe('--plugin ./bad cannot be loaded: its import did not end within 100 ms');
  });

  it('is a directory without a package is told so', async () => {
    await rm(join(dir, 'bad', 'package.json'));
    expect((await startWith(undefined)).errors).toContain('error: --plugin ./bad: the directory has no package.json');
  });
});

describe('k3s server goes on with a plugin that is not vital and', () => {
  const list = async (): Promise<string> => {
    const words = ['plugin', 'list', '--preset', 'sandbox', ...minimal, '--plugin', './bad', '--data-dir', join(dir, 'data')];
    return (await launch(dir, words).outcome).output;
  };

  /** Until the log has the line, and what the list says then; the server ends well. */
  async function runUntil(source: string, line: string): Promise<{ log: string; list: string }> {
    await writeFile(join(dir, 'bad', 'index.js'), source.replace('vital: true,', ''));
    const words = ['server', '--preset', 'sandbox', ...minimal, '--plugin', './bad', '--data-dir', join(dir, 'data')];
    const server = launch(dir, words, { spawn: { timeout: 30_000, killSignal: 'SIGKILL' } });
    await server.printed(line);
    const seen = await list();
    server.child.kill('SIGTERM');
    const { code, errors } = await server.outcome;
    expect(code).toBe(0);
    expect(errors).not.toMatch(/\n +at /);
    return { log: errors, list: seen };
  }

  it.each([
    ['throws in init', `{ init() { throw new Error('no luck'); } }`, '', 'bad failed to init: no luck'],
    [
      'never ends its init',
      `{ init: () => new Promise(() => {}) }`,
      'deadlinesMs: { init: 100 },',
      'no answer from bad.init within 100 ms',
    ],
    ['throws in start', `{ start() { throw new Error('no luck'); } }`, '', 'bad failed to start: no luck'],
    [
      'throws where nobody can catch it',
      `{ start() { setTimeout(() => { throw new Error('no luck later'); }, 500); } }`,
      '',
      'bad failed: no luck later',
    ],
    [
      'leaves a promise that rejects',
      `{ start() { setTimeout(() => void Promise.reject(new Error('no luck either')), 500); } }`,
      '',
      'bad failed: no luck either',
    ],
  ])('%s', async (_name, part, more, line) => {
    const seen = await runUntil(withPart(part, more), line);
    expect(seen.list).toMatch(/^controllers +bad .*(failed|restarting|starting|ready)/m);
    expect(seen.list).toMatch(/^datastore +memory .*ready/m);
  });

  it('refuses in init ends the start all the same, in one line', async () => {
    const refusal = `{ init() { throw Object.assign(new (class extends CodedError {})('NO_KEY', 'no key'), { mend: 'give one' }); } }`;
    const source = withPart(refusal).replace('vital: true,', '').replace('import {', 'import { CodedError,');
    expect(await startWith(source)).toEqual({ code: 1, errors: 'error: bad failed to init: no key (give one)' });
  });

  it("shows nobody another's secret, nor its own", async () => {
    await writeFile(join(dir, 'config.yaml'), 'token: the-token-of-all\nplugin-options: { bad: { key: key-of-bad } }\n');
    const part = `{ start() { throw new Error('it was the-token-of-all with key-of-bad'); } }`;
    const source = withPart(part, `options: { key: { default: '', format: String, secret: true } },`);
    const { log, list: seen } = await runUntil(source, 'bad failed to start: it was *** with ***');
    expect(log + seen).not.toMatch(/the-token-of-all|key-of-bad/);
    const view = await launch(dir, ['config', 'view', '--preset', 'sandbox', '--plugin', './bad']).outcome;
    expect(view.output).toContain('plugin-options:\n  bad: {"key":"***"}');
    // Vital, it is the program's last word.
    const last = await startWith(source);
    expect(last.errors).toContain('error: bad failed to start: it was *** with ***');
  });
});

describe('two plugins that', () => {
  it('require each other are both named', async () => {
    const one = (id: string, slot: string, requires: string): string =>
      `definePlugin({ id: '${id}', slot: '${slot}', contract: 1, requires: ['${requires}'], load: async () => ({}) })`;
    const source = `import { definePlugin } from 'k3s-ts/plugin';
      export const plugins = [${one('first', 'ingress', 'load-balancer')}, ${one('second', 'load-balancer', 'ingress')}];`;
    expect((await startWith(source)).errors).toMatch(
      /^error: plugins require each other in a circle: first -> second -> first \(one of them must go without the other: .*\)$/,
    );
  });
});
