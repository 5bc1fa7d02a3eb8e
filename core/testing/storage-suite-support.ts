import assert from 'node:assert/strict';
import { lstat, mkdir, mkdtemp, readFile, rm, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { errorCode, isStatusError, Resources } from '../plugin-api/index.js';
import type {
  Client,
  Event,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeSpec,
  Pod,
  ResourceClient,
  StorageClass,
} from '../plugin-api/index.js';
import { until } from './until.js';

/** A running cluster with a node and the plugin under test as its only storage. */
export interface StorageUnderTest {
  /** Of the cluster's administrator. */
  readonly client: Client;
  /** A StorageClass of the plugin. Absent: the default class, else the only one. */
  readonly className?: string;
  /** The data of a volume, where that is not a folder of this machine. Absent: such data is not looked at. */
  readonly dataOf?: (volume: PersistentVolume) => VolumeData;
  /** Stops the plugin, calls `whileAway`, and resolves when it runs again. */
  restart(whileAway?: () => Promise<void>): Promise<void>;
  dispose(): Promise<void>;
}

/** One text in a volume. */
export interface VolumeData {
  write(text: string): Promise<void>;
  /** Undefined: there is none. */
  read(): Promise<string | undefined>;
  /** Removes everything, behind the plugin's back. */
  lose(): Promise<void>;
}

export const foreignProvisioner = 'suite.example.com/other';

const defaultClassAnnotation = 'storageclass.kubernetes.io/is-default-class';
const provisionedByAnnotation = 'pv.kubernetes.io/provisioned-by';
/** Writes events about claims, too. */
const coreComponent = 'persistentvolume-controller';

/** What the cases are written in. */
export class StorageBench {
  readonly subject: StorageUnderTest;
  readonly claims: ResourceClient<PersistentVolumeClaim>;
  readonly volumes: ResourceClient<PersistentVolume>;
  readonly #pods: ResourceClient<Pod>;
  readonly #classes: ResourceClient<StorageClass>;
  readonly #patienceMs: number;
  #storageClass: StorageClass | undefined;
  #made = 0;

  constructor(subject: StorageUnderTest, patienceMs: number) {
    this.subject = subject;
    this.#patienceMs = patienceMs;
    const { client } = subject;
    this.claims = client.resource(Resources.PersistentVolumeClaims, 'default');
    this.volumes = client.resource(Resources.PersistentVolumes);
    this.#pods = client.resource(Resources.Pods, 'default');
    this.#classes = client.resource(Resources.StorageClasses);
  }

  get storageClass(): StorageClass {
    return this.#storageClass!;
  }

  get className(): string {
    return this.storageClass.metadata.name!;
  }

  /** Finds the class, and waits for the node, on which pods are to run. */
  async begin(): Promise<void> {
    const { className } = this.subject;
    this.#storageClass = await this.until(`the StorageClass ${className ?? 'of the plugin'}`, async () => {
      const found = await this.#classes.objects();
      const isDefault = ({ metadata }: StorageClass): boolean => metadata.annotations?.[defaultClassAnnotation] === 'true';
      if (className !== undefined) return found.find(({ metadata }) => metadata.name === className);
      assert.ok(found.filter(isDefault).length <= 1, 'more than one StorageClass is the default one');
      return found.find(isDefault) ?? (found.length === 1 ? found[0] : undefined);
    });
    await this.until('a node', async () => (await this.subject.client.resource(Resources.Nodes).objects()).length > 0);
  }

  until<T>(waitedFor: string, ask: () => Promise<T | undefined | false>): Promise<T> {
    return until(waitedFor, ask, this.#patienceMs);
  }

  /** Another class of the plugin, like its own except for the changes. Its name. */
  async copyClass(changes: Partial<StorageClass> = {}): Promise<string> {
    const { metadata, ...rest } = this.storageClass;
    const name = `suite-${++this.#made}`;
    const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => key !== defaultClassAnnotation);
    const copied = { name, annotations: Object.fromEntries(annotations) };
    await this.#classes.create({ ...rest, ...changes, metadata: copied } as StorageClass);
    return name;
  }

  claim(name: string, spec: Partial<PersistentVolumeClaimSpec> = {}): Promise<PersistentVolumeClaim> {
    const usual = {
      storageClassName: this.className,
      accessModes: ['ReadWriteOnce'],
      resources: { requests: { storage: '1Mi' } },
    };
    const claim = { metadata: { name }, spec: { ...usual, ...spec } };
    return this.claims.create(claim as unknown as PersistentVolumeClaim);
  }

  /** A pod with the claim, of the same name. */
  async use(claimName: string, as: 'folder' | 'device' = 'folder'): Promise<void> {
    const mount =
      as === 'folder'
        ? { volumeMounts: [{ name: 'data', mountPath: '/data' }] }
        : { volumeDevices: [{ name: 'data', devicePath: '/dev/data' }] };
    const spec = {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', image: 'suite.example.com/image', ...mount }],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName } }],
    };
    await this.#pods.create({ metadata: { name: claimName }, spec } as unknown as Pod);
  }

  async stopUsing(claimName: string): Promise<void> {
    await this.#pods.delete(claimName, { gracePeriodSeconds: 0 }).catch(ignoreMissing);
    await this.until(`the end of pod ${claimName}`, () => isGone(this.#pods, claimName));
  }

  async running(claimName: string): Promise<void> {
    await this.until(`pod ${claimName} that runs`, async () => (await this.#pods.get(claimName)).status?.phase === 'Running');
  }

  bound(name: string): Promise<{ claim: PersistentVolumeClaim; volume: PersistentVolume }> {
    return this.until(`a volume for the claim ${name}`, async () => {
      const claim = await this.claims.get(name);
      if (claim.status?.phase !== 'Bound') return undefined;
      return { claim, volume: await this.volumes.get(claim.spec.volumeName!) };
    });
  }

  /** A claim, its pod, and the volume that it gets. */
  async serve(
    name: string,
    spec: Partial<PersistentVolumeClaimSpec> = {},
  ): Promise<{ claim: PersistentVolumeClaim; volume: PersistentVolume }> {
    await this.claim(name, spec);
    await this.use(name);
    return this.bound(name);
  }

  /** Waits for a volume, or for a Warning event of the plugin. */
  outcome(name: string): Promise<PersistentVolume | 'refused'> {
    return this.until(`a volume for ${name}, or an event that says why there is none`, async () => {
      const claim = await this.claims.get(name);
      if (claim.status?.phase === 'Bound') return this.volumes.get(claim.spec.volumeName!);
      return (await this.warnings(name)).length > 0 && 'refused';
    });
  }

  /** Messages of the plugin's Warning events about a claim. */
  async warnings(claimName: string): Promise<string[]> {
    const events = await this.subject.client.resource(Resources.Events, 'default').objects();
    return events.filter(event => isWarningAbout(event, claimName)).map(({ message = '' }) => message);
  }

  /** Removes a claim and its pod. */
  async remove(name: string): Promise<void> {
    await this.stopUsing(name);
    await this.claims.delete(name);
    await this.until(`the end of claim ${name}`, () => isGone(this.claims, name));
  }

  /** Claims that came later were served: what came before was seen. */
  async barrier(): Promise<void> {
    for (let round = 0; round < 2; round++) await this.serve(`barrier-${++this.#made}`);
  }

  async deletionBarrier(): Promise<void> {
    const storageClassName = await this.copyClass({ reclaimPolicy: 'Delete' });
    const name = `barrier-${++this.#made}`;
    const { volume } = await this.serve(name, { storageClassName });
    await this.remove(name);
    await this.gone(volume);
  }

  /** A volume that somebody wrote, not the plugin. `like`: what its annotations say of who made it. */
  async handmade(
    name: string,
    spec: Partial<PersistentVolumeSpec>,
    like?: string | PersistentVolume['metadata']['annotations'],
  ): Promise<void> {
    const annotations = typeof like === 'string' ? { [provisionedByAnnotation]: like } : like;
    const usual = {
      capacity: { storage: '1Mi' },
      accessModes: ['ReadWriteOnce'],
      storageClassName: this.className,
      persistentVolumeReclaimPolicy: 'Retain',
      hostPath: { path: '/suite-of-the-slot-storage' },
    };
    const volume = { metadata: { name, ...(annotations && { annotations }) }, spec: { ...usual, ...spec } };
    await this.volumes.create(volume as unknown as PersistentVolume);
  }

  /** `none`: there is no such volume. */
  async phase(volumeName: string): Promise<string> {
    const volume = await this.volumes.get(volumeName).catch(ignoreMissing);
    return volume ? (volume.status?.phase ?? 'Pending') : 'none';
  }

  /** Names of the volumes that are there for a claim. */
  async volumesOf(claimName: string): Promise<string[]> {
    const found = (await this.volumes.objects()).filter(({ spec }) => spec.claimRef?.name === claimName);
    return found.map(({ metadata }) => metadata.name!);
  }

  async gone({ metadata: { name } }: PersistentVolume): Promise<void> {
    await this.until(`the end of volume ${name}`, () => isGone(this.volumes, name!));
  }

  /** What the volume's own policy asks for has happened. */
  async reclaimed(volume: PersistentVolume): Promise<void> {
    if (volume.spec.persistentVolumeReclaimPolicy === 'Delete') return this.gone(volume);
    await this.until('the release', async () => (await this.phase(volume.metadata.name!)) === 'Released');
  }

  reaches(volume: PersistentVolume): boolean {
    return this.#data(volume) !== undefined;
  }

  async write(volume: PersistentVolume, text: string): Promise<void> {
    try {
      await this.#data(volume)?.write(text);
    } catch (error) {
      assert.fail(`nothing can be written to volume ${volume.metadata.name}: ${String(error)}`);
    }
  }

  async read(volume: PersistentVolume): Promise<string | undefined> {
    return this.#data(volume)?.read();
  }

  async loseData(volume: PersistentVolume): Promise<void> {
    await this.#data(volume)?.lose();
  }

  #data(volume: PersistentVolume): VolumeData | undefined {
    return this.subject.dataOf ? this.subject.dataOf(volume) : folderData(volume);
  }

  /** Where the plugin could have made a volume, but has not. */
  besides(volume: PersistentVolume): string {
    const path = folderOf(volume);
    return path === undefined ? '/suite-of-the-slot-storage' : join(dirname(path), 'suite-of-the-slot-storage');
  }

  /** A folder of somebody else. */
  async foreignFolder(): Promise<{ path: string; isWhole(): Promise<boolean>; dispose(): Promise<void> }> {
    const path = await mkdtemp(join(tmpdir(), 'k3s-test-foreign-'));
    const file = join(path, 'file');
    await writeFile(file, 'of somebody else');
    return {
      path,
      isWhole: () =>
        lstat(file).then(
          () => true,
          () => false,
        ),
      dispose: () => rm(path, { recursive: true, force: true }),
    };
  }
}

function isWarningAbout({ type, message, involvedObject, source }: Event, claimName: string): boolean {
  const { kind, name } = involvedObject;
  const isAbout = kind === 'PersistentVolumeClaim' && name === claimName;
  return isAbout && type === 'Warning' && Boolean(message) && source?.component !== coreComponent;
}

function folderOf({ spec }: PersistentVolume): string | undefined {
  return spec.local?.path ?? spec.hostPath?.path;
}

/** The data of a volume that is a folder of this machine. */
function folderData(volume: PersistentVolume): VolumeData | undefined {
  const path = folderOf(volume);
  if (path === undefined) return undefined;
  const file = join(path, 'suite.txt');
  return {
    async write(text) {
      // The kubelet would make it.
      if (volume.spec.hostPath?.type === 'DirectoryOrCreate') await mkdir(path, { recursive: true });
      await writeFile(file, text);
    },
    read: () => readFile(file, 'utf8').catch(ignoreMissing),
    async lose() {
      await rm(file, { force: true });
      // Never more than what is empty: the path is the word of a plugin that may be wrong.
      await rmdir(path).catch(ignoreMissing);
    },
  };
}

async function isGone(objects: ResourceClient<unknown>, name: string): Promise<boolean> {
  try {
    await objects.get(name);
    return false;
  } catch (error) {
    ignoreMissing(error);
    return true;
  }
}

function ignoreMissing(error: unknown): undefined {
  if (errorCode(error) === 'ENOENT' || isStatusError(error, 'NotFound')) return undefined;
  throw error;
}
