import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../core/base/clock.js';
import type { KubeObject, ResourceReference } from '../../core/plugin-api/index.js';
import { Client, Resources, whenEstablished } from '../../core/plugin-api/index.js';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';

type Site = KubeObject & { spec: { hostPort?: string; host?: string; port?: string } };

const group = 'convert.example.com';
const v1: ResourceReference<Site> = { group, version: 'v1', resource: 'sites', kind: 'Site', namespaced: true };
const v2: ResourceReference<Site> = { ...v1, version: 'v2' };
const text = { type: 'string' };

function definition(storage: 'v1' | 'v2'): KubeObject {
  const version = (name: string, properties: object): object => ({
    name,
    served: true,
    storage: name === storage,
    schema: { openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties } } } },
    ...(name === 'v2' ? { selectableFields: [{ jsonPath: '.spec.host' }] } : {}),
  });
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `sites.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'sites', kind: 'Site' },
      versions: [version('v1', { hostPort: text }), version('v2', { host: text, port: text })],
      conversion: {
        strategy: 'Webhook',
        webhook: { conversionReviewVersions: ['v7', 'v1'], clientConfig: { url: 'https://converter.example.com/' } },
      },
    },
  } as unknown as KubeObject;
}

function convert(object: Site, apiVersion: string): Site {
  const { hostPort, host, port } = object.spec;
  const [before = '', after = ''] = hostPort?.split(':') ?? [];
  const spec = apiVersion.endsWith('v2') ? { host: before, port: after } : { hostPort: `${host}:${port}` };
  return { ...object, apiVersion, spec };
}

interface Review {
  kind: string;
  apiVersion: string;
  request: { uid: string; desiredAPIVersion: string; objects: Site[] };
}
type Answer = { uid: string; result: { status: string; message?: string }; convertedObjects: unknown[] };

describe('conversion webhooks', () => {
  let server: RunningApiServer;
  let client: Client;
  const reviews: Review[] = [];
  /** What becomes of a right answer. */
  let spoil: (answer: Answer) => unknown;
  const one = (): ReturnType<typeof client.resource<Site>> => client.resource(v1, 'default');
  const two = (): ReturnType<typeof client.resource<Site>> => client.resource(v2, 'default');
  const site = (name: string, version: string, spec: Site['spec']): Site => ({
    apiVersion: `${group}/${version}`,
    kind: 'Site',
    metadata: { name },
    spec,
  });

  beforeAll(async () => {
    server = await startApiServer({
      conversionWebhooks: {
        async post(config, body) {
          expect(config.url).toBe('https://converter.example.com/');
          const review = JSON.parse(body) as Review;
          reviews.push(review);
          const { uid, desiredAPIVersion, objects } = review.request;
          const convertedObjects = objects.map(object => convert(object, desiredAPIVersion));
          const response = spoil({ uid, result: { status: 'Success' }, convertedObjects });
          return JSON.stringify({ kind: review.kind, apiVersion: review.apiVersion, response });
        },
      },
    });
    client = new Client(server.part.transport, { name: 'system:admin', groups: ['system:masters'] }, 'test');
    await install('v1');
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    reviews.length = 0;
    spoil = answer => answer;
  });

  async function install(storage: 'v1' | 'v2'): Promise<void> {
    const definitions = client.resource(Resources.CustomResourceDefinitions as unknown as ResourceReference<KubeObject>);
    await definitions.patch(`sites.${group}`, 'apply', definition(storage), { fieldManager: 'test', force: true });
    await whenEstablished(client, `sites.${group}`, { clock: new SystemClock(), timeoutMs: 10_000 });
  }

  it('convert what is written and what is read, each object once', async () => {
    await two().create(site('a', 'v2', { host: 'x', port: '1' }));
    expect((await one().get('a')).spec).toEqual({ hostPort: 'x:1' });
    expect(reviews.map(({ apiVersion, request }) => [apiVersion, request.desiredAPIVersion])).toEqual([
      ['apiextensions.k8s.io/v1', `${group}/v1`],
    ]);
    expect((await two().get('a')).spec).toEqual({ host: 'x', port: '1' });
    expect((await two().get('a')).apiVersion).toBe(`${group}/v2`);
    expect(reviews).toHaveLength(2);
    await two().patch('a', 'merge', { spec: { port: '2' } });
    expect((await one().get('a')).spec).toEqual({ hostPort: 'x:2' });
    await one().delete('a');
  });

  it('convert a list in one request', async () => {
    for (const name of ['a', 'b', 'c']) await one().create(site(name, 'v1', { hostPort: `${name}:1` }));
    const { entries } = await two().list();
    expect(entries.map(({ object }) => object.spec.host)).toEqual(['a', 'b', 'c']);
    expect(reviews.map(({ request }) => request.objects.length)).toEqual([3]);
    const selected = await two().list({ fieldSelector: 'spec.host=b' });
    expect(selected.entries.map(({ name }) => name)).toEqual(['b']);
    await two().deleteCollection();
    expect((await one().list()).entries).toEqual([]);
  });

  it('convert what watches see, in order', async () => {
    const { resourceVersion } = await two().list();
    const seen: string[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const event of two().watch({ resourceVersion, signal: stop.signal })) {
        if (event.type !== 'BOOKMARK') seen.push(`${event.type} ${event.entry.object.spec.host}`);
        if (seen.length === 4) stop.abort();
      }
    })();
    await one().create(site('w', 'v1', { hostPort: 'first:1' }));
    await two().patch('w', 'merge', { spec: { host: 'second' } });
    await one().patch('w', 'merge', { spec: { hostPort: 'third:1' } });
    await one().delete('w');
    await watching;
    expect(seen).toEqual(['ADDED first', 'MODIFIED second', 'MODIFIED third', 'DELETED third']);
  });

  it('are asked for what was stored before the storage version changed', async () => {
    await one().create(site('old', 'v1', { hostPort: 'o:1' }));
    await install('v2');
    await two().create(site('new', 'v2', { host: 'n', port: '2' }));
    expect((await two().list()).entries.map(({ object }) => object.spec)).toEqual([
      { host: 'n', port: '2' },
      { host: 'o', port: '1' },
    ]);
    expect((await one().get('new')).spec).toEqual({ hostPort: 'n:2' });
    await two().deleteCollection();
    await install('v1');
  });

  it('may change labels and annotations, and nothing else of the metadata', async () => {
    await one().create(site('m', 'v1', { hostPort: 'x:1' }));
    spoil = answer => {
      const [object] = answer.convertedObjects as [Site];
      const metadata = { ...object.metadata, labels: { a: 'b' }, generation: 99, finalizers: ['example.com/x'] };
      return { ...answer, convertedObjects: [{ ...object, metadata }] };
    };
    const { metadata } = await two().get('m');
    expect([metadata.labels, metadata.generation, metadata.finalizers]).toEqual([{ a: 'b' }, 1, undefined]);
    spoil = answer => answer;
    await one().delete('m');
  });

  const managers = (object: Site): string[] =>
    (object.metadata.managedFields ?? []).map(
      ({ manager, apiVersion, fieldsV1 }) => `${manager} ${apiVersion} ${Object.keys(fieldsV1!['f:spec'] as object).join()}`,
    );

  it('tell whose fields a writer of another version changes', async () => {
    await one().patch('p', 'apply', site('p', 'v1', { hostPort: 'x:1' }), { fieldManager: 'older' });
    await two().patch('p', 'merge', { spec: { port: '2' } }, { fieldManager: 'newer' });
    expect(managers(await two().get('p'))).toEqual([`newer ${group}/v2 f:port`]);
    await one().patch('p', 'apply', site('p', 'v1', { hostPort: 'x:3' }), { fieldManager: 'older', force: true });
    expect(managers(await one().get('p'))).toEqual([`older ${group}/v1 f:hostPort`]);
    const other = two().patch('p', 'apply', site('p', 'v2', { host: 'y' }), { fieldManager: 'newer' });
    await expect(other).rejects.toMatchObject({
      status: { code: 409, message: expect.stringContaining('conflict with "older": .spec.hostPort') },
    });
    await one().delete('p');
  });

  it('that fail leave an update without owners of fields, and an apply undone', async () => {
    await one().create(site('q', 'v1', { hostPort: 'x:1' }));
    await install('v2');
    spoil = answer => (answer.convertedObjects.some(object => (object as Site).apiVersion.endsWith('v1')) ? undefined : answer);
    const change = two().patch('q', 'apply', site('q', 'v2', { port: '2' }), { fieldManager: 'newer' });
    await expect(change).rejects.toMatchObject({
      status: { code: 500, message: `conversion webhook for ${group}/v2, Kind=Site failed: no response provided` },
    });
    const updated = await two().patch('q', 'merge', { spec: { port: '3' } });
    expect([updated.spec, updated.metadata.managedFields]).toEqual([{ host: 'x', port: '3' }, undefined]);
    spoil = answer => answer;
    await two().delete('q');
    await install('v1');
  });

  const faults: [string, (answer: Answer) => unknown, string][] = [
    ['no response', () => undefined, 'failed: no response provided'],
    ['another uid', answer => ({ ...answer, uid: 'x' }), 'failed: expected response.uid='],
    ['a failure', answer => ({ ...answer, result: { status: 'Failure', message: 'too old' } }), 'failed: too old'],
    ['no status', answer => ({ ...answer, result: {} }), "failed: response.result.status was '', not 'Success'"],
    ['too few objects', answer => ({ ...answer, convertedObjects: [] }), 'returned 0 objects, expected 1'],
    ['no object', answer => ({ ...answer, convertedObjects: [7] }), 'at index 0: not an object'],
    ['another version', answer => changed(answer, { apiVersion: `${group}/v9` }), 'invalid groupVersion'],
    ['another kind', answer => changed(answer, { kind: 'Cite' }), 'invalid kind (expected Site, received Cite)'],
    ['another name', answer => changed(answer, { metadata: { name: 'x' } }), 'must have the same name: f != x'],
    ['no metadata', answer => changed(answer, { metadata: undefined }), 'missing metadata in converted object'],
    ['broken labels', answer => relabelled(answer, { '-': 'x' }), 'metadata.labels: Invalid value: "-"'],
    ['numbers as labels', answer => relabelled(answer, { a: 1 }), 'metadata.labels[a] must be a string'],
  ];
  const changed = (answer: Answer, change: object): Answer => ({
    ...answer,
    convertedObjects: answer.convertedObjects.map(object => ({ ...(object as object), ...change })),
  });
  const relabelled = (answer: Answer, labels: object): Answer =>
    changed(answer, { metadata: { ...(answer.convertedObjects[0] as Site).metadata, labels } });

  it.each(faults)('that answer with %s are told about, and asked again', async (_what, fault, expected) => {
    await one().create(site('f', 'v1', { hostPort: 'x:1' }));
    spoil = fault;
    const about = `conversion webhook for ${group}/v1, Kind=Site`;
    await expect(two().get('f')).rejects.toMatchObject({ status: { code: 500, message: expect.stringContaining(about) } });
    await expect(two().list()).rejects.toThrow(expected);
    spoil = answer => answer;
    expect((await two().get('f')).spec).toEqual({ host: 'x', port: '1' });
    await one().delete('f');
  });
});
