import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { text } from 'node:stream/consumers';
import { WebSocket } from 'ws';
import { APIServices, ClusterRoleBindings, ClusterRoles, ConfigMaps } from '../../core/api/generated/resources.js';
import type { APIService } from '../../core/api/generated/types.js';
import type { ResourceReference } from '../../core/api/resource-reference.js';
import { StatusError } from '../../core/machinery/status-error.js';
import { lines } from '../../core/client/lines.js';
import { MetricsGroup } from '../../plugins/metrics/metrics-server/metrics-group.js';
import { until } from '../../core/testing/until.js';
import { administrator, AggregationBench } from '../support/aggregation-bench.js';

interface Fish {
  metadata: { name: string; namespace?: string };
}

const fishes: ResourceReference<Fish> = {
  group: 'fish.example.com',
  version: 'v1',
  resource: 'fishes',
  kind: 'Fish',
  namespaced: true,
};
const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const discoveredIn = (body: string, name: string): { version: string; freshness: string; resources?: object[] }[] =>
  (JSON.parse(body) as { items: { metadata: { name?: string }; versions: never[] }[] }).items.find(
    ({ metadata }) => metadata.name === name,
  )?.versions ?? [];

describe('API aggregation', () => {
  let bench: AggregationBench;

  beforeAll(async () => {
    bench = await AggregationBench.start();
  });
  afterAll(() => bench.stop());

  it('says of an APIService what is missing, until its server answers', async () => {
    await bench.register();
    expect(await bench.condition('ServiceNotFound')).toBe('service/fish in "default" is not present');
    const refused = await bench.ask(`${bench.root}/namespaces/default/fishes`);
    expect([refused.code, refused.body, refused.headers['content-type']]).toEqual([
      503,
      'service unavailable\n',
      'text/plain; charset=utf-8',
    ]);
    await bench.service();
    expect(await bench.condition('EndpointsNotFound')).toBe('cannot find endpointslices for service/fish in "default"');
    await bench.endpoints();
    expect(await bench.condition('Passed')).toBe('all checks passed');
    expect(bench.extension.requests.every(({ url }) => url === bench.root || url === '/apis')).toBe(true);
    expect(bench.extension.requests[0]!.headers).toMatchObject({
      'x-remote-user': 'system:kube-aggregator',
      'x-remote-group': 'system:masters',
    });
    await until('its discovery', () => bench.api.part.catalogue.extensions!().every(({ isCurrent }) => isCurrent));
  });

  it('is how clients reach its resources, with their names and nothing of their credentials', async () => {
    const created = await bench.ask(`${bench.root}/namespaces/default/fishes?fieldManager=me`, {
      method: 'POST',
      body: { metadata: { name: 'nemo' } },
      headers: { 'x-remote-user': 'somebody', 'x-remote-extra-more': 'x', authorization: 'Basic bWU6aXQ=', 'x-own': 'kept' },
    });
    expect([created.code, JSON.parse(created.body)]).toMatchObject([201, { kind: 'Fish', metadata: { namespace: 'default' } }]);
    const seen = bench.extension.requests.at(-1)!;
    expect(seen).toMatchObject({
      method: 'POST',
      url: `${bench.root}/namespaces/default/fishes?fieldManager=me`,
      client: 'system:auth-proxy',
      headers: { 'x-remote-user': 'system:admin', 'x-own': 'kept', 'x-forwarded-proto': 'https', host: '192.0.2.9:8443' },
    });
    expect(seen.headers['x-remote-group']).toContain('system:masters');
    expect(seen.headers['x-remote-extra-more']).toBeUndefined();
    expect(seen.headers.authorization).toBeUndefined();
    expect(seen.headers['audit-id']).toBe(created.headers['audit-id']);
    const missing = await bench.ask(`${bench.root}/namespaces/default/fishes/dory`);
    expect([missing.code, JSON.parse(missing.body)]).toMatchObject([404, { message: 'fishes "dory" not found' }]);
  });

  it('asks the server nothing that its caller may not do', async () => {
    const before = bench.extension.requests.length;
    const as = { 'impersonate-user': 'eve', 'impersonate-group': 'system:authenticated', 'impersonate-extra-a%2fb': 'c' };
    const path = `${bench.root}/namespaces/default/fishes`;
    const refused = await bench.ask(path, { headers: as });
    expect([refused.code, JSON.parse(refused.body)]).toMatchObject([
      403,
      {
        message:
          'fishes.fish.example.com is forbidden: User "eve" cannot list resource "fishes" in API group "fish.example.com" in the namespace "default"',
      },
    ]);
    const inProcess = bench.api.part.transport.list({ caller: { name: 'eve', groups: [] }, resource: fishes });
    await expect(inProcess).rejects.toMatchObject({ code: 'Forbidden' });
    expect(bench.extension.requests).toHaveLength(before);
    await bench.create(ClusterRoles as ResourceReference, {
      metadata: { name: 'fish' },
      rules: [{ apiGroups: ['fish.example.com'], resources: ['fishes'], verbs: ['list'] }],
    });
    await bench.create(ClusterRoleBindings as ResourceReference, {
      metadata: { name: 'fish' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'fish' },
      subjects: [{ kind: 'User', name: 'eve', apiGroup: 'rbac.authorization.k8s.io' }],
    });
    await until('the right to list', async () => (await bench.ask(path, { headers: as })).code === 200);
    const { headers } = bench.extension.requests.at(-1)!;
    expect(headers).toMatchObject({ 'x-remote-user': 'eve', 'x-remote-extra-a%2fb': 'c' });
    expect(Object.keys(headers).filter(name => name.startsWith('impersonate'))).toEqual([]);
  });

  it('passes a watch on as it comes', async () => {
    const watch = await bench.open(`${bench.root}/fishes?watch=true`);
    const events = lines(watch);
    await bench.ask(`${bench.root}/namespaces/default/fishes`, { method: 'POST', body: { metadata: { name: 'marlin' } } });
    const first = (await events.next()).value as string;
    expect(JSON.parse(first)).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'marlin' } } });
    watch.destroy();
  });

  it('passes upgrades on', async () => {
    const { host, port, ca, cert, key } = bench.credentials;
    const socket = new WebSocket(`wss://${String(host)}:${String(port)}${bench.root}/namespaces/default/fishes/nemo/talk`, {
      ca: ca as string,
      cert: cert as string,
      key: key as string,
    });
    const answer = await new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('open', () => socket.send('hello'));
      socket.once('message', data => resolve(String(data)));
    });
    expect(answer).toBe('echo hello');
    expect(bench.extension.requests.at(-1)).toMatchObject({
      client: 'system:auth-proxy',
      headers: { 'x-remote-user': 'system:admin' },
    });
    socket.terminate();
  });

  it('does not let the server send clients elsewhere', async () => {
    bench.extension.answer(`${bench.root}/redirect`, (_request, response) => {
      response.writeHead(302, { Location: 'https://elsewhere.example' }).end();
    });
    const answer = await bench.ask(`${bench.root}/redirect`);
    expect([answer.code, answer.body, answer.headers.location]).toEqual([
      502,
      'the backend attempted to redirect this request, which is not permitted',
      undefined,
    ]);
  });

  it('shows its resources in discovery, behind groups of higher priority', async () => {
    const legacy = await bench.ask('/apis');
    const names = (JSON.parse(legacy.body) as { groups: { name: string }[] }).groups.map(({ name }) => name);
    expect(names[0]).toBe('apiregistration.k8s.io');
    expect(names.at(-1)).toBe('fish.example.com');
    expect(JSON.parse((await bench.ask('/apis/fish.example.com')).body)).toMatchObject({
      name: 'fish.example.com',
      preferredVersion: { groupVersion: 'fish.example.com/v1' },
    });
    expect(JSON.parse((await bench.ask(bench.root)).body)).toMatchObject({
      kind: 'APIResourceList',
      resources: [{ name: 'fishes' }],
    });
    const [version] = discoveredIn((await bench.ask('/apis', { headers: { accept: aggregated } })).body, 'fish.example.com');
    expect(version).toMatchObject({
      version: 'v1',
      freshness: 'Current',
      resources: [{ resource: 'fishes', scope: 'Namespaced' }],
    });
  });

  it('adds its OpenAPI documents to ours', async () => {
    const index = JSON.parse((await bench.ask('/openapi/v3')).body) as { paths: Record<string, { serverRelativeURL: string }> };
    expect(index.paths['apis/fish.example.com/v1']!.serverRelativeURL).toBe('/openapi/v3/apis/fish.example.com/v1?hash=F');
    expect(index.paths['api/v1']!.serverRelativeURL).toContain('?hash=');
    const v3 = await bench.ask('/openapi/v3/apis/fish.example.com/v1?hash=F');
    expect(JSON.parse(v3.body)).toMatchObject({ openapi: '3.0.0', info: { title: 'fish' } });
    expect((await bench.ask('/openapi/v3/apis/fish.example.com/v9')).code).toBe(404);
    const v2 = JSON.parse((await bench.ask('/openapi/v2')).body) as { paths: object; definitions: Record<string, unknown> };
    expect(v2.paths).toHaveProperty([`${bench.root}/fishes`]);
    expect(v2.definitions['example.Fish']).toMatchObject({
      properties: { metadata: { $ref: '#/definitions/io.k8s.api.core.v1.Pod_v2' } },
    });
    expect(v2.definitions['io.k8s.api.core.v1.Pod_v2']).toEqual({ type: 'string' });
    expect(v2.definitions).not.toHaveProperty('unused');
    const protobuf = await bench.ask('/openapi/v2', {
      headers: { accept: 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf' },
    });
    expect(protobuf.body).toContain('example.Fish');
  });

  it('serves parts in the process as it serves clients', async () => {
    const { transport } = bench.api.part;
    const call = { caller: administrator, resource: fishes, namespace: 'default' };
    expect(bench.api.part.catalogue.resources().some(({ reference }) => reference.resource === 'fishes')).toBe(true);
    const { entries } = await transport.list(call);
    expect(entries.map(({ name }) => name).sort()).toEqual(['marlin', 'nemo']);
    const stop = new AbortController();
    const watch = transport.watch({ ...call, signal: stop.signal })[Symbol.asyncIterator]();
    const next = watch.next();
    await until('a watch', () => bench.extension.requests.some(({ url }) => url.includes('fishes?watch')));
    await transport.create({ ...call, object: { metadata: { name: 'bruce' } } });
    expect((await next).value).toMatchObject({ type: 'ADDED', entry: { name: 'bruce' } });
    stop.abort();
    await watch.next();
    await transport.delete({ ...call, name: 'bruce' });
    await expect(transport.get({ ...call, name: 'bruce' })).rejects.toMatchObject({ code: 'NotFound' });
    await transport.deleteCollection(call);
    expect((await transport.list(call)).entries).toEqual([]);
  });

  it('tells extension servers whom they may believe, whatever is done to it', async () => {
    const { transport, certificates } = bench.api.part;
    const call = {
      caller: administrator,
      resource: ConfigMaps,
      namespace: 'kube-system',
      name: 'extension-apiserver-authentication',
    };
    const { data } = await transport.get(call);
    expect(data).toMatchObject({
      'requestheader-allowed-names': '["system:auth-proxy"]',
      'requestheader-username-headers': '["X-Remote-User"]',
      'requestheader-client-ca-file': certificates.requestHeaderAuthority.certificatePem,
      'client-ca-file': certificates.clientCaPem,
    });
    await transport.patch({
      ...call,
      type: 'merge',
      patch: { data: { 'client-ca-file': null, 'requestheader-allowed-names': '["other"]' } },
    });
    await until('what was taken away', async () => {
      const now = (await transport.get(call)).data!;
      return (
        now['client-ca-file'] === data!['client-ca-file'] &&
        now['requestheader-allowed-names'] === '["other","system:auth-proxy"]'
      );
    });
    await transport.delete(call);
    await until('the ConfigMap again', async () => (await transport.get(call)).data !== undefined);
  });

  it('keeps its resources in discovery, as stale, while it is down', async () => {
    bench.extension.broken = 500;
    bench.extension.breakConnections();
    await bench.api.part.transport.patch({
      caller: administrator,
      resource: APIServices,
      name: bench.name,
      type: 'merge',
      patch: { spec: { versionPriority: 11 } },
    });
    expect(await bench.condition('FailedDiscoveryCheck')).toMatch(
      /^failing or missing response from https:\/\/192\.0\.2\.9:8443\/apis\/fish\.example\.com\/v1: bad status from https:.*: 500$/,
    );
    const stale = await until('a stale version', async () => {
      const { body } = await bench.ask('/apis', { headers: { accept: aggregated } });
      return discoveredIn(body, 'fish.example.com').find(({ freshness }) => freshness === 'Stale');
    });
    expect(stale.resources).toMatchObject([{ resource: 'fishes' }]);
    expect(bench.api.part.catalogue.extensions!()).toEqual([{ group: 'fish.example.com', version: 'v1', isCurrent: false }]);
    const failed = bench.api.part.transport.list({ caller: administrator, resource: fishes });
    await expect(failed).rejects.toThrow(StatusError);
    await expect(failed).rejects.toMatchObject({ code: 'ServiceUnavailable' });
    const { body } = await bench.ask('/metrics');
    expect(body).toContain('aggregator_unavailable_apiservice{name="v1.fish.example.com"} 1');
    expect(body).toContain('aggregator_unavailable_apiservice_total{name="v1.fish.example.com",reason="FailedDiscoveryCheck"} 1');
    const groups = JSON.parse((await bench.ask('/apis')).body) as { groups: { name: string }[] };
    expect(groups.groups.some(({ name }) => name === 'fish.example.com')).toBe(true);
    bench.extension.broken = undefined;
    await bench.condition('Passed');
    await until('it is current again', () => bench.api.part.catalogue.extensions!().every(({ isCurrent }) => isCurrent));
  });

  it('forgets it with its APIService', async () => {
    await bench.api.part.transport.delete({ caller: administrator, resource: APIServices, name: bench.name });
    await until('another catalogue', () => bench.api.part.catalogue.extensions!().length === 0);
    expect((await bench.ask(bench.root)).code).toBe(404);
    expect((await bench.ask('/apis/fish.example.com')).code).toBe(404);
    expect((await bench.ask('/openapi/v2')).body).not.toContain('example.Fish');
    await expect(bench.api.part.transport.list({ caller: administrator, resource: fishes })).rejects.toMatchObject({
      code: 'NotFound',
    });
  });
});

describe('The APIService of a group of this server', () => {
  let bench: AggregationBench;
  afterAll(() => bench.stop());

  it('may be deleted: the group is served as before, but listed no more', async () => {
    bench = await AggregationBench.start();
    const listed = async (): Promise<boolean> => (await bench.ask('/apis')).body.includes('"node.k8s.io"');
    expect(await listed()).toBe(true);
    await bench.api.part.transport.delete({ caller: administrator, resource: APIServices, name: 'v1.node.k8s.io' });
    await until('another list', async () => !(await listed()));
    expect((await bench.ask('/apis/node.k8s.io/v1/runtimeclasses')).code).toBe(200);
    expect((await bench.ask('/apis/node.k8s.io')).code).toBe(200);
    expect(discoveredIn((await bench.ask('/apis', { headers: { accept: aggregated } })).body, 'node.k8s.io')).toHaveLength(1);
  });
});

describe('An extension server of another kind', () => {
  let bench: AggregationBench;
  afterAll(() => bench.stop());

  it('is not believed with a certificate of someone else, unless its APIService says so', async () => {
    bench = await AggregationBench.start({ names: ['other.default.svc'], legacyDiscovery: true, withoutV3: true });
    bench.extension.extraResources = ['fishes/scale', 'ponds/status'];
    await bench.service(444);
    await bench.endpoints();
    await bench.register();
    expect(await bench.condition('ServicePortError')).toBe('service/fish in "default" is not listening on port 443');
    const patch = (spec: object): Promise<APIService> =>
      bench.api.part.transport.patch({
        caller: administrator,
        resource: APIServices,
        name: bench.name,
        type: 'merge',
        patch: { spec },
      });
    await patch({ service: { port: 444 } });
    expect(await bench.condition('FailedDiscoveryCheck')).toContain(
      `Get "https://192.0.2.9:8443${bench.root}": tls: failed to verify certificate: x509: certificate is valid for other.default.svc, not fish.default.svc`,
    );
    await patch({ caBundle: null });
    await until('another fault', async () => (await bench.condition('FailedDiscoveryCheck')).includes('unknown authority'));
    await patch({ insecureSkipTLSVerify: true });
    await bench.condition('Passed');
  });

  it('may know the older forms only', async () => {
    await until('its discovery', () => bench.api.part.catalogue.extensions!().every(({ isCurrent }) => isCurrent));
    const { body } = await bench.ask('/apis', { headers: { accept: aggregated } });
    expect(discoveredIn(body, 'fish.example.com')).toMatchObject([
      {
        freshness: 'Current',
        resources: [
          { resource: 'fishes', subresources: [{ subresource: 'scale' }] },
          { resource: 'ponds', verbs: [] },
        ],
      },
    ]);
    const index = JSON.parse((await bench.ask('/openapi/v3')).body) as { paths: object };
    expect(index.paths).toHaveProperty(['apis/fish.example.com/v1']);
    const path = '/openapi/v3/apis/fish.example.com/v1';
    const { headers, body: text } = await bench.ask(path);
    expect((await bench.ask(path, { headers: { 'if-none-match': headers.etag! } })).code).toBe(304);
    expect((await bench.ask(path, { headers: { 'if-modified-since': headers['last-modified']! } })).code).toBe(304);
    expect(JSON.parse(text)).toMatchObject({
      openapi: '3.0.0',
      paths: {
        [`${bench.root}/fishes`]: {
          get: {
            responses: { 200: { content: { 'application/json': { schema: { $ref: '#/components/schemas/example.Fish' } } } } },
          },
        },
      },
    });
  });

  it('gives a broken answer as a broken one, and none as 503', async () => {
    bench.extension.answer(`${bench.root}/cut`, (_request, response) => {
      response.writeHead(200, { 'Content-Length': 100 });
      response.write('half');
      setImmediate(() => response.destroy());
    });
    const cut = await bench.open(`${bench.root}/cut`);
    await expect(text(cut)).rejects.toThrow('aborted');
    bench.extension.answer(`${bench.root}/none`, request => void request.socket.destroy());
    const none = await bench.ask(`${bench.root}/none`, { method: 'POST', body: {} });
    expect([none.code, none.body]).toEqual([503, 'error trying to reach service: EOF\n']);
  });
});

describe('An extension server in the place of a plugin', () => {
  let bench: AggregationBench;
  afterAll(() => bench.stop());
  const name = 'v1beta1.metrics.k8s.io';

  it('finds an APIService there that says where the group is served', async () => {
    bench = await AggregationBench.start({ group: 'metrics.k8s.io', version: 'v1beta1' }, { groups: [new MetricsGroup()] });
    expect(bench.apiService).toMatchObject({
      metadata: { name, labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' } },
      spec: { groupPriorityMinimum: 100, versionPriority: 100 },
      status: { conditions: [{ type: 'Available', status: 'True', reason: 'Local' }] },
    });
    const { body } = await bench.ask(bench.root);
    expect((JSON.parse(body) as { resources: { name: string }[] }).resources.map(each => each.name)).toEqual(['nodes', 'pods']);
  });

  it('takes its place when its APIService is applied, and gives it back when that is deleted', async () => {
    await bench.service();
    await bench.endpoints();
    const { transport } = bench.api.part;
    const spec = {
      group: 'metrics.k8s.io',
      version: 'v1beta1',
      groupPriorityMinimum: 100,
      versionPriority: 100,
      insecureSkipTLSVerify: true,
      service: { name: 'fish', namespace: 'default' },
    };
    await transport.patch({
      caller: administrator,
      resource: APIServices,
      name,
      type: 'apply',
      fieldManager: 'kubectl',
      force: true,
      patch: { apiVersion: 'apiregistration.k8s.io/v1', kind: 'APIService', metadata: { name }, spec },
    });
    await bench.condition('Passed');
    expect((await bench.ask(`${bench.root}/fishes`)).code).toBe(200);
    expect((await bench.ask(`${bench.root}/nodes`)).code).toBe(404);
    await until('its resources', () =>
      bench.api.part.catalogue.resources().some(({ reference }) => reference.resource === 'fishes'),
    );
    expect(bench.api.part.catalogue.resources().filter(({ reference }) => reference.group === 'metrics.k8s.io')).toHaveLength(1);
    await transport.delete({ caller: administrator, resource: APIServices, name });
    await until('the group of the plugin', async () => {
      const { body } = await bench.ask(bench.root);
      return body.includes('NodeMetrics');
    });
    expect((await bench.ask(`${bench.root}/nodes`)).code).toBe(503);
  });
});
