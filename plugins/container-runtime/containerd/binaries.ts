import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { access, constants, mkdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { CodedError, errorText } from '../../../core/plugin-api/index.js';
import { filesIn, installFiles, installLink, readDebianPackages } from '../../../core/host/debian-packages.js';
import type { DebianPackages } from '../../../core/host/debian-packages.js';

/** Where the programs lie that the runtime runs. */
export interface RuntimeBinaries {
  readonly containerd: string;
  readonly ctr: string;
  readonly runc: string;
  /** For the messages and the fingerprint: a change starts containerd anew. */
  readonly version: string;
  /** Folders that containerd finds its shim and the tools of CNI plugins in, before those of the system. */
  readonly searchPath: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** What `ctr images import` needs to print the names of images as 1.6 does. */
  readonly importArguments: readonly string[];
}

const needed = ['containerd', 'runc', 'containernetworking-plugins'];
const systemPath = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** Where a pod network's own CNI plugins go beside Debian's. */
export function cniBinaryDirectory(binDir: string): string {
  return join(binDir, 'cni');
}

/** Throws `RUNTIME_BINARY_MISSING` with the mend where `prepareBinaries` would; writes nothing. */
export async function checkBinaries(source: 'private' | 'path'): Promise<void> {
  if (source === 'path') await findOnPath();
  else fetchedPackages();
}

/**
 * `private`: copies of Debian's packages under `binDir`; `path`: what the machine has.
 * Throws `RUNTIME_BINARY_MISSING` with the mend.
 */
export async function prepareBinaries(
  source: 'private' | 'path',
  binDir: string,
  preferBundled = false,
): Promise<RuntimeBinaries> {
  return source === 'path' ? findOnPath() : installPrivate(binDir, preferBundled);
}

async function findOnPath(): Promise<RuntimeBinaries> {
  const found: Record<string, string> = {};
  for (const name of ['containerd', 'containerd-shim-runc-v2', 'ctr', 'runc']) {
    const file = await search(name);
    if (file === undefined) {
      throw new CodedError('RUNTIME_BINARY_MISSING', `${name} is not on PATH`, {
        mend: 'install containerd and runc, or leave out --containerd-binaries to use private copies of the Debian packages',
      });
    }
    found[name] = file;
  }
  const { containerd, ctr, runc } = found as Record<'containerd' | 'ctr' | 'runc', string>;
  const versions = await Promise.all([containerd, runc].map(versionOf));
  return {
    containerd,
    ctr,
    runc,
    version: versions.join(' '),
    searchPath: [],
    environment: {},
    importArguments: importArguments(versions[0]!),
  };
}

/** The first line that it prints: `containerd github.com/containerd/containerd/v2 2.1.9 ...`. */
async function versionOf(program: string): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, ['--version'], { timeout: 10_000 });
    return stdout.split('\n', 1)[0]!.trim();
  } catch (error) {
    throw new CodedError('RUNTIME_BINARY_MISSING', `${program} cannot be run: ${errorText(error).split('\n', 1)[0]}`, {
      mend: 'install a containerd and runc that run on this machine, or leave out --containerd-binaries',
      cause: error,
    });
  }
}

/** From 2.0 on the server imports, and `ctr` prints a progress that has lost the first dash of names. */
export function importArguments(containerdVersion: string): readonly string[] {
  const major = / v?(\d+)\.\d/.exec(containerdVersion)?.[1];
  return major !== undefined && Number(major) < 2 ? [] : ['--local'];
}

async function search(name: string): Promise<string | undefined> {
  for (const folder of [...(process.env['PATH'] ?? '').split(delimiter), ...systemPath]) {
    if (!folder.startsWith('/')) continue;
    try {
      await access(join(folder, name), constants.X_OK);
      return join(folder, name);
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

function fetchedPackages(): { packages: DebianPackages; roots: string[] } {
  const packages = readDebianPackages();
  const roots = needed.map(name => ({ name, root: packages?.root(name) }));
  const missing = roots.filter(({ root }) => root === undefined || !existsSync(root)).map(({ name }) => name);
  if (!packages || missing.length > 0) {
    throw new CodedError('RUNTIME_BINARY_MISSING', `the packages ${missing.join(', ')} were not fetched`, {
      mend: 'run "node scripts/runtime/fetch.mjs" in the k3s directory, or start with --containerd-binaries path to use those on PATH',
    });
  }
  return { packages, roots: roots.map(({ root }) => root!) };
}

/** CNI plugins for a containerd that is not ours, where they were fetched. */
export async function installCniPlugins(binDir: string): Promise<void> {
  const root = readDebianPackages()?.root('containernetworking-plugins');
  if (root !== undefined) await installFiles(await filesIn(join(root, 'usr/lib/cni')), cniBinaryDirectory(binDir));
}

async function installPrivate(binDir: string, preferBundled: boolean): Promise<RuntimeBinaries> {
  const { packages, roots } = fetchedPackages();
  const [containerd, runc] = roots as [string, string, string];
  await mkdir(binDir, { recursive: true, mode: 0o755 });
  const programs = ['containerd', 'containerd-shim-runc-v2', 'ctr'].map(name => join(containerd, 'usr/bin', name));
  await installFiles([...programs, join(runc, 'usr/sbin/runc')], binDir);
  await installCniPlugins(binDir);
  const libraries = await installLibraries(packages, binDir, preferBundled || (await search('iptables')) === undefined);
  const { containerd: containerdVersion, runc: runcVersion } = packages.versions;
  return {
    containerd: join(binDir, 'containerd'),
    ctr: join(binDir, 'ctr'),
    runc: join(binDir, 'runc'),
    version: `containerd ${containerdVersion} runc ${runcVersion}`,
    searchPath: [binDir, ...libraries.searchPath],
    environment: libraries.environment,
    importArguments: importArguments(`containerd ${containerdVersion}`),
  };
}

/** Libraries where the machine had none when the packages were fetched, and iptables where it has none now or is not to be used. */
async function installLibraries(
  { versions, root }: DebianPackages,
  binDir: string,
  withIptables: boolean,
): Promise<{ searchPath: string[]; environment: Record<string, string> }> {
  const extra = Object.keys(versions).filter(name => !needed.includes(name));
  const libraryDir = join(binDir, 'lib');
  const searchPath: string[] = [];
  const environment: Record<string, string> = {};
  const machine = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  for (const name of extra.filter(entry => entry.startsWith('lib'))) {
    for (const folder of [`usr/lib/${machine}`, `lib/${machine}`]) {
      const files = (await filesIn(join(root(name)!, folder))).filter(file => file.includes('.so'));
      if (files.length === 0) continue;
      await installFiles(files, libraryDir);
      environment['LD_LIBRARY_PATH'] = libraryDir;
    }
  }
  const iptables = withIptables ? root('iptables') : undefined;
  if (iptables !== undefined) {
    const folder = join(binDir, 'iptables');
    await installFiles([join(iptables, 'usr/sbin/xtables-nft-multi')], folder);
    for (const family of ['iptables', 'ip6tables']) {
      for (const tool of ['', '-save', '-restore']) await installLink(folder, `${family}${tool}`, 'xtables-nft-multi');
    }
    const extensions = (await filesIn(join(iptables, `usr/lib/${machine}/xtables`))).filter(file => file.endsWith('.so'));
    await installFiles(extensions, join(folder, 'xtables'));
    searchPath.push(folder);
    environment['XTABLES_LIBDIR'] = join(folder, 'xtables');
  }
  return { searchPath, environment };
}

/** What containerd and its children see: nothing of npm's and Node's, which are meant for this process. */
export function childEnvironment(binaries: RuntimeBinaries): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value === undefined || /^(npm_|NODE|INIT_CWD|NOTIFY_SOCKET|LISTEN_)/i.test(name)) continue;
    kept[name] = value;
  }
  const own = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter(folder => folder.startsWith('/') && !folder.includes('/node_modules/'));
  const path = [...new Set([...binaries.searchPath, ...own, ...systemPath])].join(delimiter);
  return { ...kept, PATH: path, ...binaries.environment };
}
