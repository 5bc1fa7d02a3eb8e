// Brings the Debian packages that a real node runs on into a cache of our own, unpacked; nothing is installed, no service is touched.
// Plain JavaScript for Node 18 and later. What is there already is not fetched again: that check costs a file read.
//   node scripts/runtime/fetch.mjs [--refresh] [--print] [PACKAGE ...]
// Leaves in ${XDG_CACHE_HOME:-~/.cache}/k3s-ts/debian: <package>_<version>_<arch>/ (the unpacked files) and packages.json.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a node with containerd, pod network and Services needs; what these depend on and the machine lacks comes with them. */
export const runtimePackages = ['conntrack', 'containerd', 'containernetworking-plugins', 'iproute2', 'nftables', 'runc'];

export class FetchError extends Error {}

export function cacheDirectory(env = process.env) {
  const base = env.XDG_CACHE_HOME && path.isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : path.join(os.homedir(), '.cache');
  return path.join(base, 'k3s-ts', 'debian');
}

/**
 * Fetches and unpacks the packages and resolves the manifest. Throws FetchError with one line that tells the mend.
 * `directory`, `refresh` and `log` may be given.
 */
export function fetchPackages(names = runtimePackages, options = {}) {
  const directory = options.directory ?? cacheDirectory();
  const log = options.log ?? (() => undefined);
  const known = readManifest(directory);
  if (!options.refresh && known && names.every(name => known.roots.includes(name))) return known;
  const wanted = [...new Set([...(known?.roots ?? []), ...names])].sort();
  checkHost();
  return locked(directory, () => {
    const meanwhile = readManifest(directory);
    if (!options.refresh && meanwhile && wanted.every(name => meanwhile.roots.includes(name))) return meanwhile;
    return fetchAll(directory, wanted, log);
  });
}

/** The manifest when everything that it names is there, else undefined. */
export function readManifest(directory = cacheDirectory()) {
  try {
    const manifest = JSON.parse(fs.readFileSync(path.join(directory, 'packages.json'), 'utf8'));
    if (manifest.format !== 1 || manifest.architecture !== debianArchitecture()) return undefined;
    return manifest.packages.every(entry => fs.existsSync(path.join(directory, entry.directory))) ? manifest : undefined;
  } catch {
    return undefined;
  }
}

function debianArchitecture() {
  return { x64: 'amd64', arm64: 'arm64' }[process.arch] ?? process.arch;
}

function checkHost() {
  if (process.platform !== 'linux')
    throw new FetchError(`a real node needs Linux, this is ${process.platform}: use --preset sandbox`);
  if (!['amd64', 'arm64'].includes(debianArchitecture())) {
    throw new FetchError(`a real node needs amd64 or arm64, this is ${process.arch}: use --preset sandbox`);
  }
  for (const tool of ['apt-get', 'dpkg-deb']) {
    if (spawnSync(tool, ['--version'], { stdio: 'ignore' }).error) {
      throw new FetchError(
        `${tool} is not here, so this is no Debian: install containerd, runc and the CNI plugins yourself and start with --containerd-binaries path`,
      );
    }
  }
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    env: { ...process.env, LC_ALL: 'C' },
    ...options,
  });
  if (result.error) throw new FetchError(`${command} cannot be run: ${result.error.message}`);
  return result;
}

/** The lines of `--print-uris`: 'URI' FILE SIZE ALGORITHM:DIGEST. */
function parseUris(text) {
  const found = [];
  for (const line of text.split('\n')) {
    const match = /^'[^']+' (\S+\.deb) (\d+) (\w+):([0-9a-f]+)$/.exec(line.trim());
    if (match)
      found.push({ file: match[1], name: match[1].split('_')[0], size: Number(match[2]), algorithm: match[3], digest: match[4] });
  }
  return found;
}

function printUris(apt, names) {
  // What these depend on and the machine has not: apt knows, and is only asked. Only `download` tells SHA-256.
  const closure = run('apt-get', [...apt, 'install', '--print-uris', '--yes', '--no-install-recommends', ...names]);
  if (closure.status !== 0) return { problem: closure.stderr };
  const all = [...new Set([...names, ...parseUris(closure.stdout).map(entry => entry.name)])].sort();
  const download = run('apt-get', [...apt, 'download', '--print-uris', ...all]);
  if (download.status !== 0) return { problem: download.stderr };
  const entries = parseUris(download.stdout).filter(entry => entry.algorithm === 'SHA256');
  const missing = all.filter(name => !entries.some(entry => entry.name === name));
  return missing.length ? { problem: `E: no SHA-256 known for ${missing.join(', ')}` } : { entries };
}

function fetchAll(directory, names, log) {
  fs.mkdirSync(directory, { recursive: true });
  let apt = [];
  let answer = printUris(apt, names);
  if (answer.problem) {
    // No lists on this machine (a container image), or old ones: lists of our own, so that the system's stay as they are.
    const state = path.join(directory, 'apt');
    for (const folder of ['lists/partial', 'cache/archives/partial']) fs.mkdirSync(path.join(state, folder), { recursive: true });
    apt = ['-o', `Dir::State::lists=${state}/lists`, '-o', `Dir::Cache=${state}/cache`, '-o', 'APT::Sandbox::User='];
    log('Reading the package lists ...');
    const update = run('apt-get', [...apt, 'update', '-qq', '--error-on=any']);
    if (update.status !== 0) {
      throw new FetchError(
        `the Debian mirror cannot be reached: ${firstError(update.stderr)}; check the network and /etc/apt/sources.list, then start again`,
      );
    }
    answer = printUris(apt, names);
    if (answer.problem) {
      throw new FetchError(
        `this system offers no ${names.join(', ')}: ${firstError(answer.problem)}; Debian 12 is what is known to work, elsewhere start with --containerd-binaries path`,
      );
    }
  }
  const packages = answer.entries.map(entry => unpack(directory, apt, entry, log));
  const manifest = { format: 1, architecture: debianArchitecture(), roots: names, packages };
  const file = path.join(directory, 'packages.json');
  fs.writeFileSync(`${file}.new`, `${JSON.stringify(manifest, null, 2)}\n`);
  fs.renameSync(`${file}.new`, file);
  return manifest;
}

/** One package, downloaded, checked and unpacked; a folder under its final name is complete. */
function unpack(directory, apt, entry, log) {
  const version = decodeURIComponent(entry.file.split('_')[1]);
  const folder = `${entry.name}_${version.replace(/[^\w.+~-]/g, '-')}_${debianArchitecture()}`;
  const result = { name: entry.name, version, sha256: entry.digest, directory: folder };
  const target = path.join(directory, folder);
  if (fs.existsSync(target)) return result;
  const work = fs.mkdtempSync(path.join(directory, '.work-'));
  try {
    log(`Fetching ${entry.name} ${version} (${(entry.size / 1e6).toFixed(1)} MB) ...`);
    const download = run('apt-get', [...apt, '-qq', 'download', `${entry.name}=${version}`], { cwd: work });
    if (download.status !== 0) {
      throw new FetchError(
        `${entry.name} cannot be fetched: ${firstError(download.stderr)}; check the network, or run "apt-get update" when the package list is old`,
      );
    }
    const file = fs.readdirSync(work).find(name => name.endsWith('.deb'));
    if (!file) throw new FetchError(`${entry.name} was not fetched: apt-get download left no file in ${work}`);
    const digest = createHash('sha256')
      .update(fs.readFileSync(path.join(work, file)))
      .digest('hex');
    if (digest !== entry.digest) {
      throw new FetchError(`${entry.name} is damaged: its SHA-256 is ${digest}, not ${entry.digest}; start again`);
    }
    const root = path.join(work, 'root');
    const extracted = run('dpkg-deb', ['-x', path.join(work, file), root]);
    if (extracted.status !== 0) throw new FetchError(`${entry.name} cannot be unpacked: ${firstError(extracted.stderr)}`);
    fs.renameSync(root, target);
    return result;
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
}

function firstError(text) {
  const lines = text.split('\n').map(line => line.trim());
  return (lines.find(line => line.startsWith('E:')) ?? lines.find(Boolean) ?? 'no reason given').replace(/^E:\s*/, '');
}

/** One fetch at a time; a lock whose owner is gone is taken over. */
function locked(directory, run_) {
  fs.mkdirSync(directory, { recursive: true });
  const lock = path.join(directory, '.lock');
  const deadline = Date.now() + 10 * 60_000;
  for (;;) {
    try {
      fs.writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code === 'EACCES' || error.code === 'EROFS') {
        throw new FetchError(`${directory} cannot be written: set XDG_CACHE_HOME to a folder that can`);
      }
      if (error.code !== 'EEXIST') throw error;
      const owner = Number(readText(lock)) || undefined;
      if (owner !== undefined && !alive(owner)) fs.rmSync(lock, { force: true });
      else if (Date.now() > deadline)
        throw new FetchError(`another start has been fetching packages for ten minutes; if not, remove ${lock}`);
      else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  try {
    return run_();
  } finally {
    fs.rmSync(lock, { force: true });
  }
}

function readText(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
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

if (process.argv[1] && fs.realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const given = process.argv.slice(2);
  const names = given.filter(argument => !argument.startsWith('--'));
  try {
    const log = text => process.stderr.write(`${text}\n`);
    const manifest = fetchPackages(names.length ? names : runtimePackages, { refresh: given.includes('--refresh'), log });
    if (given.includes('--print')) process.stdout.write(`${JSON.stringify(manifest, null, 2)}\n`);
  } catch (error) {
    if (!(error instanceof FetchError)) throw error;
    process.stderr.write(`error: ${error.message}\n`);
    process.exitCode = 1;
  }
}
