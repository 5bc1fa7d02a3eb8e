// Boots a Debian 12 with systemd and control groups of version 2 in QEMU, by software alone unless told otherwise, runs this tree in it as a
// service and follows virtual-debian-tour.sh. The tree must be built. Nothing is fetched inside; the machine sees no other one.
// Needs root, debootstrap, e2fsprogs and qemu-system-x86. Plain JavaScript for Node 18 and later.
//   node scripts/virtual-debian.mjs [--log FILE] [--directory DIR] [--mirror URL] [--minutes N] [--tour FILE]
//     [--accelerator tcg|kvm]
// A directory that is named is kept, and its Debian is used again. The console is logged beside the log, as FILE.console.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildImage, fetchBusybox } from './example-image.mjs';

const repository = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const valueOf = (name, otherwise) => (process.argv.includes(name) ? process.argv[process.argv.indexOf(name) + 1] : otherwise);
const logFile = path.resolve(valueOf('--log', 'virtual-debian.log'));
const limitMs = Number(valueOf('--minutes', '60')) * 60_000;
const tour = path.resolve(valueOf('--tour', path.join(repository, 'scripts', 'virtual-debian-tour.sh')));
const packages =
  'systemd,systemd-sysv,udev,dbus,linux-image-cloud-amd64,iproute2,kmod,procps,ca-certificates,curl,libatomic1,quota,xfsprogs';

class Failed extends Error {}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { stdio: ['ignore', 2, 2], ...options });
  if (result.error) throw new Failed(`${command} cannot be run: ${result.error.message}`);
  if (result.status !== 0) throw new Failed(`"${[command, ...args].join(' ')}" ended with ${result.status}`);
  return result;
}

/** The Debian that any user could have installed, with its kernel. */
function makeDebian(root) {
  const mirror = valueOf('--mirror', undefined);
  run('debootstrap', ['--variant=minbase', `--include=${packages}`, 'bookworm', root, ...(mirror ? [mirror] : [])], {
    stdio: ['ignore', 'ignore', 2],
  });
  const write = (file, text) => fs.writeFileSync(path.join(root, file), text);
  write('etc/hostname', 'virtual-debian\n');
  write('etc/hosts', '127.0.0.1\tlocalhost\n127.0.1.1\tvirtual-debian\n::1\tlocalhost\n');
  write('etc/fstab', '/dev/vda / ext4 rw 0 1\n/dev/vdb /srv ext4 rw 0 2\n');
  write('etc/systemd/network/wired.network', '[Match]\nType=ether\nKind=!*\n\n[Network]\nDHCP=ipv4\n');
  write(
    'etc/systemd/system/tour.service',
    `[Unit]
After=multi-user.target network-online.target
Wants=network-online.target
RequiresMountsFor=/srv

[Service]
Type=oneshot
Environment=HOME=/root
ExecStart=/bin/bash /srv/tour.sh
ExecStopPost=/bin/systemctl --no-block poweroff
StandardOutput=file:/dev/ttyS1
StandardError=inherit
`,
  );
  for (const name of ['systemd-networkd.service', 'systemd-networkd-wait-online.service']) {
    run('chroot', [root, 'systemctl', 'enable', '--quiet', name]);
  }
  run('chroot', [root, 'systemctl', 'add-wants', '--quiet', 'graphical.target', 'tour.service']);
  fetchInside(root);
}

/** The packages that a first start fetches: which ones depends on what that Debian has. Its Node is this machine's. */
function fetchInside(root) {
  for (const file of ['/etc/resolv.conf', '/etc/apt/apt.conf.d', '/etc/ssl/certs']) {
    if (!fs.existsSync(file)) continue;
    // First removed: its links may lead out of the root.
    fs.rmSync(path.join(root, file), { recursive: true, force: true });
    run('cp', ['-rLT', file, path.join(root, file)]);
  }
  fs.copyFileSync(process.execPath, path.join(root, 'usr/local/bin/node'));
  run('cp', ['-rT', path.join(repository, 'scripts', 'runtime'), path.join(root, 'var/tmp/runtime')]);
  const env = { ...process.env, HOME: '/root', XDG_CACHE_HOME: '/root/.cache', TMPDIR: '/var/tmp' };
  run('chroot', [root, 'node', '/var/tmp/runtime/fetch.mjs'], { env });
}

/** What the user brings: the built tree and the image of the example. */
function makeProject(root) {
  const tree = path.join(root, 'k3s-ts');
  run('git', ['clone', '--quiet', '--no-hardlinks', repository, tree]);
  for (const folder of ['dist', 'node_modules']) run('cp', ['-aL', path.join(repository, folder), path.join(tree, folder)]);
  fs.writeFileSync(path.join(root, 'example-web.tar'), buildImage(fs.readFileSync(fetchBusybox())));
  fs.copyFileSync(tour, path.join(root, 'tour.sh'));
  fs.copyFileSync(path.join(repository, 'scripts', 'virtual-debian-steps.sh'), path.join(root, 'steps.sh'));
}

function pack(root, image, spareMegabytes) {
  const used = Number(spawnSync('du', ['-sm', root], { encoding: 'utf8' }).stdout.split('\t')[0]);
  fs.rmSync(image, { force: true });
  run('mkfs.ext4', ['-q', '-d', root, image, `${Math.ceil(used * 1.2) + spareMegabytes}M`]);
}

/** Resolves when the machine has powered off. */
function boot(directory, kernel, initrd) {
  const disk = name => ['-drive', `file=${path.join(directory, name)},format=raw,if=virtio,cache=unsafe`];
  const args = [
    ...[
      '-machine',
      `q35,accel=${valueOf('--accelerator', 'tcg')}`,
      '-cpu',
      'max',
      '-smp',
      '2',
      '-m',
      '3G',
      '-display',
      'none',
      '-no-reboot',
    ],
    ...['-kernel', kernel, '-initrd', initrd, '-append', 'root=/dev/vda rw console=ttyS0 mitigations=off'],
    ...['-serial', `file:${logFile}.console`, '-serial', `file:${logFile}`, '-monitor', 'none'],
    ...['-nic', 'user,model=virtio-net-pci,restrict=on', '-device', 'virtio-rng-pci'],
    ...[...disk('debian.img'), '-snapshot', ...disk('project.img')],
  ];
  const machine = spawn('nice', ['-n', '5', 'qemu-system-x86_64', ...args], { stdio: ['ignore', 2, 2] });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      machine.kill();
      reject(new Failed(`the tour did not end in time: see ${logFile} and ${logFile}.console`));
    }, limitMs);
    machine.on('error', reject);
    machine.on('exit', () => {
      clearTimeout(timer);
      resolve();
    });
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => machine.kill());
  });
}

async function main() {
  if (process.getuid() !== 0) throw new Failed('root file systems are made by root: sudo node scripts/virtual-debian.mjs');
  if (!fs.existsSync(path.join(repository, 'dist', 'core', 'cli', 'main.js'))) throw new Failed('build first: npm run setup');
  for (const tool of ['debootstrap', 'mkfs.ext4', 'qemu-system-x86_64']) {
    if (spawnSync(tool, ['--version'], { stdio: 'ignore' }).error)
      throw new Failed(`${tool} is not here: apt-get install debootstrap e2fsprogs qemu-system-x86`);
  }
  const kept = valueOf('--directory', undefined);
  const directory = kept ? path.resolve(kept) : fs.mkdtempSync(path.join(os.tmpdir(), 'virtual-debian-'));
  const at = name => path.join(directory, name);
  try {
    fs.mkdirSync(directory, { recursive: true });
    if (!fs.existsSync(at('debian.img'))) {
      console.error('Making a Debian 12 ...');
      fs.rmSync(at('debian'), { recursive: true, force: true });
      makeDebian(at('debian'));
      for (const name of ['vmlinuz', 'initrd.img']) {
        const file = fs.readdirSync(at('debian/boot')).find(own => own.startsWith(`${name}-`));
        fs.copyFileSync(at(`debian/boot/${file}`), at(name));
      }
      pack(at('debian'), at('debian.part'), 6000);
      fs.renameSync(at('debian.part'), at('debian.img'));
      fs.rmSync(at('debian'), { recursive: true, force: true });
    }
    console.error('Packing the tree ...');
    fs.rmSync(at('project'), { recursive: true, force: true });
    makeProject(at('project'));
    pack(at('project'), at('project.img'), 200);
    fs.rmSync(at('project'), { recursive: true, force: true });
    console.error(`Running; tail -f ${logFile} ...`);
    await boot(directory, at('vmlinuz'), at('initrd.img'));
  } finally {
    if (!kept) fs.rmSync(directory, { recursive: true, force: true });
  }
  const text = fs.readFileSync(logFile, 'utf8');
  if (!text.includes('the tour ended')) throw new Failed(`the tour broke off: see ${logFile} and ${logFile}.console`);
  const failed = text.match(/^.*\bFAIL\b.*$/gm) ?? [];
  if (failed.length > 0) throw new Failed(`${failed.length} steps failed, see ${logFile}:\n${failed.join('\n')}`);
  console.error(`the tour was followed to its end; the log is ${logFile}`);
}

try {
  await main();
} catch (error) {
  if (!(error instanceof Failed)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}
