import { execFile } from 'node:child_process';
import { lstat, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cached, keyOf } from './build-cache.js';
import { MissingError } from './go-programs.js';

const run = promisify(execFile);

/** What tests run by `exec` in upstream's images, which are Alpine with these tools. */
const packages = [
  'base-files bash bind9-dnsutils bsdextrautils busybox-static coreutils curl dash debianutils diffutils findutils grep hostname',
  'iperf iproute2 iputils-ping libc-bin mawk netcat-openbsd procps sed tar util-linux',
].flatMap(line => line.split(' '));

/** What maintainer scripts would make; none is run. */
const links: Readonly<Record<string, string>> = {
  'bin/awk': '../usr/bin/mawk',
  'bin/nc': 'nc.openbsd',
  'bin/which': '../usr/bin/which.debianutils',
};

/** Sums up to two thirds of the size and nothing that a test reads. */
const ballast = ['usr/share/doc', 'usr/share/info', 'usr/share/locale', 'usr/share/man', 'var/cache', 'boot'];

const files: Readonly<Record<string, string>> = {
  'etc/passwd': 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n',
  'etc/group': 'root:x:0:\nnogroup:x:65534:\n',
  'etc/nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files dns\n',
};

const binaryFolders = ['bin', 'sbin', 'usr/bin', 'usr/sbin'];

/**
 * A folder with `root/`, a small Debian that nothing was installed into: packages with all that they depend on, unpacked. Its
 * `packages` names them with their versions. What the tools of Alpine's busybox have and Debian's packages have not is Debian's static
 * busybox. Throws MissingError on a machine that is no Debian.
 */
export async function debianRoot(log: (line: string) => void): Promise<string> {
  const recipe = JSON.stringify([packages, links, ballast, files]);
  return cached('debian-root', keyOf(process.arch, recipe), async folder => {
    log('Unpacking Debian packages for the images ...');
    const root = join(folder, 'root');
    await mkdir(root, { mode: 0o755 });
    const archives = await mkdtemp(join(tmpdir(), 'k3s-conformance-apt-'));
    try {
      const names = await download(archives);
      for (const name of names) await run('dpkg-deb', ['-x', join(archives, 'archives', name), root]);
      await writeFile(join(folder, 'packages'), `${names.join('\n')}\n`);
    } finally {
      await rm(archives, { recursive: true, force: true });
    }
    for (const name of ballast) await rm(join(root, name), { recursive: true, force: true });
    for (const [name, content] of Object.entries(files)) await writeFile(join(root, name), content);
    for (const [name, target] of Object.entries(links)) await symlink(target, join(root, name));
    await addApplets(root);
  });
}

/** Brings the archives into `folder`/archives; their names, sorted. The system's own lists and cache stay as they are. */
async function download(folder: string): Promise<string[]> {
  const status = join(folder, 'status');
  await writeFile(status, '');
  for (const name of ['lists/partial', 'archives/partial']) await mkdir(join(folder, name), { recursive: true });
  const settings = {
    // Nothing counts as installed, so that the closure is complete.
    'Dir::State::status': status,
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::Cache': folder,
    'Dir::Cache::archives': join(folder, 'archives'),
    'APT::Sandbox::User': '',
    'APT::Install-Recommends': 'false',
    'Debug::NoLocking': 'true',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  try {
    await run('apt-get', [...options, 'update', '-qq', '--error-on=any']);
    await run('apt-get', [...options, 'install', '--download-only', '--yes', ...packages], { maxBuffer: 64 * 1024 * 1024 });
  } catch (error) {
    const { code, stderr, message } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT')
      throw new MissingError('apt-get is not on the PATH: the images of a real node are made from Debian packages');
    const line = stderr?.split('\n').find(text => text.startsWith('E:')) ?? message.split('\n')[0]!;
    throw new MissingError(
      `Debian packages cannot be fetched: ${line.replace(/^E:\s*/, '')}; check the network and the sources of apt`,
    );
  }
  return (await readdir(join(folder, 'archives'))).filter(name => name.endsWith('.deb')).sort();
}

/** Names of the applets of a busybox. */
export async function appletsOf(busybox: string): Promise<string[]> {
  const { stdout } = await run(busybox, ['--list']);
  return stdout.split('\n').filter(Boolean);
}

async function addApplets(root: string): Promise<void> {
  for (const applet of await appletsOf(join(root, 'bin/busybox'))) {
    const there = await Promise.all(binaryFolders.map(folder => exists(join(root, folder, applet))));
    if (!there.includes(true)) await symlink('busybox', join(root, 'bin', applet));
  }
}

async function exists(path: string): Promise<boolean> {
  // Not `access`: links of the unpacked root point out of it.
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** Names and versions of what was unpacked. */
export async function debianPackages(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, 'packages'), 'utf8');
  return text.split('\n').filter(Boolean);
}
