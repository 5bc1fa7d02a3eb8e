import { join } from 'node:path';
import {
  CodedError,
  DisposableStore,
  errorText,
  isStatusError,
  Quantity,
  Resources,
  WorkQueue,
} from '../../../core/plugin-api/index.js';
import type {
  Client,
  Clock,
  ConfigMap,
  EventRecorder,
  Informer,
  InformerFactory,
  InformerHandler,
  Logger,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  StorageClass,
} from '../../../core/plugin-api/index.js';
import {
  configMapName,
  configMapNamespace,
  hostnameLabel,
  projectAnnotation,
  provisionedByAnnotation,
  provisionerName,
  selectedNodeAnnotation,
  storageProvisionerAnnotations,
  volumeNodeAnnotation,
} from './local-path-names.js';
import { makeVolume, refuseClaim, volumeTypeOf } from './local-path-volume.js';
import { basePaths, choosePath, defaultPathConfig, parsePathConfig, settingsOf } from './path-config.js';
import type { PathConfig } from './path-config.js';
import { renderPathPattern } from './path-pattern.js';
import { projectNumber } from './project-quota.js';
import type { ProjectQuotas } from './project-quota.js';
import { makeVolumeDirectory, removeVolumeDirectory, unmakeVolumeDirectory } from './volume-directories.js';

export interface LocalPathProvisionerOptions {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly nodeName: string | undefined;
  readonly isServer: boolean;
  readonly storageDir: string;
  readonly quotas: ProjectQuotas;
  readonly random?: () => number;
}

/** Waits after failures: those of sig-storage-lib-external-provisioner. */
const backoff = { initialMs: 15_000, maximumMs: 1_000_000 };
const workers = 4;
const longestName = 255;
const knownParameters = ['nodePath', 'pathPattern', 'allowUnsafePathPattern'];

/**
 * Makes and removes the directories of this node's volumes, and the volumes themselves. Each node does its own: no helper pods.
 * Events are worded as sig-storage-lib-external-provisioner does. Source: rancher/local-path-provisioner.
 */
export class LocalPathProvisioner {
  readonly #options: LocalPathProvisionerOptions;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #volumes: Informer<PersistentVolume>;
  readonly #classes: Informer<StorageClass>;
  readonly #nodes: Informer<Node> | undefined;
  readonly #configs: Informer<ConfigMap>;
  readonly #queue: WorkQueue<string>;
  readonly #registrations = new DisposableStore();
  readonly #stopping = new AbortController();
  readonly #projects = new Set<number>();
  /** Reasons of the events that a claim gets once, by its uid. */
  readonly #told = new Map<string, Set<string>>();
  /** Claims whose volume was made: the informer may show it later than the claim's next change. */
  readonly #served = new Set<string>();
  #config: PathConfig;
  #running: Promise<void> | undefined;

  constructor(options: LocalPathProvisionerOptions) {
    this.#options = options;
    const { informers, clock, nodeName, storageDir } = options;
    this.#claims = informers.informer(Resources.PersistentVolumeClaims);
    this.#volumes = informers.informer(Resources.PersistentVolumes);
    this.#classes = informers.informer(Resources.StorageClasses);
    if (nodeName !== undefined) {
      this.#nodes = informers.informer(Resources.Nodes, { fieldSelector: `metadata.name=${nodeName}` });
    }
    const fieldSelector = `metadata.name=${configMapName}`;
    this.#configs = informers.informer(Resources.ConfigMaps, { namespace: configMapNamespace, fieldSelector });
    this.#queue = new WorkQueue({ clock, backoff });
    this.#config = defaultPathConfig(storageDir);
  }

  start(): void {
    const allClaims = (): void => {
      for (const entry of this.#claims.entries()) this.#queue.add(claimKey(entry.namespace, entry.name));
    };
    this.#on(this.#configs, {
      added: entry => this.#configure(entry.object, allClaims),
      updated: (_previous, entry) => this.#configure(entry.object, allClaims),
    });
    this.#on(this.#classes, { added: allClaims, updated: allClaims });
    this.#on(this.#claims, {
      added: entry => this.#queue.add(claimKey(entry.namespace, entry.name)),
      updated: (_previous, entry) => this.#queue.add(claimKey(entry.namespace, entry.name)),
      deleted: entry => {
        this.#told.delete(entry.uid);
        this.#served.delete(entry.uid);
      },
    });
    this.#on(this.#volumes, {
      added: entry => this.#queue.add(volumeKey(entry.name)),
      updated: (_previous, entry) => this.#queue.add(volumeKey(entry.name)),
    });
    this.#running = this.#run();
  }

  /** Whether all that is known by now is done; what waits for another try counts as done. */
  get idle(): boolean {
    return this.#queue.length + this.#queue.processing === 0;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#registrations.dispose();
    await this.#queue.shutDown();
    await this.#running;
  }

  #on<T>(informer: Informer<T>, handler: InformerHandler<T>): void {
    this.#registrations.add(informer.addHandler(handler));
  }

  async #run(): Promise<void> {
    const informers: Informer<unknown>[] = [this.#claims, this.#volumes, this.#classes, this.#configs];
    if (this.#nodes) informers.push(this.#nodes);
    try {
      await Promise.all(informers.map(informer => informer.whenSynced(this.#stopping.signal)));
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      throw error;
    }
    await Promise.all(Array.from({ length: workers }, () => this.#work()));
  }

  async #work(): Promise<void> {
    for (let key = await this.#queue.take(); key !== undefined; key = await this.#queue.take()) {
      try {
        await this.#sync(key);
        this.#queue.forget(key);
      } catch (error) {
        if (!this.#stopping.signal.aborted) {
          this.#options.logger.warn('a volume could not be served, trying again', { key, error });
          this.#queue.addRateLimited(key);
        }
      } finally {
        this.#queue.done(key);
      }
    }
  }

  async #sync(key: string): Promise<void> {
    const [kind, namespace = '', name = ''] = key.split('/');
    if (kind === 'claim') {
      const claim = this.#claims.get(namespace, name);
      if (claim) await this.#syncClaim(claim);
      return;
    }
    const volume = this.#volumes.get('', namespace);
    if (volume && this.#isMineToDelete(volume)) await this.#delete(volume);
  }

  #configure(object: ConfigMap, then: () => void): void {
    const text = object.data?.['config.json'];
    if (text === undefined) return;
    try {
      this.#config = parsePathConfig(text);
    } catch (error) {
      const message = `${configMapName}: ${errorText(error)}; the settings before it stay in force`;
      this.#options.logger.warn(message);
      this.#options.recorder.event(object, 'Warning', 'InvalidConfiguration', message);
      return;
    }
    then();
  }

  async #syncClaim(claim: PersistentVolumeClaim): Promise<void> {
    const { annotations = {}, deletionTimestamp, uid } = claim.metadata;
    if (claim.spec.volumeName || deletionTimestamp) return;
    if (!storageProvisionerAnnotations.some(name => annotations[name] === provisionerName)) return;
    const storageClass = this.#classes.get('', claim.spec.storageClassName ?? '');
    if (!storageClass || storageClass.provisioner !== provisionerName) return;
    const selected = annotations[selectedNodeAnnotation];
    if (storageClass.volumeBindingMode === 'WaitForFirstConsumer' && !selected) return;
    // Each node serves its own claims; those of no node are the server's, who refuses them or has a shared file system.
    if (selected ? selected !== this.#options.nodeName : !this.#options.isServer) return;
    if (this.#served.has(uid!) || this.#volumes.get('', `pvc-${uid}`)) return;
    const { recorder } = this.#options;
    const { namespace, name } = claim.metadata;
    recorder.event(
      claim,
      'Normal',
      'Provisioning',
      `External provisioner is provisioning volume for claim "${namespace}/${name}"`,
    );
    let made: PersistentVolume;
    try {
      made = await this.#provision(claim, storageClass);
      this.#served.add(uid!);
    } catch (error) {
      const text = `failed to provision volume with StorageClass "${storageClass.metadata.name}": ${errorText(error)}`;
      recorder.event(claim, 'Warning', 'ProvisioningFailed', text);
      throw error;
    }
    recorder.event(claim, 'Normal', 'ProvisioningSucceeded', `Successfully provisioned volume ${made.metadata.name}`);
  }

  async #provision(claim: PersistentVolumeClaim, storageClass: StorageClass): Promise<PersistentVolume> {
    const { client, nodeName, random = Math.random } = this.#options;
    const settings = settingsOf(this.#config, storageClass.metadata.name);
    const isShared = settings.sharedPath !== undefined;
    refuseClaim(claim, isShared);
    if (nodeName === undefined && !isShared) throw noNode();
    if (!claim.metadata.annotations?.[selectedNodeAnnotation] && !isShared) throw noNode();
    const type = volumeTypeOf(claim, storageClass);
    const parameters = storageClass.parameters ?? {};
    this.#tellOfUnknown(claim, parameters);
    const base = choosePath(
      settings,
      nodeName ?? '',
      parameters['nodePath'],
      paths => paths[Math.floor(random() * paths.length)]!,
    );
    const volumeName = `pvc-${claim.metadata.uid}`;
    const folder = folderOf(claim, volumeName, parameters);
    const path = join(base, folder);
    const isNew = await makeVolumeDirectory(base, folder);
    const project = await this.#limit(claim, path);
    const node = isShared ? undefined : this.#nodes?.get('', nodeName ?? '');
    const annotations: Record<string, string> = { [provisionedByAnnotation]: provisionerName };
    if (nodeName !== undefined) annotations[volumeNodeAnnotation] = nodeName;
    if (project !== undefined) annotations[projectAnnotation] = String(project);
    const hostname = isShared ? undefined : (node?.metadata.labels?.[hostnameLabel] ?? nodeName);
    const volume = makeVolume({ claim, storageClass, name: volumeName, path, type, hostname, annotations });
    try {
      return await client.resource(Resources.PersistentVolumes).create(volume);
    } catch (error) {
      if (isStatusError(error, 'AlreadyExists')) return volume;
      if (isNew) await unmakeVolumeDirectory(base, folder);
      throw error;
    }
  }

  /** Resolves the project of the quota, or undefined after telling that the size is not enforced. */
  async #limit(claim: PersistentVolumeClaim, path: string): Promise<number | undefined> {
    const { quotas, logger } = this.#options;
    const size = claim.spec.resources?.requests?.['storage'] ?? '0';
    const uid = claim.metadata.uid ?? '';
    let why = await quotas.refusal(path);
    if (why === undefined) {
      const project = projectNumber(uid, this.#takenProjects());
      this.#projects.add(project);
      try {
        await quotas.limit({ path, project, limitBytes: Quantity.parse(size).value() });
        return project;
      } catch (error) {
        this.#projects.delete(project);
        why = errorText(error) + (error instanceof CodedError && error.mend ? `: ${error.mend}` : '');
        logger.warn('a quota could not be set', { path, error });
      }
    }
    this.#tellOnce(claim, 'SizeNotEnforced', `The size ${size} is not enforced: ${why}`);
    return undefined;
  }

  /** K3s' provisioner serves such claims, so they are not refused. */
  #tellOfUnknown(claim: PersistentVolumeClaim, parameters: Readonly<Record<string, string>>): void {
    const unknown = Object.keys(parameters).filter(name => !knownParameters.includes(name));
    if (unknown.length === 0) return;
    const text = `Parameters of the StorageClass without effect: ${unknown.join(', ')}; there are ${knownParameters.join(', ')}`;
    this.#tellOnce(claim, 'UnknownParameter', text);
  }

  #tellOnce(claim: PersistentVolumeClaim, reason: string, text: string): void {
    const uid = claim.metadata.uid ?? '';
    const told = this.#told.get(uid) ?? new Set();
    if (told.has(reason)) return;
    this.#told.set(uid, told.add(reason));
    this.#options.recorder.event(claim, 'Warning', reason, text);
  }

  #takenProjects(): Set<number> {
    const taken = new Set(this.#projects);
    for (const { metadata } of this.#volumes.list()) {
      const project = Number(metadata.annotations?.[projectAnnotation]);
      if (project > 0) taken.add(project);
    }
    return taken;
  }

  #isMineToDelete(volume: PersistentVolume): boolean {
    const { annotations = {}, deletionTimestamp } = volume.metadata;
    if (annotations[provisionedByAnnotation] !== provisionerName || deletionTimestamp) return false;
    if (volume.status?.phase !== 'Released' || volume.spec.persistentVolumeReclaimPolicy !== 'Delete') return false;
    const { nodeName, isServer } = this.#options;
    const node = annotations[volumeNodeAnnotation];
    if (node !== undefined) return node === nodeName;
    const hostname = hostnameOf(volume);
    if (hostname === undefined) return isServer;
    const own = nodeName === undefined ? undefined : this.#nodes?.get('', nodeName)?.metadata.labels?.[hostnameLabel];
    return hostname === (own ?? nodeName);
  }

  async #delete(volume: PersistentVolume): Promise<void> {
    const { client, recorder, quotas, nodeName, logger } = this.#options;
    const { name, annotations, uid } = volume.metadata;
    try {
      const path = volume.spec.hostPath?.path ?? volume.spec.local?.path;
      if (path === undefined) throw new CodedError('LOCAL_PATH_CONFIG', `failed to delete volume ${name}: no path set`);
      const bases = basePaths(this.#config, nodeName ?? '');
      await removeVolumeDirectory(bases, path);
      const project = Number(annotations?.[projectAnnotation]);
      if (project > 0) {
        try {
          await quotas.clear(path, project);
        } catch (error) {
          // A limit on nothing does no harm.
          logger.warn('the quota of a removed volume stays', { path, project, error });
        }
        this.#projects.delete(project);
      }
    } catch (error) {
      recorder.event(volume, 'Warning', 'VolumeFailedDelete', errorText(error));
      throw error;
    }
    try {
      await client.resource(Resources.PersistentVolumes).delete(name, { preconditions: { uid: uid! } });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
}

function folderOf(claim: PersistentVolumeClaim, volumeName: string, parameters: Readonly<Record<string, string>>): string {
  const { namespace = '', name, uid = '', labels = {}, annotations = {} } = claim.metadata;
  const pattern = parameters['pathPattern'];
  if (!pattern) {
    const folder = `${volumeName}_${namespace}_${name}`;
    return folder.length > longestName ? volumeName : folder;
  }
  const allowUnsafe = parameters['allowUnsafePathPattern'] === 'true';
  return renderPathPattern(pattern, { volumeName, namespace, name: name ?? '', uid, labels, annotations }, allowUnsafe);
}

function hostnameOf({ spec }: PersistentVolume): string | undefined {
  for (const term of spec.nodeAffinity?.required?.nodeSelectorTerms ?? []) {
    const found = term.matchExpressions?.find(({ key, operator }) => key === hostnameLabel && operator === 'In');
    if (found?.values?.length === 1) return found.values[0];
  }
  return undefined;
}

const claimKey = (namespace: string, name: string): string => `claim/${namespace}/${name}`;
const volumeKey = (name: string): string => `volume/${name}`;

function noNode(): CodedError {
  return new CodedError('LOCAL_PATH_CLAIM', 'configuration error, no node was specified');
}
