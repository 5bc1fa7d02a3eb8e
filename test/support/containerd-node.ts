import { execFile } from 'node:child_process';
import { existsSync, readdirSync, rmdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SystemClock } from '../../core/base/clock.js';
import { SinkLogger, formatRecord } from '../../core/base/logger.js';
import type { LogRecord } from '../../core/base/logger.js';
import { makeClusterPaths } from '../../core/cluster/paths.js';
import type { ClusterPaths } from '../../core/contracts/cluster-paths.js';
import { readDebianPackages } from '../../core/host/debian-packages.js';
import type { RuntimeUnderTest } from '../../core/testing/container-runtime-suite.js';
import { cniBinaryDirectory } from '../../plugins/container-runtime/containerd/binaries.js';
import { ContainerdPart } from '../../plugins/container-runtime/containerd/containerd-part.js';
import { shimSocket } from '../../plugins/container-runtime/containerd/sweep.js';
import { boxArchive } from './box-image.js';

const run = promisify(execFile);

/** All that containerd tests make carries this in its name. */
export const testMark = 'k3s-ct';
export const boxReference = 'k3s.local/box:1';

/** Folder of another containerd than Debian 12's, with its shim, `ctr` and runc; the suites run on that one then. */
const ownBinaries = process.env['K3S_TEST_CONTAINERD'];
if (ownBinaries) process.env['PATH'] = `${ownBinaries}:${process.env['PATH']}`;

function fetchedCniPlugins(): string {
  return join(readDebianPackages()?.root('containernetworking-plugins') ?? '/', 'usr/lib/cni');
}

/** Makes a network namespace that is ready for pods, for `nsenter`. */
export async function addNamespace(name: string): Promise<void> {
  await run('ip', ['netns', 'add', name]);
  await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  // Not `ip netns exec`: that would mount another /sys.
  await run('nsenter', [`--net=/run/netns/${name}`, 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
}

export async function removeNamespace(name: string): Promise<void> {
  if (existsSync(`/run/netns/${name}`)) await run('ip', ['netns', 'del', name]);
}

/** Directories of ours that are left in the cgroup trees, deepest first. */
export function removeCgroups(name: string): void {
  for (const root of ['', ...readdirSync('/sys/fs/cgroup')]) {
    const folder = join('/sys/fs/cgroup', root, name);
    if (existsSync(folder)) removeEmpty(folder);
  }
}

function removeEmpty(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true }))
    if (entry.isDirectory()) removeEmpty(join(folder, entry.name));
  rmdirSync(folder);
}

/** A containerd of our own with a pod network, everything below one folder. Runs in the network namespace of this process. */
export class ContainerdNode {
  readonly directory: string;
  readonly #mark: string;
  readonly paths: ClusterPaths;
  readonly clock = new SystemClock();
  readonly records: LogRecord[] = [];
  /** Every sandbox that ever was. */
  readonly #sandboxes = new Set<string>();
  part: ContainerdPart;

  /** `mark`: what the cgroups of its pods lie in. */
  constructor(directory: string, mark = testMark) {
    this.directory = directory;
    this.#mark = mark;
    const all = makeClusterPaths({
      dataDir: join(directory, 'data'),
      registriesFile: join(directory, 'registries.yaml'),
      ownsHost: true,
      homeDir: directory,
    });
    this.paths = { ...all, runDir: join(directory, 'run') };
    this.part = this.newPart();
  }

  newPart(): ContainerdPart {
    const part = new ContainerdPart({
      paths: this.paths,
      options: {
        binaries: ownBinaries ? 'path' : 'private',
        endpoint: '',
        imageEndpoint: '',
        pauseImage: '',
        snapshotter: 'overlayfs',
        logLimitMegabytes: 50,
      },
      cni: {
        configurationDirectory: join(this.directory, 'cni'),
        binaryDirectories: [ownBinaries ? fetchedCniPlugins() : cniBinaryDirectory(this.paths.binDir)],
      },
      clock: this.clock,
      logger: new SinkLogger(record => {
        this.records.push(record);
        process.stderr.write(`${formatRecord(record)}\n`);
      }, 'debug'),
    });
    part.runtime.watch({
      event: ({ kind, id }) => void (kind === 'sandbox' && this.#sandboxes.add(id)),
      lost: () => undefined,
    });
    return part;
  }

  async start(): Promise<void> {
    await mkdir(join(this.directory, 'cni'), { recursive: true });
    const ipam = {
      type: 'host-local',
      subnet: '10.77.0.0/24',
      dataDir: join(this.directory, 'ipam'),
      routes: [{ dst: '0.0.0.0/0' }],
    };
    const network = { cniVersion: '0.4.0', name: 'suite', plugins: [{ type: 'ptp', ipam }] };
    await writeFile(join(this.directory, 'cni', '10-suite.conflist'), JSON.stringify(network));
    await startPart(this.part);
    const archive = join(this.directory, 'box.tar');
    await writeFile(archive, await boxArchive({ reference: boxReference, layout: 'docker' }));
    await this.part.runtime.importImages(archive);
  }

  /** A stop and a next start of the server. */
  async restart(): Promise<void> {
    await this.part.stop();
    this.part = this.newPart();
    await startPart(this.part);
  }

  get subject(): RuntimeUnderTest {
    return {
      runtime: this.part.runtime,
      image: boxReference,
      logDirectory: join(this.directory, 'logs'),
      cgroupRoot: `/${this.#mark}/burstable`,
      restart: async () => {
        await this.restart();
        return this.part.runtime;
      },
    };
  }

  /** Ends containerd and all that it runs. */
  async remove(): Promise<void> {
    await this.part.removeAll(AbortSignal.timeout(30_000));
    const sockets = [...this.#sandboxes].map(id => shimSocket(this.part.socket, id)).filter(file => existsSync(file));
    removeCgroups(this.#mark);
    if (sockets.length > 0) throw new Error(`sockets of shims are left: ${sockets.join(' ')}`);
  }
}

/** The kernel's part in a part's life. */
export async function startPart(part: ContainerdPart): Promise<void> {
  await part.init();
  await part.start(AbortSignal.timeout(60_000));
  await part.ready();
}
