import { CoreV1Api, makeInformer } from '@kubernetes/client-node';
import type { Informer, KubeConfig, KubernetesListObject, KubernetesObject, V1ConfigMap, V1Pod } from '@kubernetes/client-node';

const label = 'example.org/website';
const retryMs = 60_000;

/** Keeps a pod for every ConfigMap with the label, and writes into its data what became of it. */
export class WebsiteOperator {
  readonly #core: CoreV1Api;
  readonly #informers: Informer<KubernetesObject>[];
  readonly #after: (delayMs: number, callback: () => void) => void;
  #work = Promise.resolve();
  #isStopped = false;

  constructor(
    config: KubeConfig,
    namespace: string,
    // Handed in, so that a test need not wait a minute.
    after: (delayMs: number, callback: () => void) => void = (delayMs, callback) => void setTimeout(callback, delayMs),
  ) {
    this.#core = config.makeApiClient(CoreV1Api);
    this.#after = after;
    const path = `/api/v1/namespaces/${namespace}`;
    const sites = (): Promise<KubernetesListObject<V1ConfigMap>> =>
      this.#core.listNamespacedConfigMap({ namespace, labelSelector: label });
    const pods = (): Promise<KubernetesListObject<V1Pod>> => this.#core.listNamespacedPod({ namespace, labelSelector: label });
    this.#informers = [
      makeInformer(config, `${path}/configmaps`, sites, label),
      makeInformer(config, `${path}/pods`, pods, label),
    ];
    for (const informer of this.#informers) {
      for (const verb of ['add', 'update', 'delete'] as const) {
        informer.on(verb, ({ metadata }) => this.#enqueue(namespace, metadata!.name!));
      }
    }
  }

  async start(): Promise<void> {
    await Promise.all(this.#informers.map(informer => informer.start()));
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#informers.map(informer => informer.stop()));
    await this.#work;
  }

  /** One at a time, in order. */
  #enqueue(namespace: string, name: string): void {
    this.#work = this.#work
      .then(() => (this.#isStopped ? undefined : this.#reconcile(namespace, name)))
      .catch(() => {
        if (!this.#isStopped) this.#after(1000, () => this.#enqueue(namespace, name));
      });
  }

  async #reconcile(namespace: string, name: string): Promise<void> {
    const site = await orNothing(this.#core.readNamespacedConfigMap({ namespace, name }));
    const pod = await orNothing(this.#core.readNamespacedPod({ namespace, name }));
    if (!site) {
      if (pod) await this.#core.deleteNamespacedPod({ namespace, name });
      return;
    }
    if (!pod) return void (await this.#core.createNamespacedPod({ namespace, body: podOf(site) }));
    const state = stateOf(pod);
    if (site.data?.['state'] === state) return;
    await this.#core.replaceNamespacedConfigMap({ namespace, name, body: { ...site, data: { ...site.data, state } } });
    if (state !== 'Failed') return;
    // Its deletion is an event, and a pod that is not there is made.
    this.#after(retryMs, () => void this.#core.deleteNamespacedPod({ namespace, name }).catch(() => undefined));
  }
}

function podOf({ metadata, data }: V1ConfigMap): V1Pod {
  const readinessProbe = { httpGet: { path: '/', port: 80 }, periodSeconds: 10 };
  return {
    metadata: { name: metadata!.name!, labels: { [label]: '' } },
    spec: { restartPolicy: 'Never', containers: [{ name: 'web', image: data!['image']!, readinessProbe }] },
  };
}

function stateOf({ status }: V1Pod): string {
  if (status?.phase === 'Failed' || status?.phase === 'Succeeded') return 'Failed';
  const waiting = status?.containerStatuses?.[0]?.state?.waiting?.reason;
  if (waiting === 'ErrImagePull' || waiting === 'ImagePullBackOff') return 'NoImage';
  return status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ? 'Ready' : 'Starting';
}

async function orNothing<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if ((error as { code?: number }).code === 404) return undefined;
    throw error;
  }
}
