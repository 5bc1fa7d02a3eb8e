import { join } from 'node:path';
import {
  ApiEventRecorder,
  ApiTransport,
  Client,
  Clock,
  ClusterPaths,
  errorText,
  inject,
  injectable,
  isStatusError,
  Logger,
  PluginOptions,
  Resources,
  serviceAccountIdentity,
  SharedInformer,
  WorkQueue,
} from 'k3s-ts/plugin';
import type { Informer, Part, PersistentVolume, PersistentVolumeClaim, ResourceReference, StorageClass } from 'k3s-ts/plugin';
import { account, provisioner } from './manifests.js';
import { SharedFolder } from './shared-folder.js';

const provisionedBy = 'pv.kubernetes.io/provisioned-by';

/** Makes a volume for each claim that asks for one, and removes it when it is released. */
@injectable()
export class TemplateStorage implements Part {
  readonly #client: Client;
  readonly #folder: SharedFolder;
  #run: Run | undefined;

  constructor(
    @inject(ApiTransport) transport: ApiTransport,
    @inject(Clock) private readonly clock: Clock,
    @inject(Logger) private readonly logger: Logger,
    @inject(ClusterPaths) paths: ClusterPaths,
    @inject(PluginOptions) options: { readonly path: string },
  ) {
    this.#client = new Client(transport, serviceAccountIdentity(account.namespace, account.name), account.name);
    this.#folder = new SharedFolder(options.path || join(paths.dataDir, 'template-storage'));
  }

  async start(signal: AbortSignal): Promise<void> {
    await this.stop();
    this.#run = new Run(this.#client, this.clock, this.logger, this.#folder);
    await this.#run.start(signal);
  }

  async stop(): Promise<void> {
    await this.#run?.stop();
    this.#run = undefined;
  }
}

/** From one start to its stop. Keeps nothing: the API says what there is. */
class Run {
  readonly #client: Client;
  readonly #logger: Logger;
  readonly #folder: SharedFolder;
  readonly #claims: SharedInformer<PersistentVolumeClaim>;
  readonly #volumes: SharedInformer<PersistentVolume>;
  readonly #classes: SharedInformer<StorageClass>;
  readonly #events: ApiEventRecorder;
  /** `claim/NAMESPACE/NAME` and `volume//NAME`. */
  readonly #queue: WorkQueue<string>;
  #working: Promise<void> | undefined;

  constructor(client: Client, clock: Clock, logger: Logger, folder: SharedFolder) {
    this.#client = client;
    this.#logger = logger;
    this.#folder = folder;
    const informer = <T>(resource: ResourceReference<T>): SharedInformer<T> =>
      new SharedInformer({ client, clock, logger, resource });
    this.#claims = informer(Resources.PersistentVolumeClaims);
    this.#volumes = informer(Resources.PersistentVolumes);
    this.#classes = informer(Resources.StorageClasses);
    this.#events = new ApiEventRecorder({ client, clock, logger, component: provisioner });
    this.#queue = new WorkQueue({ clock });
  }

  async start(signal: AbortSignal): Promise<void> {
    this.#enqueue('claim', this.#claims);
    this.#enqueue('volume', this.#volumes);
    const all = [this.#claims, this.#volumes, this.#classes];
    for (const each of all) each.start();
    await Promise.all(all.map(each => each.whenSynced(signal)));
    this.#working = this.#work();
  }

  async stop(): Promise<void> {
    await Promise.all([this.#claims, this.#volumes, this.#classes].map(each => each.stop()));
    await this.#queue.shutDown();
    await this.#working;
    await this.#events.stop();
  }

  #enqueue(kind: 'claim' | 'volume', informer: Informer<unknown>): void {
    const add = ({ namespace, name }: { namespace: string; name: string }): void =>
      this.#queue.add(`${kind}/${namespace}/${name}`);
    informer.addHandler({ added: add, updated: (_before, entry) => add(entry) });
  }

  async #work(): Promise<void> {
    for (let key = await this.#queue.take(); key !== undefined; key = await this.#queue.take()) {
      try {
        await this.#sync(key);
        this.#queue.forget(key);
      } catch (error) {
        this.#logger.warn('a volume could not be served, trying again', { key, error: errorText(error) });
        this.#queue.addRateLimited(key);
      } finally {
        this.#queue.done(key);
      }
    }
  }

  async #sync(key: string): Promise<void> {
    const [kind, namespace = '', name = ''] = key.split('/');
    if (kind === 'claim') {
      const claim = this.#claims.get(namespace, name);
      if (claim) await this.#provision(claim);
    } else {
      const volume = this.#volumes.get('', name);
      if (volume && isReleased(volume)) await this.#delete(volume);
    }
  }

  async #provision(claim: PersistentVolumeClaim): Promise<void> {
    const { annotations = {}, deletionTimestamp, uid } = claim.metadata;
    // The core asks by this annotation, with WaitForFirstConsumer not before a pod needs the claim.
    if (annotations['volume.kubernetes.io/storage-provisioner'] !== provisioner) return;
    if (claim.spec.volumeName || deletionTimestamp) return;
    const storageClass = this.#classes.get('', claim.spec.storageClassName ?? '');
    if (storageClass?.provisioner !== provisioner) return;
    // The same name each time, so that there are never two for a claim.
    const volumeName = `pvc-${uid}`;
    if (this.#volumes.get('', volumeName)) return;
    const refusal = refusalOf(claim, storageClass);
    if (refusal !== undefined) {
      // Not tried again: neither the claim's specification nor the class's parameters can change.
      this.#events.event(claim, 'Warning', 'ProvisioningFailed', refusal);
      return;
    }
    try {
      await this.#folder.make(volumeName);
      await this.#client.resource(Resources.PersistentVolumes).create(this.#volumeOf(claim, storageClass, volumeName));
    } catch (error) {
      if (isStatusError(error, 'AlreadyExists')) return;
      this.#events.event(claim, 'Warning', 'ProvisioningFailed', errorText(error));
      throw error;
    }
    this.#events.event(claim, 'Normal', 'ProvisioningSucceeded', `made volume ${volumeName}`);
  }

  #volumeOf(claim: PersistentVolumeClaim, storageClass: StorageClass, name: string): PersistentVolume {
    const { namespace, name: claimName, uid } = claim.metadata;
    const spec = {
      capacity: { storage: claim.spec.resources?.requests?.['storage'] },
      accessModes: claim.spec.accessModes,
      volumeMode: 'Filesystem',
      storageClassName: storageClass.metadata.name,
      persistentVolumeReclaimPolicy: storageClass.reclaimPolicy,
      mountOptions: storageClass.mountOptions,
      // For this claim and no other.
      claimRef: { apiVersion: 'v1', kind: 'PersistentVolumeClaim', namespace, name: claimName, uid },
      // No node affinity: every node reaches it.
      hostPath: { path: this.#folder.pathOf(name), type: 'Directory' },
    };
    const metadata = { name, annotations: { [provisionedBy]: provisioner } };
    return { apiVersion: 'v1', kind: 'PersistentVolume', metadata, spec } as unknown as PersistentVolume;
  }

  async #delete(volume: PersistentVolume): Promise<void> {
    const { name, uid } = volume.metadata;
    // Who may write volumes may write anything into them: only what we made goes, from where we made it.
    const made = `pvc-${volume.spec.claimRef?.uid}`;
    if (name !== made || volume.spec.hostPath?.path !== this.#folder.pathOf(made)) {
      this.#events.event(volume, 'Warning', 'VolumeFailedDelete', 'it is not as it was made, so nothing is removed');
      return;
    }
    try {
      await this.#folder.remove(name!);
      await this.#client.resource(Resources.PersistentVolumes).delete(name!, { preconditions: { uid: uid! } });
    } catch (error) {
      if (isStatusError(error, 'NotFound')) return;
      this.#events.event(volume, 'Warning', 'VolumeFailedDelete', errorText(error));
      throw error;
    }
  }
}

/** Says why a claim is not served; undefined: it is. */
function refusalOf({ spec }: PersistentVolumeClaim, { parameters = {} }: StorageClass): string | undefined {
  const [parameter] = Object.keys(parameters);
  if (parameter !== undefined) return `the StorageClass has the unknown parameter "${parameter}"`;
  if (spec.volumeMode === 'Block') return 'a shared folder is no block device';
  if (spec.selector) return 'new volumes have no labels to select them by';
  return undefined;
}

/** Its claim is gone, and we are to delete it. */
function isReleased({ metadata, spec, status }: PersistentVolume): boolean {
  const isOurs = metadata.annotations?.[provisionedBy] === provisioner && !metadata.deletionTimestamp;
  return isOurs && status?.phase === 'Released' && spec.persistentVolumeReclaimPolicy === 'Delete';
}
