import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, open, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import Database from 'better-sqlite3';
import { launch } from '../support/command-line.js';
import type { LaunchOptions, Outcome } from '../support/command-line.js';

const run = promisify(execFile);
const required = process.env['K3S_TEST_REQUIRE'] === '1';
const isRoot = process.getuid?.() === 0;
/** Namespaces of the kernel, and what owns a host. */
const withRoot = process.platform === 'linux' && (isRoot || required) ? it : it.skip;

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bad-days-'));
  await writeFile(join(directory, 'config.yaml'), '');
});
afterEach(() => rm(directory, { recursive: true }));

const k3s = (words: readonly string[], options?: LaunchOptions): Promise<Outcome> => launch(directory, words, options).outcome;

/** A simulated node, and real data on the disk. */
function kept(...more: string[]): string[] {
  const dataDir = ['--data-dir', join(directory, 'data'), '--write-kubeconfig', join(directory, 'k3s.yaml')];
  return ['server', '--preset', 'sandbox', '--slot', 'datastore=sqlite', ...dataDir, ...more];
}

/** What is neither an error nor a warning says how far the start came. */
function complaints(outcome: Outcome): string[] {
  return errorLines(outcome).filter(line => !/^\S+ INFO /.test(line));
}

function errorLines({ errors }: Outcome): string[] {
  return errors.split('\n').filter(line => line !== '');
}

async function listenSomewhere(host: string, port = 0): Promise<Server> {
  const server = createServer().listen(port, host);
  await once(server, 'listening');
  return server;
}

async function startAndStop(words: readonly string[], options?: LaunchOptions): Promise<Outcome> {
  const { child, outcome, printed } = launch(directory, words, options);
  await printed('metrics-server is ready');
  child.kill('SIGTERM');
  return outcome;
}

describe('a bad day is one line with the mend, and exit code 1', () => {
  it('when the port of the API is in use', async () => {
    const other = await listenSomewhere('127.0.0.1');
    const { port } = other.address() as AddressInfo;
    const outcome = await k3s(['start', '--preset', 'sandbox', '--https-listen-port', String(port)]);
    other.close();
    expect(outcome.code).toBe(1);
    expect(complaints(outcome)).toEqual([
      expect.stringMatching(
        new RegExp(
          `^error: apiserver failed to start: port ${port} on 127\\.0\\.0\\.1 is in use.*\\(stop what listens there, or choose another port with --https-listen-port\\)$`,
        ),
      ),
    ]);
    expect((await readdir(directory)).filter(name => name.startsWith('k3s-sandbox'))).toEqual([]);
  });

  it('when a node is asked for without root', async () => {
    // Whoever runs this as root becomes somebody who is not, for the time of the command.
    const before = isRoot ? ['unshare', '--user', '--'] : [];
    for (const command of ['start', 'server']) {
      expect(await k3s([command, '--data-dir', join(directory, 'data')], { before })).toEqual({
        code: 1,
        output: '',
        errors:
          'error: a node needs root (two ways on: "sudo npm start", or "npm start -- --preset sandbox" for a simulated node that needs nothing)\n',
      });
    }
    expect(await readdir(directory)).toEqual(['config.yaml']);
  });

  it('when the database is damaged, which stays as it is', async () => {
    await startAndStop(kept());
    const file = join(directory, 'data/server/db/state.db');
    const database = await open(file, 'r+');
    await database.write(Buffer.alloc(4096, 'garbage'), 0, 4096, 0);
    await database.close();
    const damaged = await readFile(file);
    const outcome = await k3s(kept());
    expect(outcome.code).toBe(1);
    expect(complaints(outcome)).toEqual([
      expect.stringMatching(/^error: sqlite failed to start: .*state\.db: the datastore file is damaged .*restore a backup/),
    ]);
    expect((await readFile(file)).equals(damaged)).toBe(true);
  });

  it('when a newer version wrote the database, which stays as it is', async () => {
    await startAndStop(kept());
    const file = join(directory, 'data/server/db/state.db');
    const setVersion = (version: number): void => {
      const database = new Database(file);
      database.pragma(`user_version = ${version}`);
      database.close();
    };
    setVersion(99);
    const newer = await readFile(file);
    const outcome = await k3s(kept());
    expect(outcome.code).toBe(1);
    expect(complaints(outcome)).toEqual([
      expect.stringMatching(
        /^error: sqlite failed to start: .*state\.db: the datastore has format 99, .*\(run the newer version again, or restore a backup that this version made\)$/,
      ),
    ]);
    expect((await readFile(file)).equals(newer)).toBe(true);
    setVersion(1);
    expect(await startAndStop(kept())).toMatchObject({ code: 0 });
  });

  it('when the log cannot be written', async () => {
    const log = join(directory, 'nowhere', 'k3s.log');
    expect(complaints(await k3s(['server', '--preset', 'sandbox', '--log', log]))).toEqual([
      expect.stringMatching(/^error: --log .*nowhere\/k3s\.log cannot be written: ENOENT/),
    ]);
  });
});

describe('a kubelet whose port is in use', () => {
  it('takes another one and says so', async () => {
    // Another node of this machine may hold it already, which is as good.
    const other = await listenSomewhere('0.0.0.0', 10_250).catch(() => undefined);
    const free = await listenSomewhere('127.0.0.1');
    const { port } = free.address() as AddressInfo;
    free.close();
    await once(free, 'close');
    const outcome = await startAndStop(['server', '--preset', 'sandbox', '--https-listen-port', String(port)]);
    other?.close();
    expect(outcome.code).toBe(0);
    expect(complaints(outcome)).toEqual([
      expect.stringMatching(/ WARN {2}kubelet: the port of the kubelet is in use, another one is taken port=10250 taken=\d+$/),
    ]);
  });
});

describe('a full disk', () => {
  /** In a mount namespace of its own, so that nothing is left mounted. What is kept lies in `disk`. */
  async function onSmallDisk(size: string, script: string): Promise<LaunchOptions> {
    await mkdir(join(directory, 'disk'), { recursive: true });
    const mount = `mount -t tmpfs -o size=${size} none "$0/disk" && ${script} exec "$@"`;
    return { before: ['unshare', '--mount', '--', 'sh', '-c', mount, directory] };
  }
  const onDisk = (): string[] => [...kept().slice(0, 5), '--data-dir', join(directory, 'disk/data')];

  withRoot.each([
    ['before the data directory is claimed', '4k', 'head -c 4096 /dev/zero > "$0/disk/x"; mkdir "$0/disk/data";'],
    ['at the certificates', '64k', ''],
    ['at the first objects', '256k', ''],
  ])(
    '%s is told in one line that names the place, and nothing runs on',
    async (_, size, script) => {
      const outcome = await k3s(onDisk(), await onSmallDisk(size, script));
      expect(outcome.code).toBe(1);
      expect(errorLines(outcome).filter(line => line.startsWith('error: '))).toEqual([
        expect.stringMatching(/ \S+disk\/data\/\S+ .*no space left.*\(free space on (that|the) disk .*\)$/),
      ]);
      // Beside it there may be warnings of what came before the first thing that cannot be done without: of the same disk, all of them.
      for (const line of complaints(outcome)) expect(line).toMatch(/no space left|ENOSPC|the datastore is full/);
    },
    30_000,
  );

  withRoot('where the kubeconfig goes is told by the name of that file', async () => {
    const small = await onSmallDisk('4k', 'head -c 4096 /dev/zero > "$0/disk/x";');
    const outcome = await k3s(['server', '--preset', 'sandbox', '--write-kubeconfig', join(directory, 'disk/k3s.yaml')], small);
    expect(outcome.code).toBe(1);
    expect(complaints(outcome)).toEqual([
      expect.stringMatching(
        /^error: apiserver failed to start: \S+disk\/k3s\.yaml cannot be written: ENOSPC.*\(free space on that disk and start again; what was stored is untouched\)$/,
      ),
    ]);
  });

  withRoot(
    'harms nothing that is stored: with room again the same data starts',
    async () => {
      await mkdir(join(directory, 'disk'));
      // One start that is stopped, one on a full disk, one with room again.
      const full = `mount -t tmpfs -o size=8m none "$0/disk" && cd "$0"
        "$@" > first 2>&1 & server=$!
        until grep -q 'metrics-server is ready' first; do kill -0 $server || exit 8; sleep 0.1; done
        kill $server; wait $server || exit 8
        head -c 20000000 /dev/zero > disk/x
        "$@" > second 2>&1 && exit 9
        rm disk/x
        exec "$@"`;
      const before = ['unshare', '--mount', '--', 'sh', '-c', full, directory];
      const outcome = await startAndStop(onDisk(), { before });
      expect(await readFile(join(directory, 'second'), 'utf8')).toMatch(/^error: .*(ENOSPC|no space left)/m);
      expect(outcome).toMatchObject({ code: 0 });
    },
    60_000,
  );
});

describe('a node whose machine lacks something', () => {
  let bin: string;
  beforeEach(async () => {
    bin = join(directory, 'bin');
    await mkdir(bin);
  });

  /** A real node, in a network of its own; it must not come so far as to make anything in it. */
  const node = (...more: string[]): string[] => [
    'server',
    ...['--data-dir', join(directory, 'data'), '--write-kubeconfig', join(directory, 'k3s.yaml'), '--node-ip', '192.0.2.10'],
    ...more,
  ];
  const inOwnNetwork = ['unshare', '--net', '--mount', '--'];

  async function refused(outcome: Outcome): Promise<void> {
    expect(outcome.code).toBe(1);
    expect(errorLines(outcome)).toHaveLength(1);
    // Nothing began: no store, no runtime.
    expect((await stat(join(directory, 'data/agent/containerd')).catch(() => undefined))?.isDirectory()).toBe(undefined);
  }

  withRoot('refuses without containerd on PATH', async () => {
    // Debian's folders are looked at beside PATH; what is there is hidden. A file of a device cannot be run.
    const hide = `for folder in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin; do
      [ -e $folder/containerd ] && mount --bind /dev/null $folder/containerd; done; exec "$@"`;
    const outcome = await k3s(node('--containerd-binaries', 'path'), { before: [...inOwnNetwork, 'sh', '-c', hide, 'sh'] });
    await refused(outcome);
    expect(errorLines(outcome)[0]).toBe(
      'error: containerd failed to init: containerd is not on PATH (install containerd and runc, or leave out --containerd-binaries to use private copies of the Debian packages)',
    );
  });

  withRoot('refuses without the packages that the setup fetches', async () => {
    const outcome = await k3s(node(), { before: inOwnNetwork, environment: { XDG_CACHE_HOME: join(directory, 'empty') } });
    await refused(outcome);
    expect(errorLines(outcome)[0]).toBe(
      'error: containerd failed to init: the packages containerd, runc, containernetworking-plugins were not fetched (run "node scripts/runtime/fetch.mjs" in the k3s directory, or start with --containerd-binaries path to use those on PATH)',
    );
  });

  withRoot('refuses a kernel without overlay', async () => {
    await writeFile(join(directory, 'filesystems'), 'nodev\ttmpfs\n\text4\n');
    await writeFile(join(bin, 'modprobe'), '#!/bin/sh\nexit 1\n');
    await chmod(join(bin, 'modprobe'), 0o755);
    const hide = `mount --bind ${join(directory, 'filesystems')} /proc/filesystems; exec "$@"`;
    const outcome = await k3s(node(), {
      before: [...inOwnNetwork, 'sh', '-c', hide, 'sh'],
      environment: { PATH: `${bin}:${process.env['PATH']}` },
    });
    await refused(outcome);
    expect(errorLines(outcome)[0]).toBe(
      'error: containerd failed to init: this kernel has no overlay file system (load the module "overlay", or start with --snapshotter native)',
    );
  });

  withRoot('refuses without nft', async () => {
    const { stdout } = await run('sh', ['-c', 'command -v nft']);
    const hide = `mount --bind /dev/null ${stdout.trim()}; exec "$@"`;
    const before = [...inOwnNetwork, 'sh', '-c', hide, 'sh'];
    const outcome = await k3s(node('--slot', 'container-runtime=simulated'), { before });
    await refused(outcome);
    expect(errorLines(outcome)[0]).toBe(
      'error: flannel failed to init: the program nft is not on this machine (install the package nftables (apt-get install nftables))',
    );
  });
});
