import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ConfigMaps,
  MutatingWebhookConfigurations,
  Namespaces,
  ValidatingWebhookConfigurations,
} from '../../core/api/generated/resources.js';
import type { ConfigMap } from '../../core/api/generated/types.js';
import type { ResourceReference } from '../../core/api/resource-reference.js';
import type { ApiTransport } from '../../core/contracts/api-transport.js';
import { startApiServer } from '../support/api-server.js';
import type { RunningApiServer } from '../support/api-server.js';
import { WebhookServer } from '../support/webhook-server.js';
import type { Judge } from '../support/webhook-server.js';

const caller = { name: 'admin', groups: ['system:masters'] };
const namespace = 'web';

describe('conditions of webhooks', () => {
  let api: RunningApiServer;
  let transport: ApiTransport;
  let server: WebhookServer;

  beforeAll(async () => {
    server = await WebhookServer.start();
    api = await startApiServer();
    transport = api.part.transport;
    const object = { kind: 'Namespace', apiVersion: 'v1', metadata: { name: namespace } };
    await transport.create({ caller, resource: Namespaces as ResourceReference, object });
  });

  afterAll(async () => {
    await api.stop();
    await server.stop();
  });

  afterEach(async () => {
    for (const resource of [ValidatingWebhookConfigurations, MutatingWebhookConfigurations] as readonly ResourceReference[]) {
      await transport.deleteCollection({ caller, resource });
    }
    await api.part.server.hub.fresh();
    server.requests.length = 0;
  });

  /** Puts a webhook in front of new ConfigMaps; resolves its name. */
  async function hook(type: 'mutating' | 'validating', fields: object, judge: Judge): Promise<string> {
    server.judge(`/${type}`, judge);
    const resource: ResourceReference = type === 'mutating' ? MutatingWebhookConfigurations : ValidatingWebhookConfigurations;
    const webhook = {
      name: `${type}.web.example.com`,
      clientConfig: { url: server.url(`/${type}`), caBundle: server.caBundle },
      rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      ...fields,
    };
    const { kind } = resource;
    const object = { kind, apiVersion: 'admissionregistration.k8s.io/v1', metadata: { name: 'hook' }, webhooks: [webhook] };
    await transport.create({ caller, resource, object: object as never });
    await api.part.server.hub.fresh();
    return webhook.name;
  }

  async function create(metadata: object, more: object = {}): Promise<ConfigMap> {
    const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { a: 'b' } } as ConfigMap;
    return transport.create({ caller, resource: ConfigMaps, namespace, object, ...more });
  }

  it('are checked when they are written', async () => {
    const conditions = (...expressions: string[]): object => ({
      matchConditions: expressions.map((expression, index) => ({ name: `c${index}`, expression })),
    });
    await expect(hook('mutating', conditions('true', '1', 'object.'), () => ({}))).rejects.toMatchObject({
      status: {
        code: 422,
        details: {
          causes: [
            {
              field: 'webhooks[0].matchConditions[1].expression',
              message: 'Invalid value: "1": must evaluate to bool but got int',
            },
            {
              field: 'webhooks[0].matchConditions[2].expression',
              message: expect.stringMatching(
                /^Invalid value: "object\.": compilation failed: ERROR: <input>:1:8: Syntax error: /,
              ),
            },
          ],
        },
      },
    });
  });

  it('choose what mutating and validating webhooks are asked about', async () => {
    const matchConditions = [
      { name: 'labelled', expression: 'object.metadata.?labels.?asked.hasValue()' },
      { name: 'written', expression: 'request.operation == "CREATE" && oldObject == null' },
      { name: 'allowed', expression: 'authorizer.requestResource.check("delete").allowed()' },
    ];
    await hook('mutating', { matchConditions }, () => ({ patch: [{ op: 'add', path: '/data/hooked', value: 'yes' }] }));
    const validating = await hook('validating', { matchConditions }, ({ object }) => ({
      allowed: (object as ConfigMap).metadata.name !== 'refused',
    }));
    const labels = { asked: 'x' };
    await expect(create({ name: 'plain' })).resolves.toMatchObject({ data: { a: 'b' } });
    expect(server.requests).toHaveLength(0);
    await expect(create({ name: 'asked', labels })).resolves.toMatchObject({
      data: { a: 'b', hooked: 'yes' },
    });
    expect(server.requests).toHaveLength(2);
    await expect(create({ name: 'refused', labels })).rejects.toMatchObject({
      message: `admission webhook "${validating}" denied the request without explanation`,
    });
  });

  it('do not see what a dry run makes up', async () => {
    await hook('validating', { matchConditions: [{ name: 'c', expression: 'request.dryRun' }] }, () => ({ allowed: true }));
    const made = await create({ name: 'dry' }, { dryRun: true });
    expect(made).not.toHaveProperty('metadata.resourceVersion');
    expect(server.requests).toHaveLength(1);
  });
});
