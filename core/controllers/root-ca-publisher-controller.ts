import { ConfigMaps, Namespaces } from '../api/generated/resources.js';
import type { ConfigMap } from '../api/generated/types.js';
import type { ObjectEntry } from '../contracts/api-transport.js';
import { jsonEqual, produce } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext, ControllerDescriptor } from './controller.js';
import { isNamespaceTerminating } from './pod-control.js';
import { Reconciler } from './reconciler.js';

const configMapName = 'kube-root-ca.crt';
const descriptionAnnotation = 'kubernetes.io/description';
/** Read by people and by conformance tests: upstream's own words. */
const description =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal ' +
  'service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';

/** Keeps the ConfigMap with the API server's CA bundle in every namespace. Source: pkg/controller/certificates/rootcacertpublisher. */
class RootCaPublisherController extends Reconciler {
  constructor(context: ControllerContext) {
    super(context, { name: 'root-ca-certificate-publisher-controller', workers: 1 });
  }

  protected override register(): void {
    const { informers } = this.context;
    const enqueue = (entry: ObjectEntry<ConfigMap>): void => {
      if (entry.name === configMapName) this.queue.add(entry.namespace);
    };
    this.watch(informers.informer(ConfigMaps), { deleted: enqueue, updated: (_previous, entry) => enqueue(entry) });
    this.watch(informers.informer(Namespaces), {
      added: entry => this.queue.add(entry.name),
      updated: (_previous, entry) => {
        if (entry.object.status?.phase === 'Active') this.queue.add(entry.name);
      },
    });
  }

  protected override async sync(namespace: string): Promise<void> {
    const { informers, client, environment } = this.context;
    const configMaps = client.resource(ConfigMaps, namespace);
    const data = { 'ca.crt': environment.authority.serverCaPem };
    const known = informers.informer(ConfigMaps).get(namespace, configMapName);
    if (!known) {
      const metadata = { name: configMapName, annotations: { [descriptionAnnotation]: description } };
      try {
        await configMaps.create({ metadata, data } as unknown as ConfigMap);
      } catch (error) {
        if (!isStatusError(error, 'NotFound') && !isNamespaceTerminating(error)) throw error;
      }
      return;
    }
    if (jsonEqual(known.data, data) && known.metadata.annotations?.[descriptionAnnotation]) return;
    await configMaps.update(
      configMapName,
      produce(known, draft => {
        draft.data = data;
        draft.metadata.annotations = { ...draft.metadata.annotations, [descriptionAnnotation]: description };
      }),
    );
  }
}

export const rootCaPublisherController: ControllerDescriptor = {
  name: 'root-ca-certificate-publisher-controller',
  serviceAccount: 'root-ca-cert-publisher',
  create: context => new RootCaPublisherController(context),
};
