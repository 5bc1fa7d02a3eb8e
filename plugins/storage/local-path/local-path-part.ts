import {
  ApiEventRecorder,
  Client,
  errorText,
  isStatusError,
  Resources,
  SharedInformerFactory,
} from '../../../core/plugin-api/index.js';
import type { ApiTransport, Clock, ConfigMap, Logger, Part } from '../../../core/plugin-api/index.js';
import { firstConfigMap } from './local-path-manifests.js';
import { configMapNamespace, provisionerName, serviceAccountName, serviceAccountNamespace } from './local-path-names.js';
import { LocalPathProvisioner } from './local-path-provisioner.js';
import type { ProjectQuotas } from './project-quota.js';

export interface LocalPathPartOptions {
  readonly transport: ApiTransport;
  /** Undefined: a server without a node, which only serves claims on a shared file system that no node was chosen for. */
  readonly nodeName: string | undefined;
  readonly isServer: boolean;
  readonly storageDir: string;
  readonly quotas: ProjectQuotas;
  readonly clock: Clock;
  readonly logger: Logger;
}

const configMapRetryMs = 1000;

/** The provisioner of this node as the kernel runs it, with the service account of K3s' provisioner. */
export class LocalPathPart implements Part {
  readonly #options: LocalPathPartOptions;
  #running: { provisioner: LocalPathProvisioner; informers: SharedInformerFactory; recorder: ApiEventRecorder } | undefined;
  #stopping = new AbortController();

  constructor(options: LocalPathPartOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#running) return;
    const { transport, nodeName, clock, logger } = this.#options;
    this.#stopping = new AbortController();
    const client = new Client(transport, provisionerIdentity, 'local-path-provisioner');
    const informers = new SharedInformerFactory({ client, clock, logger });
    const component = nodeName === undefined ? provisionerName : `${provisionerName}_${nodeName}`;
    const recorder = new ApiEventRecorder({ client, clock, logger, component, host: nodeName });
    const provisioner = new LocalPathProvisioner({ ...this.#options, client, informers, recorder });
    this.#running = { provisioner, informers, recorder };
    provisioner.start();
    informers.start();
    if (this.#options.isServer) this.#ensureConfigMap(client, 0);
  }

  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = undefined;
    this.#stopping.abort();
    if (!running) return;
    await running.provisioner.stop();
    await running.recorder.stop();
    await running.informers.stop();
  }

  /** The user's from the moment that it exists: never written again. */
  #ensureConfigMap(client: Client, failures: number): void {
    const { clock, logger, storageDir } = this.#options;
    const { signal } = this.#stopping;
    client
      .resource(Resources.ConfigMaps, configMapNamespace)
      .create(firstConfigMap(storageDir) as unknown as ConfigMap, { signal })
      .catch((error: unknown) => {
        if (signal.aborted || isStatusError(error, 'AlreadyExists')) return;
        // Its rights and the namespace may be made at this moment; until then the default folder holds.
        if (failures === 10) logger.warn(`the ConfigMap local-path-config cannot be made: ${errorText(error)}`);
        const timer = clock.setTimer(configMapRetryMs * Math.min(failures + 1, 60), () => {
          if (!signal.aborted) this.#ensureConfigMap(client, failures + 1);
        });
        signal.addEventListener('abort', () => void timer.dispose(), { once: true });
      });
  }
}

export const provisionerIdentity = {
  name: `system:serviceaccount:${serviceAccountNamespace}:${serviceAccountName}`,
  groups: ['system:serviceaccounts', `system:serviceaccounts:${serviceAccountNamespace}`, 'system:authenticated'],
};
