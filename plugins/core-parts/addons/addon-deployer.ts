import { createHash } from 'node:crypto';
import { readFile, unlink } from 'node:fs/promises';
import { errorCode, errorText, isStatusError } from '../../../core/plugin-api/index.js';
import type { Client, Clock, EventRecorder, KubeObject, Logger, ResourceCatalogue } from '../../../core/plugin-api/index.js';
import { Addons } from './addon-group.js';
import type { Addon } from './addon-group.js';
import { parseManifest } from './manifest-documents.js';
import type { ManifestFile } from './manifest-files.js';
import { kindName, ObjectSet } from './object-set.js';

const addonNamespace = 'kube-system';
const kindsAnnotation = 'addon.k3s.cattle.io/gvks';
const kindSeparator = ';';
/** Ours: whose manifests folder the file lies in. Other servers have other files. */
const nodeLabel = 'k3s-ts.io/addon-node';

export interface AddonDeployerOptions {
  readonly client: Client;
  readonly catalogue: ResourceCatalogue;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly nodeName: string;
  readonly variables: ReadonlyMap<string, string>;
}

/** `done`: nothing to do until the file changes. `retry`: what failed may pass by itself. */
export type DeployResult = 'done' | 'retry';

/** Brings one file's objects into the cluster and out of it, and keeps its Addon. Source: K3s pkg/deploy. */
export class AddonDeployer {
  readonly #options: AddonDeployerOptions;
  /** The last fault told for each Addon: told once, also when it is tried again and again. */
  readonly #told = new Map<string, string>();

  constructor(options: AddonDeployerOptions) {
    this.#options = options;
  }

  /** Names of this server's Addons. */
  async names(): Promise<Set<string>> {
    const { client, nodeName } = this.#options;
    const all = await client.resource(Addons, addonNamespace).objects({ labelSelector: `${nodeLabel}=${labelValue(nodeName)}` });
    return new Set(all.map(({ metadata }) => metadata.name!));
  }

  /** `force`: also when the content is what was applied last. Throws when the server does not answer. */
  async deploy({ path, name }: ManifestFile, force: boolean): Promise<DeployResult> {
    const { recorder, logger, variables } = this.#options;
    const addon = await this.#ensure(name, path);
    if (addon === undefined) return 'done';
    let content: Buffer;
    try {
      content = await readFile(path);
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return 'done';
      this.#tell(addon, 'ReadManifestFailed', `Read manifest at "${path}" failed: ${errorText(error)}`);
      return 'retry';
    }
    const checksum = createHash('sha256').update(content).digest('hex');
    if (!force && checksum === addon.spec.checksum) return 'done';
    let objects: KubeObject[];
    try {
      objects = await parseManifest(content.toString(), variables);
    } catch (error) {
      this.#tell(addon, 'ParseManifestFailed', `Parse manifest at "${path}" failed: ${errorText(error)}`);
      return 'done';
    }
    const now = new Set(objects.map(kindName));
    const both = new Set([...kindsOf(addon), ...now]);
    // Written before anything is applied: whatever happens then, all that may be there is looked for.
    await this.#write(addon, { source: path, kinds: both });
    const changed = checksum !== addon.spec.checksum;
    if (changed) recorder.event(addon, 'Normal', 'ApplyingManifest', `Applying manifest at "${path}"`);
    const set = this.#set(name);
    const { failures, mayPass } = await set.apply(objects);
    await set.prune(both, objects);
    if (failures.length > 0) {
      this.#tell(addon, 'ApplyManifestFailed', `Applying manifest at "${path}" failed: ${failures.join('; ')}`);
      return mayPass ? 'retry' : 'done';
    }
    this.#told.delete(name);
    if (changed) {
      recorder.event(addon, 'Normal', 'AppliedManifest', `Applied manifest at "${path}"`);
      logger.info('applied a manifest', { path, objects: objects.length });
    }
    await this.#write(addon, { source: path, checksum, kinds: now });
    return 'done';
  }

  /** Removes an Addon with all its objects. `file` is a disabled one, which goes too. */
  async remove(name: string, file?: ManifestFile): Promise<void> {
    const { client, recorder, logger, variables } = this.#options;
    const addons = client.resource(Addons, addonNamespace);
    let addon: Addon | undefined;
    try {
      addon = await addons.get(name);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
    const kinds = new Set(addon ? kindsOf(addon) : []);
    if (file) {
      // What another server has applied under this name is of the kinds of the file.
      try {
        for (const object of await parseManifest((await readFile(file.path)).toString(), variables)) kinds.add(kindName(object));
      } catch (error) {
        logger.warn('a disabled manifest cannot be read', { path: file.path, error: errorText(error) });
      }
    }
    const source = file?.path ?? addon?.spec.source ?? '';
    if (addon) recorder.event(addon, 'Normal', 'DeletingManifest', `Deleting manifest at "${source}"`);
    await this.#set(name).prune(kinds, []);
    if (file && !file.linked) await unlink(file.path);
    this.#told.delete(name);
    if (!addon) return;
    try {
      await addons.delete(name);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
    logger.info('removed the objects of a manifest', { path: source });
  }

  /** One log line, and one event when the Addon is known. */
  #tell(addon: Addon, reason: string, message: string): void {
    const name = addon.metadata.name!;
    if (this.#told.get(name) === message) return;
    this.#told.set(name, message);
    this.#options.logger.error(message);
    this.#options.recorder.event(addon, 'Warning', reason, message);
  }

  refuse({ path, name }: ManifestFile, other: ManifestFile): void {
    const text = `${path} is not applied: ${other.path} has the same name "${name}" up to the first dot`;
    if (this.#told.get(path) === text) return;
    this.#told.set(path, text);
    this.#options.logger.error(text);
  }

  /** Undefined when the name cannot be an Addon's. */
  async #ensure(name: string, source: string): Promise<Addon | undefined> {
    const addons = this.#options.client.resource(Addons, addonNamespace);
    try {
      return await addons.get(name);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
    try {
      return await this.#apply({ name, spec: { source }, annotations: {} });
    } catch (error) {
      if (!isStatusError(error, 'Invalid')) throw error;
      const text = `${source} is not applied: its name cannot be an Addon's: ${errorText(error)}`;
      if (this.#told.get(name) !== text) this.#options.logger.error(text);
      this.#told.set(name, text);
      return undefined;
    }
  }

  async #write(addon: Addon, state: { source: string; checksum?: string; kinds: Iterable<string> }): Promise<void> {
    const { source, checksum = addon.spec.checksum } = state;
    await this.#apply({
      name: addon.metadata.name!,
      spec: { source, ...(checksum === undefined ? {} : { checksum }) },
      annotations: { [kindsAnnotation]: [...state.kinds].join(kindSeparator) },
    });
  }

  #apply(state: { name: string; spec: Addon['spec']; annotations: Record<string, string> }): Promise<Addon> {
    const { client, nodeName } = this.#options;
    const { name, spec, annotations } = state;
    const metadata = { name, namespace: addonNamespace, annotations, labels: { [nodeLabel]: labelValue(nodeName) } };
    const addon = { apiVersion: 'k3s.cattle.io/v1', kind: 'Addon', metadata, spec };
    return client.resource(Addons, addonNamespace).patch(name, 'apply', addon, { fieldManager: this.#fieldManager, force: true });
  }

  get #fieldManager(): string {
    return `deploy@${this.#options.nodeName}`;
  }

  #set(name: string): ObjectSet {
    const { client, catalogue, clock } = this.#options;
    return new ObjectSet({ client, catalogue, clock, fieldManager: this.#fieldManager }, { name, namespace: addonNamespace });
  }
}

function kindsOf({ metadata }: Addon): string[] {
  return (metadata.annotations?.[kindsAnnotation] ?? '').split(kindSeparator).filter(kind => kind !== '');
}

/** Names of nodes may be longer than values of labels. */
function labelValue(nodeName: string): string {
  return nodeName.length <= 63 ? nodeName : createHash('sha1').update(nodeName).digest('hex');
}
