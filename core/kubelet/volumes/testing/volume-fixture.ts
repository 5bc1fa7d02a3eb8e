import { chmod, link, lstat, mkdir, mkdtemp, readFile, readdir, realpath, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../../base/fake-clock.js';
import { silentLogger } from '../../../base/logger.js';
import type { ResourceReference } from '../../../api/resource-reference.js';
import type { Container, Pod, PodSpec, TokenRequest, Volume, VolumeMount } from '../../../api/generated/types.js';
import { Client } from '../../../client/client.js';
import { FakeRecorder } from '../../../client/testing/fake-recorder.js';
import { FakeTransport } from '../../../client/testing/fake-transport.js';
import type { WriteRequest } from '../../../contracts/api-transport.js';
import type { ContainerRuntime } from '../../../contracts/container-runtime.js';
import type { CommandRequest, CommandResult, Commands } from '../../../host/commands.js';
import type { KubeletContext } from '../../kubelet-context.js';
import { HostVolumeManager } from '../host-volume-manager.js';
import { ReferencedObjects } from '../referenced-objects.js';

/** Mounts that only this process knows of: a file that is bound is linked, anything else stays what it was. */
export class FakeMounts implements Commands {
  readonly lines: string[] = [];
  readonly points: string[] = [];

  async run({ command, arguments: words }: CommandRequest): Promise<CommandResult> {
    const target = words.at(-1)!;
    this.lines.push([command, ...words].join(' ').replace(/\/proc\/\d+\/fd\/\d+/, 'FD'));
    if (command === 'umount') this.points.splice(this.points.indexOf(target), 1);
    else {
      this.points.push(target);
      if (words.includes('tmpfs')) await chmod(target, 0o1777);
      if (words.includes('--bind')) await this.#bind(words.at(-2)!, target);
    }
    return { exitCode: 0, stdout: '', stderr: '' };
  }

  readonly below = async (directory: string): Promise<string[]> =>
    this.points.filter(point => point === directory || point.startsWith(`${directory}/`));

  async #bind(source: string, target: string): Promise<void> {
    if ((await stat(source)).isDirectory()) return;
    await unlink(target);
    await link(await realpath(source), target);
  }
}

/** An API that gives out numbered tokens. */
class TokenTransport extends FakeTransport {
  readonly requests: TokenRequest[] = [];
  readonly #clock: FakeClock;

  constructor(clock: FakeClock) {
    super(clock);
    this.#clock = clock;
  }

  override async create<T>(request: WriteRequest<T>): Promise<T> {
    if (request.subresource !== 'token') return super.create(request);
    for (const reactor of this.reactors) reactor({ verb: 'create', subresource: 'token' } as never);
    const asked = request.object as unknown as TokenRequest;
    this.requests.push(asked);
    const expirationTimestamp = new Date(this.#clock.now() + asked.spec.expirationSeconds! * 1000).toISOString();
    return { ...asked, status: { token: `token-${this.requests.length}`, expirationTimestamp } } as T;
  }
}

/** A volume manager in a directory of its own, on an API in memory, in time that only the test moves. */
export class VolumeFixture {
  readonly clock = new FakeClock();
  readonly transport = new TokenTransport(this.clock);
  readonly client = new Client(this.transport, { name: 'admin', groups: ['system:masters'] });
  readonly recorder = new FakeRecorder();
  readonly mounts = new FakeMounts();
  /** `mountImage` and `unmountImage`: an image's only file says its id. */
  readonly runtime: Partial<Pick<ContainerRuntime, 'mountImage' | 'unmountImage'>> = {
    mountImage: async (id, directory) => {
      await mkdir(join(directory, 'etc'), { recursive: true });
      await writeFile(join(directory, 'etc', 'id'), id);
    },
    unmountImage: directory => rm(directory, { recursive: true }),
  };
  readonly woken: string[] = [];
  readonly directory: string;
  manager: HostVolumeManager;

  private constructor(directory: string) {
    this.directory = directory;
    this.manager = this.newManager();
  }

  static async create(): Promise<VolumeFixture> {
    return new VolumeFixture(await realpath(await mkdtemp(join(tmpdir(), 'k3s-volumes-'))));
  }

  /** As after a restart of the kubelet. */
  newManager(): HostVolumeManager {
    const context = {
      settings: { rootDir: join(this.directory, 'kubelet'), clusterDomain: 'cluster.example' },
      client: this.client,
      runtime: this.runtime,
      recorder: this.recorder,
      clock: this.clock,
      logger: silentLogger,
    } as unknown as KubeletContext;
    return new HostVolumeManager({
      context,
      objects: new ReferencedObjects(context, uid => this.woken.push(uid)),
      commands: this.mounts,
      mountPoints: this.mounts.below,
      downward: pod => ({ pod, podIps: ['10.42.0.7'], hostIps: ['192.0.2.10'], allocatable: { cpu: '4', memory: '1Gi' } }),
      wake: uid => this.woken.push(uid),
    });
  }

  async dispose(): Promise<void> {
    await this.manager.stop();
    await rm(this.directory, { recursive: true, force: true });
  }

  async add<T>(resource: ResourceReference<T>, name: string, fields: object): Promise<void> {
    const { group, version, kind, namespaced } = resource;
    const metadata = { name, ...(namespaced ? { namespace: 'default' } : {}) };
    const object = { apiVersion: group ? `${group}/${version}` : version, kind, metadata, ...fields } as T;
    await this.client.resource(resource, namespaced ? 'default' : undefined).create(object);
  }

  /** Where a volume of a pod lies for the container that mounts it, with the rest of the mount. */
  async mounted(pod: Pod, environment: Record<string, string> = {}) {
    await this.manager.mount(pod);
    return (await this.manager.mountsFor(pod, pod.spec.containers[0]!, new Map(Object.entries(environment))))[0]!;
  }
}

/** A pod whose only container mounts the volume. */
export function podWith(
  volume: Omit<Volume, 'name'>,
  { mount = {}, metadata = {}, ...spec }: Partial<PodSpec> & { mount?: Partial<VolumeMount>; metadata?: object } = {},
): Pod {
  const container = { name: 'main', image: 'i', volumeMounts: [{ name: 'v', mountPath: '/v', ...mount }] } as Container;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'default', uid: 'u1', ...metadata },
    spec: { volumes: [{ name: 'v', ...volume }], containers: [container], ...spec },
  } as Pod;
}

/** Every file of a volume as a container sees it: path, mode and content. */
export async function listing(directory: string, at = ''): Promise<string[]> {
  const lines: string[] = [];
  for (const name of (await readdir(join(directory, at))).sort()) {
    if (at === '' && name.startsWith('..')) continue;
    const path = join(at, name);
    const found = await stat(join(directory, path));
    const mode = (found.mode & 0o7777).toString(8);
    if (found.isDirectory()) lines.push(`${path}/ ${mode}`, ...(await listing(directory, path)));
    else lines.push(`${path} ${mode} ${await readFile(join(directory, path), 'utf8')}`);
  }
  return lines;
}

export async function modeOf(path: string): Promise<string> {
  return ((await lstat(path)).mode & 0o7777).toString(8);
}
