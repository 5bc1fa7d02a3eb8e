import {
  MutatingWebhookConfigurations,
  Namespaces,
  ValidatingWebhookConfigurations,
} from '../../core/api/generated/resources.js';
import type { ResourceReference } from '../../core/api/resource-reference.js';
import type { ApiTransport } from '../../core/contracts/api-transport.js';
import { startApiServer } from './api-server.js';
import type { RunningApiServer } from './api-server.js';
import { WebhookServer } from './webhook-server.js';

const caller = { name: 'admin', groups: ['system:masters'] };

export type WebhookType = 'mutating' | 'validating';

export const configurations: Readonly<Record<WebhookType, ResourceReference>> = {
  mutating: MutatingWebhookConfigurations,
  validating: ValidatingWebhookConfigurations,
};

/** An API server with the namespace `web`, and a webhook beside it. */
export class WebhookBench {
  readonly api: RunningApiServer;
  readonly server: WebhookServer;

  private constructor(api: RunningApiServer, server: WebhookServer) {
    this.api = api;
    this.server = server;
  }

  /** `apiOptions` are made when the webhook's port is known. */
  static async start(
    names?: readonly string[],
    apiOptions: (server: WebhookServer) => Parameters<typeof startApiServer>[0] = () => ({}),
  ): Promise<WebhookBench> {
    const server = await WebhookServer.start(names);
    const bench = new WebhookBench(await startApiServer(apiOptions(server)), server);
    const object = { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'web', labels: { team: 'a' } } };
    await bench.transport.create({ caller, resource: Namespaces as ResourceReference, object });
    return bench;
  }

  get transport(): ApiTransport {
    return this.api.part.transport;
  }

  /** Puts the webhook at `path` in front of something, of new ConfigMaps if not told otherwise, and waits until it stands there. */
  async put(
    type: WebhookType,
    { name, path }: { name: string; path: string },
    fields: object,
    configuration = 'hook',
  ): Promise<void> {
    const webhook = {
      name,
      clientConfig: { url: this.server.url(path), caBundle: this.server.caBundle },
      rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      ...fields,
    };
    const resource = configurations[type];
    const { group, version, kind } = resource;
    const object = { kind, apiVersion: `${group}/${version}`, metadata: { name: configuration }, webhooks: [webhook] };
    await this.transport.create({ caller, resource, object });
    await this.api.part.server.hub.fresh();
  }

  /** Takes all webhooks away, and what was asked of them. */
  async clear(): Promise<void> {
    for (const resource of Object.values(configurations)) await this.transport.deleteCollection({ caller, resource });
    await this.api.part.server.hub.fresh();
    this.server.requests.length = 0;
  }

  async stop(): Promise<void> {
    await this.api.stop();
    await this.server.stop();
  }
}
