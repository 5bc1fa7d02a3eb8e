import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../core/base/clock.js';
import type { KubeObject, ResourceReference } from '../../core/plugin-api/index.js';
import { ApiTransport, Client, Resources, whenEstablished } from '../../core/plugin-api/index.js';
import type { TestCluster } from '../../core/testing/index.js';
import { startCluster } from '../../core/testing/index.js';

const group = 'rules.example.com';
const boxes: ResourceReference<KubeObject> = { group, version: 'v1', resource: 'boxes', kind: 'Box', namespaced: true };
const administrator = { name: 'system:admin', groups: ['system:masters'] };
const definitions = Resources.CustomResourceDefinitions as unknown as ResourceReference<KubeObject>;

function definition(...rules: object[]): KubeObject {
  const spec = {
    type: 'object',
    properties: { low: { type: 'integer' }, high: { type: 'integer' }, name: { type: 'string', maxLength: 20 } },
    'x-kubernetes-validations': rules,
  };
  const status = {
    type: 'object',
    properties: { phase: { type: 'string' } },
    'x-kubernetes-validations': [{ rule: 'self.phase in ["Open", "Closed"]', message: 'a box is open or closed' }],
  };
  const openAPIV3Schema = { type: 'object', properties: { spec, ...(rules.length ? { status } : {}) } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `boxes.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'boxes', kind: 'Box' },
      versions: [{ name: 'v1', served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema } }],
    },
  } as KubeObject;
}

const box = (name: string, spec: object): KubeObject =>
  ({ apiVersion: `${group}/v1`, kind: 'Box', metadata: { name }, spec }) as unknown as KubeObject;

const order = { rule: 'self.low <= self.high', message: 'low must not be above high' };
const constant = { rule: 'self.name == oldSelf.name', messageExpression: '"was " + oldSelf.name', reason: 'FieldValueForbidden' };

describe('rules of custom resources in a cluster', () => {
  let cluster: TestCluster;
  let client: Client;

  const install = async (object: KubeObject): Promise<void> => {
    const name = object.metadata.name!;
    await client.resource(definitions).patch(name, 'apply', object, { fieldManager: 'test', force: true });
    expect(await whenEstablished(client, name, { clock: new SystemClock(), timeoutMs: 20_000 })).toBe(true);
  };

  /** What a definition's change brings is served a moment later. */
  const eventually = async (what: () => Promise<unknown>, text: string): Promise<void> => {
    for (let tries = 0; tries < 400; tries++) {
      try {
        await what();
      } catch (error) {
        expect((error as Error).message).toContain(text);
        return;
      }
      await new Promise(resolve => setTimeout(resolve, 25));
    }
    throw new Error(`nothing was said of: ${text}`);
  };

  beforeAll(async () => {
    cluster = await startCluster();
    client = new Client(cluster.get<ApiTransport>(ApiTransport), administrator, 'test');
  });
  afterAll(() => cluster.stop());

  it('are compiled with the definition and hold for every write', async () => {
    const wrong = install(definition({ rule: 'self.lov > 1' }));
    await expect(wrong).rejects.toThrow("compilation failed: ERROR: <input>:1:5: undefined field 'lov'");
    await install(definition(order, constant));
    const items = client.resource(boxes, 'default');
    await expect(items.create(box('odd', { low: 2, high: 1 }))).rejects.toThrow(
      'spec: Invalid value: low must not be above high',
    );
    await expect(items.create(box('odd', { low: 'x', high: 1 }))).rejects.toThrow('some validation rules were not checked');
    await items.create(box('one', { low: 1, high: 2, name: 'a' }));
    await expect(items.patch('one', 'merge', { spec: { low: 3 } })).rejects.toThrow('low must not be above high');
    await expect(items.patch('one', 'merge', { spec: { name: 'b' } })).rejects.toThrow('spec: Forbidden: was a');
    const status = (phase: string): Promise<unknown> => items.subresource('status').patch('one', 'merge', { status: { phase } });
    await expect(status('Lost')).rejects.toThrow('status: Invalid value: a box is open or closed');
    await status('Open');
  });

  it('are those of the definition as it is now', async () => {
    const items = client.resource(boxes, 'default');
    await install(definition({ rule: 'self.low > 5', message: 'low must be above five' }));
    await eventually(
      () => items.create(box('two', { low: 1, high: 2 }), { dryRun: true }),
      'spec: Invalid value: low must be above five',
    );
    // What broke no rule when it was written may stay as it is.
    await items.patch('one', 'merge', { metadata: { labels: { a: 'b' } } });
    await expect(items.patch('one', 'merge', { spec: { low: 2 } })).rejects.toThrow('low must be above five');
    await items.patch('one', 'merge', { spec: { low: 6, high: 1, name: 'b' } });
  });
});
