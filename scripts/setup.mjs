// Brings a clone to the point where it can run: npm dependencies, then the build. Plain JavaScript for Node 18 and later, because it
// runs before the pinned Node is there. What is up to date is not done again; that check costs a few milliseconds.
//   node scripts/setup.mjs [--only-install]
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeDescriptions } from './descriptions.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const at = (...names) => path.join(root, ...names);
const stampFile = at('dist', '.stamp');
const sources = ['core', 'plugins', 'presets', 'config', 'test'];

/** npm's hidden lockfile tells what is really installed, also after a `npm ci` of the user's own or one that was killed. */
function installed() {
  try {
    const wanted = JSON.parse(fs.readFileSync(at('package-lock.json'), 'utf8')).packages;
    const have = JSON.parse(fs.readFileSync(at('node_modules', '.package-lock.json'), 'utf8')).packages;
    return Object.entries(wanted).every(
      ([name, entry]) => !name || have[name]?.version === entry.version || (entry.optional && !have[name]),
    );
  } catch {
    return false;
  }
}

function fail(text, code = 1) {
  process.stderr.write(`error: ${text}\n`);
  process.exit(code);
}

function install() {
  process.stderr.write('Installing npm dependencies ...\n');
  // What the caller's npm was told (--omit=dev, NODE_ENV=production) is not meant for this installation.
  const told =
    /^npm_(config_(omit|include|only|production|dry_run|global|location|prefix|workspace|ignore_scripts|loglevel)|package_|lifecycle_)/i;
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !told.test(name) && name !== 'NODE_ENV'));
  const npm = process.env.npm_execpath;
  const node = process.env.npm_node_execpath ?? process.execPath;
  const [command, first] = npm ? [node, [npm]] : ['npm', []];
  const result = spawnSync(command, [...first, 'ci', '--no-fund', '--no-audit', '--include=dev', '--include=optional'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    env,
  });
  if (result.error) fail(`npm could not be run: ${result.error.message}`);
  if (result.status !== 0) fail('npm ci failed: see above', result.status ?? 1);
}

function* sourceFiles(folder) {
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* sourceFiles(file);
    else yield file;
  }
}

function sourceStamp() {
  const hash = createHash('sha256');
  for (const file of ['package-lock.json', 'tsconfig.json', 'scripts/descriptions.mjs', 'scripts/setup.mjs'])
    hash.update(fs.readFileSync(at(file)));
  for (const folder of sources) {
    if (!fs.existsSync(at(folder))) continue;
    for (const file of sourceFiles(at(folder))) {
      const { size, mtimeMs } = fs.statSync(file);
      hash.update(`${path.relative(root, file)}\0${size}\0${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}

/** Output of sources that are gone would still be found as tests and as modules. */
function removeOrphans() {
  if (!fs.existsSync(at('dist'))) return;
  for (const folder of sources) {
    if (!fs.existsSync(at('dist', folder))) continue;
    for (const file of sourceFiles(at('dist', folder))) {
      if (!/\.(js|js\.map|ts)$/.test(file)) continue;
      const source = path.join(root, path.relative(at('dist'), file).replace(/(\.js|\.js\.map|\.d\.ts)$/, '.ts'));
      if (!fs.existsSync(source)) fs.rmSync(file);
    }
  }
}

/** What the program reads beside its modules: tables, texts, and the sources that `k3s plugin init` hands out. */
function copyData() {
  for (const folder of ['core', 'plugins', 'config', 'presets']) {
    if (!fs.existsSync(at(folder))) continue;
    for (const file of sourceFiles(at(folder))) {
      const template = file.includes(`${path.sep}templates${path.sep}`);
      if (!template && (/\.(ts|md)$/.test(file) || file.includes(`${path.sep}testdata${path.sep}`))) continue;
      const target = at('dist', path.relative(root, file));
      fs.mkdirSync(path.dirname(target), { recursive: true });
      fs.copyFileSync(file, target);
    }
  }
}

function build(stamp) {
  process.stderr.write('Building ...\n');
  fs.rmSync(stampFile, { force: true });
  removeOrphans();
  const compiler = spawnSync(at('node_modules', '.bin', 'tsc'), ['-p', '.'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (compiler.error) fail(`the compiler could not be run: ${compiler.error.message}`);
  if (compiler.status !== 0) fail('the build failed: see above', compiler.status ?? 1);
  copyData();
  writeDescriptions(root);
  fs.chmodSync(at('dist', 'core', 'cli', 'main.js'), 0o755);
  fs.writeFileSync(stampFile, stamp);
}

/** One setup at a time: `npm start` and `npm test` may be begun together on a bare clone. */
function locked(run) {
  const lock = at('.setup-lock');
  const deadline = Date.now() + 10 * 60_000;
  for (;;) {
    try {
      fs.mkdirSync(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      if (isAbandoned(lock)) {
        fs.rmSync(lock, { recursive: true, force: true });
        continue;
      }
      if (Date.now() > deadline) fail(`another setup has been running for ten minutes; if not, remove ${lock}`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  fs.writeFileSync(path.join(lock, 'pid'), String(process.pid));
  process.on('exit', () => fs.rmSync(lock, { recursive: true, force: true }));
  run();
}

/** Its owner is gone, or was before it could say who it is. */
function isAbandoned(lock) {
  const owner = readOwner(lock);
  if (owner !== undefined) return !alive(owner);
  const since = fs.statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
  return since !== undefined && Date.now() - since > 10_000;
}

function readOwner(lock) {
  try {
    return Number(fs.readFileSync(path.join(lock, 'pid'), 'utf8')) || undefined;
  } catch {
    return undefined;
  }
}

function alive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

const onlyInstall = process.argv.includes('--only-install');
const upToDate = () =>
  installed() && (onlyInstall || (fs.existsSync(stampFile) && fs.readFileSync(stampFile, 'utf8') === sourceStamp()));

try {
  if (!upToDate()) {
    locked(() => {
      if (!installed()) install();
      if (onlyInstall) return;
      const stamp = sourceStamp();
      if (!fs.existsSync(stampFile) || fs.readFileSync(stampFile, 'utf8') !== stamp) build(stamp);
    });
  }
} catch (error) {
  const mends = { EACCES: 'run it as the owner of the clone', ENOSPC: 'free space on that disk', EROFS: 'use a writable clone' };
  if (!mends[error.code]) throw error;
  fail(`the setup cannot write: ${error.message} (${mends[error.code]}, and run it again)`);
}
