import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigMaps } from '../../core/api/generated/resources.js';
import type { ConfigMap } from '../../core/api/generated/types.js';
import { WebhookBench } from '../support/webhook-bench.js';
import type { WebhookType } from '../support/webhook-bench.js';
import type { Judge, WebhookServer } from '../support/webhook-server.js';

const caller = { name: 'admin', groups: ['system:masters'] };
const namespace = 'web';

describe('conditions of webhooks', () => {
  let bench: WebhookBench;
  let server: WebhookServer;

  beforeAll(async () => {
    bench = await WebhookBench.start();
    server = bench.server;
  });
  afterAll(() => bench.stop());
  afterEach(() => bench.clear());

  /** Puts a webhook in front of new ConfigMaps; resolves its name. */
  async function hook(type: WebhookType, fields: object, judge: Judge): Promise<string> {
    const name = `${type}.web.example.com`;
    server.judge(`/${type}`, judge);
    await bench.put(type, { name, path: `/${type}` }, fields);
    return name;
  }

  async function create(metadata: object, more: object = {}): Promise<ConfigMap> {
    const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { a: 'b' } } as ConfigMap;
    return bench.transport.create({ caller, resource: ConfigMaps, namespace, object, ...more });
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
