import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { launch } from './command-line.js';
import type { CommandLineProcess, Outcome } from './command-line.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);

/** Nothing that a failed case leaves behind lives longer. */
const spawn = { timeout: 60_000, killSignal: 'SIGKILL' } as const;

/** A directory like a user's beside whose configuration packages of plugins are installed, and k3s in it. */
export class PluginHome {
  /** For whatever a test puts beside the home. */
  readonly directory: string;
  readonly home: string;
  readonly #servers: CommandLineProcess[] = [];
  /** Words before every program. */
  readonly #before: readonly string[];

  private constructor(directory: string, ownNetwork: boolean) {
    this.directory = directory;
    this.home = join(directory, 'home');
    this.#before = ownNetwork ? ['unshare', '--net', '--', 'sh', '-c', 'ip link set lo up && exec "$@"', 'sh'] : [];
  }

  /** `ownNetwork`: each program of it runs in a network namespace that ends with it; needs root. */
  static async make({ ownNetwork = false } = {}): Promise<PluginHome> {
    const made = new PluginHome(await mkdtemp(join(tmpdir(), 'third-party-')), ownNetwork);
    await mkdir(made.home);
    await writeFile(join(made.home, 'config.yaml'), '');
    await writeFile(join(made.home, 'package.json'), '{ "private": true }');
    return made;
  }

  /** Packs a copy of `examples/plugins/NAME` and installs that with the real npm, without a registry. Its directory. */
  async installExample(name: string): Promise<string> {
    const source = join(this.directory, name);
    await cp(join(root, 'examples/plugins', name), source, {
      recursive: true,
      filter: path => !/\/(node_modules|dist)$/.test(path),
    });
    await this.compile(source);
    await this.#npm(source, 'pack', '--ignore-scripts', '--pack-destination', this.directory);
    const { version } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8')) as { version: string };
    const archive = join(this.directory, `${name}-${version}.tgz`);
    await this.#npm(this.home, 'install', '--offline', '--no-audit', '--no-fund', archive);
    return join(this.home, 'node_modules', name);
  }

  /** What `npm install` and `npm run build` do in a package, without a registry. */
  async compile(directory: string): Promise<void> {
    await mkdir(join(directory, 'node_modules', '@types'), { recursive: true });
    await symlink(root, join(directory, 'node_modules', 'k3s-ts'));
    await symlink(join(root, 'node_modules/@types/node'), join(directory, 'node_modules/@types/node'));
    await run(join(root, 'node_modules/.bin/tsc'), ['-p', '.'], { cwd: directory });
  }

  /** The package's own test, by its own script's words; of `only` its case with this name. */
  async ownTest(directory: string, only?: string): Promise<{ code: number; output: string }> {
    const environment = { PATH: process.env['PATH'], TMPDIR: this.directory };
    try {
      const pattern = only === undefined ? [] : [`--test-name-pattern=${only.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')}`];
      const [program, ...words] = [...this.#before, process.execPath, '--test', ...pattern, 'dist/*.test.js'];
      const { stdout } = await run(program!, words, { cwd: directory, env: environment });
      return { code: 0, output: stdout };
    } catch (error) {
      const { code, stdout } = error as { code: number; stdout: string };
      return { code, output: stdout };
    }
  }

  /** `k3s plugin init` and a build. Its sources hold nothing of the template's name. The package's directory. */
  async initialise(name: string, slot: string): Promise<string> {
    const init = await this.k3s('plugin', 'init', name, '--slot', slot);
    if (init.code !== 0 || init.errors) throw new Error(init.errors);
    const directory = join(this.home, basename(name));
    for (const file of await readdir(join(directory, 'src'))) {
      const text = await readFile(join(directory, 'src', file), 'utf8');
      if (/template/i.test(text)) throw new Error(`${file} speaks of a template`);
    }
    await this.compile(directory);
    return directory;
  }

  /** Changes one place of a built package. */
  async replaceIn(directory: string, file: string, before: string, after: string): Promise<void> {
    const path = join(directory, 'dist', file);
    const code = await readFile(path, 'utf8');
    if (code.split(before).length !== 2) throw new Error(`${file} has "${before}" ${code.split(before).length - 1} times`);
    await writeFile(path, code.replace(before, after));
  }

  k3s(...words: string[]): Promise<Outcome> {
    return launch(this.home, words, { spawn, before: this.#before }).outcome;
  }

  /** A server in the background; `dispose` ends it. `before` goes before the program (`unshare` and its words). */
  serve(
    words: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    before: readonly string[] = [],
  ): CommandLineProcess {
    const server = launch(this.home, ['server', ...words], { spawn, environment, before: [...this.#before, ...before] });
    this.#servers.push(server);
    return server;
  }

  async dispose(): Promise<void> {
    // Those of cases that failed half-way.
    for (const { child } of this.#servers) child.kill('SIGKILL');
    await Promise.all(this.#servers.map(server => server.outcome));
    await rm(this.directory, { recursive: true, force: true });
  }

  /** The real npm, with nothing of the one that may run these tests. */
  async #npm(directory: string, ...words: string[]): Promise<void> {
    const own = Object.entries(process.env).filter(
      ([name]) => !/^npm_/i.test(name) && name !== 'NODE_ENV' && name !== 'NODE_OPTIONS',
    );
    const environment = { ...Object.fromEntries(own), npm_config_cache: join(this.directory, 'npm-cache') };
    await run('npm', words, { cwd: directory, env: environment });
  }
}
