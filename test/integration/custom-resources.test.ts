import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../core/base/clock.js';
import { silentLogger } from '../../core/base/logger.js';
import type { KubeObject, ResourceReference } from '../../core/plugin-api/index.js';
import { ApiTransport, Client, isStatusError, Resources, whenEstablished } from '../../core/plugin-api/index.js';
import type { TestCluster } from '../../core/testing/index.js';
import { startCluster } from '../../core/testing/index.js';
import { MemoryDatastore } from '../../plugins/datastore/memory/memory-datastore.js';
import type { RunningApiServer } from '../support/api-server.js';
import { connect, send } from '../differential/replay.js';
import { startApiServer } from '../support/api-server.js';
import type { Tool } from '../support/kubectl.js';
import { realTool, toolsRunHere } from '../support/kubectl.js';

type Foo = KubeObject & { spec?: Record<string, unknown>; status?: Record<string, unknown> };

const group = 'test.example.com';
const foos: ResourceReference<Foo> = { group, version: 'v1', resource: 'foos', kind: 'Foo', namespaced: true };
const administrator = { name: 'system:admin', groups: ['system:masters'] };
const clock = new SystemClock();

function definition(change: { properties?: object; version?: object; versions?: object[] } = {}): KubeObject {
  const spec = { type: 'object', properties: { size: { type: 'integer', default: 1 }, ...change.properties } };
  const first = {
    name: 'v1',
    served: true,
    storage: true,
    subresources: { status: {} },
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec, status: { type: 'object', properties: { ready: { type: 'boolean' } } } },
      },
    },
    ...change.version,
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `foos.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'foos', kind: 'Foo', shortNames: ['fo'] },
      versions: [first, ...(change.versions ?? [])],
    },
  } as KubeObject;
}

function foo(name: string, spec: object = {}, metadata: object = {}): Foo {
  return { apiVersion: `${group}/v1`, kind: 'Foo', metadata: { name, ...metadata }, spec: { ...spec } };
}

const versionOf = (object: KubeObject): object => (object as unknown as { spec: { versions: object[] } }).spec.versions[0]!;
const definitions = Resources.CustomResourceDefinitions as unknown as ResourceReference<KubeObject>;

async function install(client: Client, object = definition()): Promise<void> {
  await client.resource(definitions).patch(object.metadata.name!, 'apply', object, { fieldManager: 'test', force: true });
  expect(await whenEstablished(client, object.metadata.name!, { clock, timeoutMs: 10_000 })).toBe(true);
}

async function until<T>(what: () => Promise<T | undefined | false>): Promise<T> {
  for (let tries = 0; tries < 600; tries++) {
    const found = await what();
    if (found) return found;
    await new Promise(resolve => setTimeout(resolve, 25));
  }
  throw new Error('it did not happen');
}

const isGone = async (client: Client, name = `foos.${group}`): Promise<boolean> =>
  client
    .resource(definitions)
    .get(name)
    .then(
      () => false,
      error => isStatusError(error, 'NotFound'),
    );

describe('custom resources of an API server', () => {
  let datastore: MemoryDatastore;
  let server: RunningApiServer;
  let client: Client;

  const start = async (): Promise<RunningApiServer> => startApiServer({ sharedDatastore: datastore });
  const clientOf = ({ part }: RunningApiServer): Client => new Client(part.transport, administrator, 'test');

  const restart = async (): Promise<void> => {
    await server.stop();
    server = await start();
    client = clientOf(server);
  };

  beforeAll(async () => {
    datastore = new MemoryDatastore({ clock, logger: silentLogger });
    await datastore.open();
    server = await start();
    client = clientOf(server);
    await install(client);
  });

  afterAll(async () => {
    await server.stop();
    await datastore.close();
  });

  it('are there again after a restart, with what they define', async () => {
    await client.resource(foos, 'default').create(foo('kept', { size: 3 }));
    await restart();
    expect((await client.resource(foos, 'default').get('kept')).spec).toEqual({ size: 3 });
    expect(server.part.catalogue.resources().some(({ reference }) => reference.kind === 'Foo')).toBe(true);
  });

  it('are defined by server-side apply, whose schemas have parts of more than one form', async () => {
    const parts = {
      list: { type: 'array', items: { type: 'string' } },
      labels: { type: 'object', additionalProperties: { type: 'string' } },
      mode: { type: 'string', enum: ['a', 'b'], default: 'a' },
    };
    await install(client, definition({ properties: parts }));
    await install(client, definition({ properties: { ...parts, mode: { type: 'string', default: 'b' } } }));
    const spec = { properties: { list: parts.list, labels: parts.labels, mode: { type: 'string', default: 'b' } } };
    expect(await client.resource(definitions).get(`foos.${group}`)).toMatchObject({
      spec: { versions: [{ schema: { openAPIV3Schema: { properties: { spec } } } }] },
    });
    await install(client);
  });

  it('keep whole numbers that no double holds', async () => {
    await install(client, definition({ properties: { id: { type: 'integer' } } }));
    await client.resource(foos, 'default').create(foo('wide', { id: 9007199254740993n }));
    await client.resource(foos, 'default').patch('wide', 'merge', { spec: { size: 2 } });
    expect((await client.resource(foos, 'default').get('wide')).spec).toEqual({ id: 9007199254740993n, size: 2 });
    await restart();
    expect((await client.resource(foos, 'default').get('wide')).spec).toEqual({ id: 9007199254740993n, size: 2 });
    await client.resource(foos, 'default').delete('wide');
    await install(client);
  });

  it('are the same to all servers on a datastore, while these run', async () => {
    const other = await start();
    try {
      const there = clientOf(other);
      await client.resource(foos, 'default').create(foo('shared'));
      expect((await there.resource(foos, 'default').get('shared')).spec).toEqual({ size: 1 });
      const second = {
        ...definition(),
        metadata: { name: `bars.${group}` },
        spec: { ...(definition() as unknown as { spec: object }).spec, names: { plural: 'bars', kind: 'Bar' } },
      } as KubeObject;
      const bars = { ...foos, resource: 'bars', kind: 'Bar' };
      await install(there, second);
      const bar = { ...foo('one'), kind: 'Bar' };
      await until(async () =>
        client
          .resource(bars, 'default')
          .create(bar)
          .then(
            () => true,
            error => !isStatusError(error, 'NotFound') && Promise.reject(error as Error),
          ),
      );
      expect((await there.resource(bars, 'default').get('one')).metadata.name).toBe('one');
      await there.resource(definitions).delete(`bars.${group}`);
      await until(async () => isGone(client, `bars.${group}`));
      await until(async () => !server.part.catalogue.resources().some(({ reference }) => reference.kind === 'Bar'));
    } finally {
      await other.stop();
    }
  });

  it('show old objects as a changed definition has them, and end watches then', async () => {
    const items = client.resource(foos, 'default');
    await items.create(foo('older'));
    const { resourceVersion } = await items.list();
    const seen: string[] = [];
    const watching = (async () => {
      for await (const event of items.watch({ resourceVersion })) seen.push(event.type);
    })();
    await items.create(foo('seen'));
    await until(async () => seen.length === 1);
    await install(client, definition({ properties: { color: { type: 'string', default: 'red' } } }));
    await watching;
    expect(seen).toEqual(['ADDED']);
    expect((await items.get('older')).spec).toEqual({ size: 1, color: 'red' });
    const shown = await items.list();
    expect(shown.entries.find(({ name }) => name === 'older')?.object.spec).toEqual({ size: 1, color: 'red' });
  });

  it('are removed before their definition, once whoever has a finalizer on them lets go', async () => {
    const items = client.resource(foos, 'default');
    await items.create(foo('held', {}, { finalizers: ['example.com/held'] }));
    await client.resource(definitions).delete(`foos.${group}`);
    await until(async () => (await items.list()).entries.length === 1);
    const { status } = await client.resource(Resources.CustomResourceDefinitions).get(`foos.${group}`);
    expect(status?.conditions?.find(({ type }) => type === 'Terminating')).toMatchObject({
      status: 'True',
      reason: 'InstanceDeletionInProgress',
    });
    await expect(items.create(foo('late'))).rejects.toThrow('create not allowed while custom resource definition is terminating');
    // Discovery stops naming what would make or change something, the documents go on.
    const asking = await connect(server.kubeconfig);
    const get = async (path: string): Promise<unknown> => (await send(asking, { method: 'GET', path })).body;
    const base = `/apis/${group}/v1`;
    const { resources } = (await get(base)) as { resources: { name: string; verbs: string[] }[] };
    expect(resources.find(({ name }) => name === 'foos')?.verbs).toEqual(['delete', 'deletecollection', 'get', 'list', 'watch']);
    const document = (await get(`/openapi/v3${base}`)) as {
      paths: Record<string, object>;
      components: { schemas: Record<string, Record<string, unknown>> };
    };
    expect(Object.keys(document.paths[`${base}/namespaces/{namespace}/foos`]!)).toContain('post');
    expect(Object.keys(document.paths[`${base}/namespaces/{namespace}/foos/{name}`]!)).toContain('put');
    const deleteOptions = document.components.schemas['io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions'];
    const kinds = deleteOptions?.['x-kubernetes-group-version-kind'] as { group: string }[];
    expect(kinds.map(kind => kind.group)).toContain('apps');
    expect(kinds.map(kind => kind.group)).not.toContain(group);
    asking.agent.destroy();
    await items.patch('held', 'merge', { metadata: { finalizers: null } });
    await until(async () => isGone(client));
    await expect(items.list()).rejects.toMatchObject({ status: { reason: 'NotFound' } });
    await install(client);
    expect((await items.list()).entries).toEqual([]);
  });

  it('refuse clearly what only a conversion webhook could do that is not there', async () => {
    const versions = [
      { ...(definition() as unknown as { spec: { versions: [object] } }).spec.versions[0], name: 'v2', storage: false },
    ];
    const object = definition({ versions }) as unknown as { spec: Record<string, unknown> };
    const webhook = { conversionReviewVersions: ['v1'], clientConfig: { url: 'https://127.0.0.1:1/' } };
    object.spec['conversion'] = { strategy: 'Webhook', webhook };
    await install(client, object as unknown as KubeObject);
    const items = client.resource(foos, 'default');
    await items.create(foo('stored'));
    expect((await items.get('stored')).spec).toEqual({ size: 1 });
    const reason = 'dial tcp 127.0.0.1:1: connect: connection refused';
    const text = `Kind=Foo failed: Post "https://127.0.0.1:1/?timeout=30s": ${reason}`;
    const second = client.resource({ ...foos, version: 'v2' }, 'default');
    await expect(second.get('stored')).rejects.toThrow(text);
    await expect(second.list()).rejects.toThrow(text);
    await expect(second.create({ ...foo('new'), apiVersion: `${group}/v2` })).rejects.toThrow(text);
    await items.delete('stored');
    expect((await second.list()).entries).toEqual([]);
  });

  it('leaves what the server has of its own alone', async () => {
    const name = 'leases.coordination.k8s.io';
    const own = definition() as unknown as { metadata: object; spec: Record<string, unknown> };
    own.metadata = { name, annotations: { 'api-approved.kubernetes.io': 'unapproved, a test' } };
    own.spec['group'] = 'coordination.k8s.io';
    own.spec['names'] = { plural: 'leases', kind: 'Lease' };
    await client.resource(Resources.Leases, 'default').create({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: { name: 'mine' },
      spec: {},
    });
    await install(client, own as unknown as KubeObject);
    await client.resource(definitions).delete(name);
    await until(async () => isGone(client, name));
    expect((await client.resource(Resources.Leases, 'default').get('mine')).kind).toBe('Lease');
  });
});

describe('custom resources of a whole cluster', () => {
  let cluster: TestCluster;
  let client: Client;

  beforeAll(async () => {
    cluster = await startCluster();
    client = new Client(cluster.get<ApiTransport>(ApiTransport), administrator, 'test');
    await install(client);
  });
  afterAll(() => cluster.stop());

  it('go with their namespace', async () => {
    await client
      .resource(Resources.Namespaces)
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'short' } } as never);
    await client.resource(foos, 'short').create(foo('one'));
    await client.resource(Resources.Namespaces).delete('short');
    await until(async () =>
      client
        .resource(Resources.Namespaces)
        .get('short')
        .then(
          () => false,
          error => isStatusError(error, 'NotFound'),
        ),
    );
    expect((await client.resource(foos, 'short').list()).entries).toEqual([]);
  });

  it('are owners and owned', async () => {
    const owner = await client.resource(foos, 'default').create(foo('owner'));
    const { uid } = owner.metadata;
    const ownerReferences = [{ apiVersion: `${group}/v1`, kind: 'Foo', name: 'owner', uid: uid! }];
    const maps = client.resource(Resources.ConfigMaps, 'default');
    await maps.create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'owned', ownerReferences } } as never);
    await client.resource(foos, 'default').create(foo('owned', {}, { ownerReferences }));
    await client.resource(foos, 'default').delete('owner', { propagationPolicy: 'Foreground' });
    const isAbsent = (get: Promise<unknown>): Promise<boolean> =>
      get.then(
        () => false,
        error => isStatusError(error, 'NotFound'),
      );
    await until(async () => isAbsent(maps.get('owned')));
    await until(async () => isAbsent(client.resource(foos, 'default').get('owned')));
    await until(async () => isAbsent(client.resource(foos, 'default').get('owner')));
  }, 120_000);

  it('are counted by quotas', async () => {
    const count = `count/foos.${group}`;
    await client
      .resource(Resources.Namespaces)
      .create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'few' } } as never);
    const quotas = client.resource(Resources.ResourceQuotas, 'few');
    await quotas.create({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'q' },
      spec: { hard: { [count]: '1' } },
    } as never);
    await until(async () => (await quotas.get('q')).status?.used?.[count] === '0');
    await client.resource(foos, 'few').create(foo('one'));
    await expect(client.resource(foos, 'few').create(foo('two'))).rejects.toThrow(`exceeded quota: q, requested: ${count}=1`);
  });

  it('are what roles allow', async () => {
    const jane = new Client(cluster.get<ApiTransport>(ApiTransport), { name: 'jane', groups: ['system:authenticated'] });
    await expect(jane.resource(foos, 'default').list()).rejects.toMatchObject({ status: { reason: 'Forbidden' } });
    const rbac = { group: 'rbac.authorization.k8s.io', version: 'v1', namespaced: false };
    const apply = (resource: string, kind: string, object: object): Promise<unknown> =>
      client
        .resource({ ...rbac, resource, kind } as ResourceReference<KubeObject>)
        .create({ apiVersion: 'rbac.authorization.k8s.io/v1', kind, ...object } as KubeObject);
    // The built-in role takes it over by its label.
    await apply('clusterroles', 'ClusterRole', {
      metadata: { name: 'foo-viewer', labels: { 'rbac.authorization.k8s.io/aggregate-to-view': 'true' } },
      rules: [{ apiGroups: [group], resources: ['foos'], verbs: ['list'] }],
    });
    await apply('clusterrolebindings', 'ClusterRoleBinding', {
      metadata: { name: 'jane' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
      subjects: [{ kind: 'User', name: 'jane', apiGroup: 'rbac.authorization.k8s.io' }],
    });
    await until(async () =>
      jane
        .resource(foos, 'default')
        .list()
        .then(
          () => true,
          () => false,
        ),
    );
  });
});

(toolsRunHere ? describe : describe.skip)('the real kubectl on custom resources', () => {
  let server: RunningApiServer;
  let kubectl: Tool;

  beforeAll(async () => {
    server = await startApiServer();
    kubectl = await realTool('kubectl', server.kubeconfig, server.directory);
  });
  afterAll(() => server.stop());

  async function succeed(argumentList: string[], input = ''): Promise<string> {
    const result = await kubectl(argumentList, { input });
    if (result.code !== 0) throw new Error(`kubectl ${argumentList.join(' ')}: ${result.stderr}`);
    return result.stdout;
  }

  it('applies, explains, scales, shows and deletes them', async () => {
    const subresources = { scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.count' } };
    const additionalPrinterColumns = [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }];
    const object = definition({
      properties: { size: { type: 'integer', description: 'how large it is', default: 1 } },
      version: { subresources, additionalPrinterColumns },
    });
    await succeed(['apply', '-f', '-'], JSON.stringify(object));
    await succeed(['wait', '--for=condition=Established', `crd/foos.${group}`]);
    await succeed(['apply', '-f', '-'], JSON.stringify(foo('one')));
    await succeed(['scale', 'foo', 'one', '--replicas=4']);
    expect(await succeed(['get', 'fo'])).toMatch(/^NAME\s+SIZE\none\s+4\n$/);
    expect(await succeed(['explain', 'foos.spec.size'])).toContain('how large it is');
    expect(await succeed(['apply', '--server-side', '-f', '-'], JSON.stringify(foo('two', { size: 2 })))).toContain(
      'serverside-applied',
    );
    const wrong = await kubectl(['apply', '-f', '-'], { input: JSON.stringify(foo('three', { odd: 1 })) });
    expect(wrong.stderr).toContain('unknown field "spec.odd"');
    await succeed(['delete', 'crd', `foos.${group}`]);
    // kubectl may still know of it.
    expect((await kubectl(['get', 'foos'])).stderr).toMatch(/doesn't have a resource type|could not find the requested resource/);
  });
});

it('a definition that cannot be served keeps neither the server nor the others from starting, and can be mended', async () => {
  const datastore = new MemoryDatastore({ clock, logger: silentLogger });
  await datastore.open();
  let server: RunningApiServer | undefined;
  const start = async (): Promise<Client> => {
    server = await startApiServer({ sharedDatastore: datastore });
    return new Client(server.part.transport, administrator, 'test');
  };
  try {
    await install(await start());
    await server!.stop();
    const key = `/registry/apiextensions.k8s.io/customresourcedefinitions/foos.${group}`;
    const stored = (await datastore.get(key))!;
    const object = JSON.parse(Buffer.from(stored.value).toString()) as { spec: { versions: { storage: boolean }[] } };
    object.spec.versions[0]!.storage = false;
    await datastore.update(key, Buffer.from(JSON.stringify(object)), stored.modRevision);
    const client = await start();
    await expect(client.resource(foos, 'default').list()).rejects.toMatchObject({ status: { code: 404 } });
    await client
      .resource(definitions)
      .patch(`foos.${group}`, 'json', [{ op: 'replace', path: '/spec/versions/0/storage', value: true }]);
    await until(async () => (await client.resource(foos, 'default').list()).entries.length === 0);
  } finally {
    await server?.stop();
    await datastore.close();
  }
}, 30_000);

it('objects are collected and counted though the version in which they were seen is served no more', async () => {
  const cluster = await startCluster({ arguments: ['--disable-agent'] });
  try {
    const { client } = cluster;
    const old = { version: { name: 'v1alpha1' } };
    await install(client, definition(old));
    const quotas = client.resource(Resources.ResourceQuotas, 'default');
    const counted = `count/foos.${group}`;
    await quotas.create({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'q' },
      spec: { hard: { [counted]: '5' } },
    } as never);
    const used = async (): Promise<string | undefined> => (await quotas.get('q')).status?.used?.[counted];
    const alpha = { ...foos, version: 'v1alpha1' };
    const first = foo('first');
    await until(async () => (await used()) === '0');
    await client.resource(alpha, 'default').create({ ...first, apiVersion: `${group}/v1alpha1` });
    await until(async () => (await used()) === '1');
    await install(client, definition({ versions: [{ ...versionOf(definition(old)), served: false, storage: false }] }));
    await until(async () => (await client.resource(foos, 'default').objects()).length === 1);
    const owner = await client
      .resource(Resources.ConfigMaps, 'default')
      .create({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'owner' } });
    const reference = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: owner.metadata.uid! };
    for (const name of ['second', 'third']) {
      await client.resource(foos, 'default').create(foo(name, {}, { ownerReferences: [reference] }));
    }
    await client.resource(foos, 'default').patch('first', 'merge', { metadata: { ownerReferences: [reference] } });
    await client.resource(Resources.ConfigMaps, 'default').delete('owner');
    await until(async () => (await client.resource(foos, 'default').objects()).length === 0);
    await until(async () => (await used()) === '0');
  } finally {
    await cluster.stop();
  }
}, 60_000);
