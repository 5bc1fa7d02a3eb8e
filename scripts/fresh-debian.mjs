// Follows README's first screen ("Try it") word for word in a freshly made Debian 12 root that has this machine's Node, and keeps the
// log. Needs root and debootstrap. Plain JavaScript for Node 18 and later.
//   node scripts/fresh-debian.mjs [--log FILE] [--mirror URL] [--keep] [-- FLAGS OF npm start]
// With flags of the start (like --preset sandbox) only the first command of the second block, `get nodes`, is followed.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const split = process.argv.indexOf('--');
const own = process.argv.slice(2, split < 0 ? undefined : split);
const startFlags = split < 0 ? [] : process.argv.slice(split + 1);
const valueOf = (name, otherwise) => (own.includes(name) ? own[own.indexOf(name) + 1] : otherwise);
const logFile = path.resolve(valueOf('--log', 'fresh-debian.log'));
const log = fs.openSync(logFile, 'w');
const inside = '/srv/k3s-ts';
const startLimitMs = 15 * 60_000;

function say(text) {
  fs.writeSync(log, `${text}\n`);
  process.stderr.write(`${text}\n`);
}

class Failed extends Error {}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: ['ignore', log, log], ...options });
  if (result.error) throw new Failed(`${command} cannot be run: ${result.error.message}`);
  if (result.status !== 0) throw new Failed(`"${[command, ...args].join(' ')}" ended with ${result.status}: see ${logFile}`);
}

/** The lines of the `sh` blocks below "## Try it", one list a block. */
export function firstScreen(readme) {
  const section = readme.split(/^## /m).find(part => part.startsWith('Try it')) ?? '';
  return [...section.matchAll(/^```sh\n([\s\S]*?)^```/gm)].map(match => match[1].trim().split('\n'));
}

function makeRoot(root) {
  const packages = 'ca-certificates,curl,libatomic1';
  const mirror = valueOf('--mirror', undefined);
  run('debootstrap', ['--variant=minbase', `--include=${packages}`, 'bookworm', root, ...(mirror ? [mirror] : [])]);
  // How this machine reaches mirrors and registries, and nothing else of it.
  for (const file of [
    '/etc/resolv.conf',
    '/etc/apt/sources.list',
    '/etc/apt/sources.list.d',
    '/etc/apt/apt.conf.d',
    '/etc/ssl/certs',
  ]) {
    if (!fs.existsSync(file)) continue;
    fs.rmSync(path.join(root, file), { recursive: true, force: true });
    run('cp', ['-rL', file, path.join(root, file)]);
  }
  // Every installed Debian has it; debootstrap leaves it to the installer.
  fs.writeFileSync(path.join(root, 'etc/hosts'), '127.0.0.1\tlocalhost\n::1\tlocalhost\n');
  const prefix = path.resolve(path.dirname(fs.realpathSync(process.execPath)), '..');
  const npm = [path.join(prefix, 'lib/node_modules/npm'), '/usr/local/lib/node_modules/npm', '/usr/share/nodejs/npm'].find(
    fs.existsSync,
  );
  if (!npm) throw new Failed(`npm of ${process.execPath} was not found`);
  fs.copyFileSync(process.execPath, path.join(root, 'usr/local/bin/node'));
  fs.cpSync(npm, path.join(root, 'usr/local/lib/node_modules/npm'), { recursive: true, dereference: true });
  for (const name of ['npm', 'npx']) {
    fs.symlinkSync(`../lib/node_modules/npm/bin/${name}-cli.js`, path.join(root, 'usr/local/bin', name));
  }
  run('git', ['clone', '--quiet', '--no-hardlinks', repository, path.join(root, inside)]);
  for (const folder of ['proc', 'sys', 'dev']) {
    run('mount', ['--rbind', `/${folder}`, path.join(root, folder)]);
    run('mount', ['--make-rslave', path.join(root, folder)]);
  }
  // A root that is no mount point will not do for containers, so everything runs in a mount namespace of its own.
  const place = namespaceOf(root);
  fs.mkdirSync(path.dirname(place));
  run('mount', ['--bind', path.dirname(place), path.dirname(place)]);
  run('mount', ['--make-private', path.dirname(place)]);
  fs.writeFileSync(place, '');
  const pivot = 'mount --rbind "$1" "$1" && cd "$1" && mkdir -p .old && pivot_root . .old && umount -l .old && rmdir .old';
  run('unshare', [`--mount=${place}`, '--propagation', 'private', 'sh', '-c', pivot, 'sh', root]);
}

/** The file that keeps the root's mount namespace. */
function namespaceOf(root) {
  return `${root}.namespace/mnt`;
}

function removeRoot(root) {
  const points = fs
    .readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map(line => line.split(' ')[4])
    .filter(point => point?.startsWith(`${root}/`));
  for (const point of points.reverse()) spawnSync('umount', ['-l', point]);
  const kept = path.dirname(namespaceOf(root));
  spawnSync('umount', ['-l', namespaceOf(root)]);
  spawnSync('umount', ['-l', kept]);
  fs.rmSync(kept, { recursive: true, force: true });
  const left = fs.readFileSync('/proc/self/mountinfo', 'utf8').includes(` ${root}/`);
  if (left) throw new Failed(`something is still mounted below ${root}: it is left there`);
  fs.rmSync(root, { recursive: true, force: true });
}

function insideArguments(root, line) {
  return [`--mount=${namespaceOf(root)}`, '--', '/usr/bin/env', '-i', ...environment(), 'sh', '-c', `cd ${inside} && ${line}`];
}

function environment() {
  const handedOn = /^(https?_proxy|no_proxy|npm_config_registry|NODE_EXTRA_CA_CERTS)$/i;
  const registry = spawnSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8', cwd: os.tmpdir() }).stdout?.trim();
  const given = Object.entries(process.env).filter(([name]) => handedOn.test(name));
  const all = { ...(registry && { npm_config_registry: registry }), ...Object.fromEntries(given) };
  return [
    'HOME=/root',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...Object.entries(all).map(pair => pair.join('=')),
  ];
}

/** Resolves when the server says that it runs; `stop` ends it by Ctrl-C's signal. */
function start(root, line) {
  const command = startFlags.length > 0 ? `${line} -- ${startFlags.join(' ')}` : line;
  say(`# ${command}`);
  const child = spawn('nsenter', insideArguments(root, command), { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const ended = new Promise(resolve => child.on('close', resolve));
  const ready = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Failed('the server was not ready in time')), startLimitMs);
    let text = '';
    const onData = chunk => {
      fs.writeSync(log, chunk);
      text += chunk;
      if (text.includes('Ctrl-C stops it.')) settle(resolve);
    };
    const settle = done => {
      clearTimeout(timer);
      done();
    };
    child.stdout.on('data', onData);
    child.stderr.on('data', onData);
    child.on('close', code => settle(() => reject(new Failed(`"${command}" ended with ${code}: see ${logFile}`))));
  });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) process.kill(-child.pid, 'SIGINT');
    await ended;
  };
  return { ready, stop };
}

async function main() {
  if (process.getuid() !== 0)
    throw new Failed('this makes a root directory and mounts, which needs root: sudo node scripts/fresh-debian.mjs');
  if (spawnSync('debootstrap', ['--version']).error) throw new Failed('debootstrap is not here: apt-get install debootstrap');
  const [begin, others] = firstScreen(fs.readFileSync(path.join(repository, 'README.md'), 'utf8'));
  if (begin?.length !== 1 || !others?.length) throw new Failed('README has no first screen of two blocks below "Try it"');
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'fresh-debian-'));
  let server;
  let finished = false;
  try {
    const beganMs = Date.now();
    say(`Making a Debian 12 root in ${root} ...`);
    makeRoot(root);
    say(`made in ${Math.round((Date.now() - beganMs) / 1000)} s`);
    const startedMs = Date.now();
    server = start(root, begin[0]);
    await server.ready;
    say(`started in ${Math.round((Date.now() - startedMs) / 1000)} s`);
    for (const line of startFlags.length > 0 ? others.slice(0, 1) : others) {
      say(`# ${line}`);
      run('nsenter', insideArguments(root, line));
    }
    await server.stop();
    for (const line of startFlags.length > 0 ? [] : ['npx k3s uninstall --yes']) {
      say(`# ${line}`);
      run('nsenter', insideArguments(root, line));
    }
    finished = true;
    say(`README's first screen was followed to its end; the log is ${logFile}`);
  } finally {
    await server?.stop();
    // What runs on after the server must not outlive its root.
    if (server && !finished) spawnSync('nsenter', insideArguments(root, 'npx k3s killall'), { stdio: 'inherit' });
    if (!own.includes('--keep')) removeRoot(root);
  }
}

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof Failed)) throw error;
    say(`error: ${error.message}`);
    process.exitCode = 1;
  }
}
