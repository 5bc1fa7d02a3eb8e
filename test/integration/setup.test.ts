import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs';
import { utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const repository = join(import.meta.dirname, '../../..');

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

function run(words: readonly string[], environment: Record<string, string> = {}): Promise<Outcome> {
  const [program, ...rest] = words;
  return new Promise(resolve => {
    const env = { PATH: process.env['PATH'], HOME: tmpdir(), ...environment };
    const child = execFile(program!, rest, { env }, (_, output, errors) => resolve({ code: child.exitCode, output, errors }));
  });
}

/** Every file with the time of its last change. */
function files(folder: string): Record<string, number> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map(name => join(folder, name));
  return Object.fromEntries(names.map(name => [name, statSync(name, { throwIfNoEntry: false })?.mtimeMs ?? 0]));
}

describe('the setup in this clone', () => {
  it('does no work that is already done, in less than 300 ms', async () => {
    const watched = (): unknown[] => [files(join(repository, 'dist/core/cli')), files(join(repository, 'dist/core/api'))];
    const before = [watched(), statSync(join(repository, 'dist/.stamp')).mtimeMs];
    let fastestMs = Infinity;
    for (let round = 0; round < 5 && fastestMs > 300; round++) {
      const beganMs = performance.now();
      expect(await run([process.execPath, join(repository, 'scripts/setup.mjs')])).toEqual({ code: 0, output: '', errors: '' });
      fastestMs = Math.min(fastestMs, performance.now() - beganMs);
    }
    expect(fastestMs).toBeLessThan(300);
    expect([watched(), statSync(join(repository, 'dist/.stamp')).mtimeMs]).toEqual(before);
  });
});

describe('the setup of a bare clone', () => {
  let clone: string;
  let log: string;

  beforeEach(() => {
    clone = mkdtempSync(join(tmpdir(), 'setup-'));
    log = join(clone, '..', `${clone.split('/').at(-1)}.log`);
    write('package-lock.json', JSON.stringify({ packages: { '': {}, 'node_modules/one': { version: '1.0.0' } } }));
    write('tsconfig.json', '{}');
    write('core/cli/main.ts', 'main');
    write('core/cli/table.json', '{"data":1}');
    write('core/cli/old.ts', 'old');
    write('scripts/descriptions.mjs', 'export function writeDescriptions() {}');
    for (const name of ['setup.mjs', 'k3s.mjs'])
      cpSync(join(repository, 'scripts', name), join(clone, 'scripts', name), { recursive: true });
    // What npm and the compiler leave, and a line for each run of theirs.
    write(
      'fake/npm.mjs',
      `import fs from 'node:fs';
       fs.appendFileSync(${JSON.stringify(log)}, 'npm ' + process.argv.slice(2).join(' ') + '\\n');
       if (process.env.FAIL === 'npm') process.exit(7);
       const tsc = '#!/bin/sh\\necho tsc >> ${log}\\nsleep 0.3\\n[ "$FAIL" = tsc ] && exit 2\\n' +
         'mkdir -p dist/core/cli && for f in core/cli/*.ts; do cp $f dist/\${f%.ts}.js; done\\n';
       fs.mkdirSync('node_modules/.bin', { recursive: true });
       fs.writeFileSync('node_modules/.bin/tsc', tsc, { mode: 0o755 });
       fs.writeFileSync('node_modules/.package-lock.json', JSON.stringify({ packages: { 'node_modules/one': { version: '1.0.0' } } }));`,
    );
    writeFileSync(log, '');
  });

  afterEach(() => {
    chmodSync(clone, 0o755);
    rmSync(clone, { recursive: true });
    rmSync(log);
  });

  function write(name: string, text: string): void {
    mkdirSync(dirname(join(clone, name)), { recursive: true });
    writeFileSync(join(clone, name), text);
  }

  const setupWords = (): string[] => [process.execPath, join(clone, 'scripts/setup.mjs')];
  const fakeNpm = (): Record<string, string> => ({
    npm_execpath: join(clone, 'fake/npm.mjs'),
    npm_node_execpath: process.execPath,
  });
  const setup = (environment: Record<string, string> = {}, words: string[] = []): Promise<Outcome> =>
    run([...setupWords(), ...words], { ...fakeNpm(), ...environment });

  /** What ran since the last question. */
  function ran(): string[] {
    const lines = readFileSync(log, 'utf8').trim().split('\n');
    writeFileSync(log, '');
    return lines.filter(line => line !== '').map(line => line.split(' ', 1)[0]!);
  }

  it('installs, builds and copies what is read beside modules; the second time it touches nothing', async () => {
    expect(await setup()).toEqual({ code: 0, output: '', errors: 'Installing npm dependencies ...\nBuilding ...\n' });
    expect(readFileSync(log, 'utf8')).toBe('npm ci --no-fund --no-audit --include=dev --include=optional\ntsc\n');
    expect(ran()).toEqual(['npm', 'tsc']);
    expect(readFileSync(join(clone, 'dist/core/cli/table.json'), 'utf8')).toBe('{"data":1}');
    const before = files(clone);
    expect(await setup()).toEqual({ code: 0, output: '', errors: '' });
    expect(files(clone)).toEqual(before);
    expect(ran()).toEqual([]);
  });

  it('does the half that is missing: an installation cut short, a changed source, a source that is gone', async () => {
    await setup();
    ran();
    write('node_modules/.package-lock.json', '{"packages":{}}');
    expect((await setup()).errors).toBe('Installing npm dependencies ...\n');
    expect(ran()).toEqual(['npm']);
    write('node_modules/.package-lock.json', '{"packages":{"node_mod');
    await setup({}, ['--only-install']);
    expect(ran()).toEqual(['npm']);
    write('core/cli/main.ts', 'changed');
    rmSync(join(clone, 'core/cli/old.ts'));
    expect((await setup()).errors).toBe('Building ...\n');
    expect(ran()).toEqual(['tsc']);
    expect(existsSync(join(clone, 'dist/core/cli/old.js'))).toBe(false);
  });

  it('ends with one error line and begins again where npm or the compiler failed', async () => {
    expect(await setup({ FAIL: 'npm' })).toMatchObject({
      code: 7,
      errors: expect.stringMatching(/\nerror: npm ci failed: see above\n$/),
    });
    expect(await setup({ FAIL: 'tsc' })).toMatchObject({
      code: 2,
      errors: expect.stringMatching(/\nerror: the build failed: see above\n$/),
    });
    expect(existsSync(join(clone, '.setup-lock'))).toBe(false);
    ran();
    expect(await setup()).toMatchObject({ code: 0, errors: 'Building ...\n' });
    expect(ran()).toEqual(['tsc']);
  });

  it('is done once where two begin together', async () => {
    const outcomes = await Promise.all([setup(), setup(), setup()]);
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0]);
    expect(ran()).toEqual(['npm', 'tsc']);
  });

  it('takes over from one that was killed, with its name in the lock or before it was written', async () => {
    const first = spawn(setupWords()[0]!, setupWords().slice(1), {
      env: { PATH: process.env['PATH'], ...fakeNpm() },
      stdio: 'ignore',
    });
    while (!readFileSync(log, 'utf8').includes('tsc')) await new Promise(resolve => setTimeout(resolve, 10));
    first.kill('SIGKILL');
    await once(first, 'exit');
    expect(existsSync(join(clone, '.setup-lock/pid'))).toBe(true);
    expect(await setup()).toMatchObject({ code: 0, errors: 'Building ...\n' });
    write('core/cli/main.ts', 'once more');
    mkdirSync(join(clone, '.setup-lock'));
    const longAgo = Date.now() / 1000 - 60;
    utimesSync(join(clone, '.setup-lock'), longAgo, longAgo);
    expect(await setup()).toMatchObject({ code: 0, errors: 'Building ...\n' });
    expect(existsSync(join(clone, '.setup-lock'))).toBe(false);
  });

  it('says who can write when the clone belongs to somebody else', async () => {
    chmodSync(clone, 0o555);
    // Root in a user namespace without anybody in it is bound by permissions like everybody.
    const before = process.getuid?.() === 0 ? ['unshare', '--user', '--'] : [];
    const { code, errors } = await run([...before, ...setupWords()], fakeNpm());
    expect({ code, errors }).toEqual({
      code: 1,
      errors: `error: the setup cannot write: EACCES: permission denied, mkdir '${clone}/.setup-lock' (run it as the owner of the clone, and run it again)\n`,
    });
  });

  it('is asked for by the launcher, which then hands on words, exit codes and signals', async () => {
    const launcher = join(clone, 'scripts/k3s.mjs');
    expect(await run([process.execPath, launcher, 'get'])).toEqual({
      code: 1,
      output: '',
      errors: 'error: k3s is not built yet: run "npm run setup" in its directory first\n',
    });
    write('package.json', '{"type":"module"}');
    write('dist/core/cli/node-flags.js', 'export const nodeFlags = ["--no-warnings"], nodeEnvironment = { OURS: "1" };');
    write(
      'dist/core/cli/main.js',
      `process.on('SIGTERM', () => process.exit(9));
       console.log(process.execArgv.join(), process.env.OURS, process.argv.slice(2).join());
       if (process.argv[2] === 'wait') setInterval(() => undefined, 1000); else process.exit(5);`,
    );
    expect(await run([process.execPath, launcher, 'get', '-w'])).toEqual({
      code: 5,
      output: '--no-warnings 1 get,-w\n',
      errors: '',
    });
    const waiting = spawn(process.execPath, [launcher, 'wait'], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(waiting.stdout, 'data');
    waiting.kill('SIGTERM');
    expect(await once(waiting, 'exit')).toEqual([9, null]);
  });
});
