import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { ApiEventRecorder, Client, deferred, errorText } from '../../../core/plugin-api/index.js';
import type {
  ApiTransport,
  CallerIdentity,
  Clock,
  ClusterPaths,
  ClusterSettings,
  Deferred,
  Disposable,
  Logger,
  Part,
  ResourceCatalogue,
} from '../../../core/plugin-api/index.js';
import { AddonDeployer } from './addon-deployer.js';
import { templateVariables } from './manifest-documents.js';
import { scanManifests } from './manifest-files.js';
import type { ManifestFile } from './manifest-files.js';

export interface AddonsPartOptions {
  readonly transport: ApiTransport;
  readonly catalogue: ResourceCatalogue;
  readonly settings: Pick<ClusterSettings, 'nodeName' | 'disabled' | 'clusterDns' | 'clusterDomain' | 'serviceCidrs'>;
  readonly paths: ClusterPaths;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** K3s' deploy controller writes with the server's own administrator, too. */
const identity: CallerIdentity = { name: 'system:admin', groups: ['system:masters', 'system:authenticated'] };

/** Editors write a file in several steps. */
const settleMs = 50;
/** What the system does not report (network file systems) is found by looking. */
const lookAgainMs = 60_000;
const lookAgainUnwatchedMs = 5000;
const retryMs = 2000;
const retryMaximumMs = 30_000;

/** Applies `<data-dir>/server/manifests` at once when it changes, and removes what is no longer there. */
export class AddonsPart implements Part {
  readonly #options: AddonsPartOptions;
  readonly #watchers = new Map<string, FSWatcher>();
  /** Stamps of what was dealt with, by path. */
  readonly #seen = new Map<string, string>();
  #deployer: AddonDeployer | undefined;
  #recorder: ApiEventRecorder | undefined;
  #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #wake: Deferred<void> = deferred();
  #round: Deferred<void> = deferred();
  #unwatched = false;
  #settling: Disposable | undefined;
  #retries = 0;
  /** Looks through the folder. */
  #begun = 0;
  #ended = 0;

  constructor(options: AddonsPartOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#running) return;
    const { transport, catalogue, settings, paths, clock, logger } = this.#options;
    await mkdir(paths.server.manifestsDir, { recursive: true, mode: 0o700 });
    const client = new Client(transport, identity, 'deploy');
    this.#stopping = new AbortController();
    this.#seen.clear();
    this.#recorder = new ApiEventRecorder({ client, clock, logger, component: 'deploy' });
    this.#deployer = new AddonDeployer({
      client,
      catalogue,
      recorder: this.#recorder,
      clock,
      logger,
      nodeName: settings.nodeName,
      variables: templateVariables(settings as ClusterSettings, paths),
    });
    this.#running = this.#run(this.#deployer, this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#settling?.dispose();
    this.#wake.resolve();
    await this.#running;
    this.#running = undefined;
    for (const watcher of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
    await this.#recorder?.stop();
    this.#recorder = undefined;
  }

  /** Resolves after a look through the folder that began after this call. */
  async settled(): Promise<void> {
    const wanted = this.#begun + 1;
    this.#wake.resolve();
    while (this.#ended < wanted && !this.#stopping.signal.aborted) await this.#round.promise;
  }

  async #run(deployer: AddonDeployer, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#wake = deferred();
      this.#begun++;
      let waitMs = this.#unwatched ? lookAgainUnwatchedMs : lookAgainMs;
      try {
        if (await this.#look(deployer, signal)) waitMs = Math.min(waitMs, retryMs * 2 ** this.#retries++, retryMaximumMs);
        else this.#retries = 0;
      } catch (error) {
        if (signal.aborted) return;
        this.#options.logger.warn(`the manifests were not looked through, trying again: ${errorText(error)}`);
        waitMs = retryMs;
      }
      this.#ended = this.#begun;
      const round = this.#round;
      this.#round = deferred();
      round.resolve();
      const timer = this.#options.clock.setTimer(waitMs, () => this.#wake.resolve());
      await this.#wake.promise;
      await timer.dispose();
    }
  }

  /** True when something is worth another try. */
  async #look(deployer: AddonDeployer, signal: AbortSignal): Promise<boolean> {
    const { paths, settings, logger } = this.#options;
    const base = paths.server.manifestsDir;
    // Before the names are read: a file that comes meanwhile wakes us again.
    const disabled = new Set(settings.disabled);
    const scan = await scanManifests(base, disabled);
    this.#watch([base, ...scan.directories]);
    const withoutFile = await deployer.names();
    const taken = new Map<string, ManifestFile>();
    let again = false;
    for (const file of scan.files) {
      if (signal.aborted) return false;
      const other = taken.get(file.name);
      if (other && !file.disabled) {
        if (!file.skipped) deployer.refuse(file, other);
        continue;
      }
      withoutFile.delete(file.name);
      try {
        if (file.disabled) {
          await deployer.remove(file.name, file);
          continue;
        }
        taken.set(file.name, file);
        if (file.skipped || this.#seen.get(file.path) === file.stamp) continue;
        const result = await deployer.deploy(file, !this.#seen.has(file.path));
        if (result === 'done') this.#seen.set(file.path, file.stamp);
        else again = true;
      } catch (error) {
        if (signal.aborted) return false;
        logger.warn(`${file.path} is tried again later: ${errorText(error)}`);
        again = true;
      }
    }
    // What cannot be looked at is not known to be gone.
    if (scan.unreadable.length > 0) return again;
    // Deleting a file is not asking for its workloads to go; disabling it is.
    for (const name of withoutFile) {
      if (signal.aborted) return false;
      if (!disabled.has(name)) continue;
      try {
        await deployer.remove(name);
      } catch (error) {
        logger.warn(`the objects of the manifest ${name} are removed later: ${errorText(error)}`);
        again = true;
      }
    }
    for (const path of this.#seen.keys()) if (!scan.files.some(file => file.path === path)) this.#seen.delete(path);
    return again;
  }

  #watch(directories: readonly string[]): void {
    const wanted = new Set(directories);
    for (const [directory, watcher] of this.#watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      this.#watchers.delete(directory);
    }
    this.#unwatched = false;
    for (const directory of wanted) {
      if (this.#watchers.has(directory)) continue;
      try {
        const watcher = watch(directory, { persistent: false }, () => this.#changed());
        watcher.on('error', () => {
          watcher.close();
          this.#watchers.delete(directory);
          this.#changed();
        });
        this.#watchers.set(directory, watcher);
        // What came between the look and the watch.
        this.#changed();
      } catch {
        this.#unwatched = true;
      }
    }
  }

  #changed(): void {
    if (this.#stopping.signal.aborted) return;
    void this.#settling?.dispose();
    this.#settling = this.#options.clock.setTimer(settleMs, () => this.#wake.resolve());
  }
}
