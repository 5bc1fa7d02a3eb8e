import { request } from 'node:https';
import type { IncomingHttpHeaders } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { decodeProtobuf } from '../../core/machinery/codec/protobuf-decode.js';
import { fixtureTypes } from '../../core/machinery/codec/schema-fixture.js';
import { connect } from '../differential/replay.js';
import type { Server } from '../differential/replay.js';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';

interface Answered {
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly bytes: Buffer;
}

const aggregated = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList';
const protobuf = 'application/vnd.kubernetes.protobuf';
const as = (kind: string, type = 'application/json'): string => `${type};as=${kind};v=v1;g=meta.k8s.io`;
const maps = '/api/v1/namespaces/default/configmaps';

describe('forms of answers', () => {
  let running: RunningApiServer;
  let server: Server;

  beforeAll(async () => {
    running = await startApiServer();
    server = await connect(running.kubeconfig);
    for (const name of ['one', 'two']) {
      const body = JSON.stringify({ metadata: { name, labels: { form: 'any' } }, data: { a: 'x'.repeat(100_000) } });
      expect((await ask(maps, {}, { method: 'POST', body })).code).toBe(201);
    }
  });

  afterAll(async () => {
    server.agent.destroy();
    await running.stop();
  });

  function ask(
    path: string,
    headers: Record<string, string> = {},
    { method = 'GET', body }: { method?: string; body?: string } = {},
  ): Promise<Answered> {
    const { url, agent } = server;
    return new Promise((resolve, reject) => {
      const type = body === undefined ? {} : { 'content-type': 'application/json' };
      const outgoing = request(
        { agent, host: url.hostname, port: url.port, method, path, headers: { 'user-agent': 'forms/1', ...type, ...headers } },
        response => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () =>
            resolve({ code: response.statusCode!, headers: response.headers, bytes: Buffer.concat(chunks) }),
          );
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  async function json<T = Record<string, unknown>>(path: string, accept = 'application/json'): Promise<T> {
    const { code, bytes } = await ask(path, { accept });
    expect(code).toBe(200);
    return JSON.parse(bytes.toString()) as T;
  }

  /** The events of a watch that ends by itself. */
  async function events(
    query: string,
    accept = 'application/json',
  ): Promise<{ type: string; object: Record<string, unknown> }[]> {
    // Two seconds before its end a watch tells how far it came.
    const { bytes } = await ask(`${maps}?watch=1&timeoutSeconds=${query.includes('allowWatchBookmarks') ? 3 : 1}&${query}`, {
      accept,
    });
    const lines = bytes.toString().trimEnd().split('\n');
    return lines.map(line => JSON.parse(line) as { type: string; object: Record<string, unknown> });
  }

  describe('discovery', () => {
    it('is aggregated for those who ask', async () => {
      const { headers, bytes } = await ask('/apis', { accept: `${aggregated},application/json` });
      expect(headers['content-type']).toBe(aggregated);
      const document = JSON.parse(bytes.toString()) as {
        kind: string;
        apiVersion: string;
        items: { metadata: { name: string } }[];
      };
      expect(document).toMatchObject({ kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2' });
      const apps = document.items.find(item => item.metadata.name === 'apps');
      expect(apps).toMatchObject({ versions: [{ version: 'v1', freshness: 'Current' }] });
      const core = await json<{
        items: { versions: { resources: { resource: string; subresources?: { subresource: string }[] }[] }[] }[];
      }>('/api', aggregated);
      const pods = core.items[0]!.versions[0]!.resources.find(({ resource }) => resource === 'pods')!;
      expect(pods).toMatchObject({
        scope: 'Namespaced',
        responseKind: { group: '', version: 'v1', kind: 'Pod' },
        shortNames: ['po'],
      });
      expect(pods.subresources!.map(({ subresource }) => subresource)).toContain('log');
    });

    it('is unchanged as long as its tag is', async () => {
      const first = await ask('/apis', { accept: aggregated });
      const etag = first.headers.etag!;
      expect(etag).toMatch(/^"[0-9A-F]{128}"$/);
      const again = await ask('/apis', { accept: aggregated, 'if-none-match': etag });
      expect({ code: again.code, size: again.bytes.length }).toEqual({ code: 304, size: 0 });
      expect((await ask('/apis', { 'if-none-match': etag })).code).toBe(200);
    });

    it('is plain where the aggregated form is not of a version that is served', async () => {
      const beta = aggregated.replace('v=v2', 'v=v2beta1');
      expect(await json('/apis', `${beta},application/json`)).toMatchObject({ kind: 'APIGroupList' });
      expect(await json('/api')).toMatchObject({ kind: 'APIVersions', versions: ['v1'] });
      expect(await json('/apis/apps')).toMatchObject({ kind: 'APIGroup', preferredVersion: { groupVersion: 'apps/v1' } });
      const list = await json<{ kind: string; resources: { name: string }[] }>('/apis/apps/v1');
      expect(list.kind).toBe('APIResourceList');
      expect(list.resources.map(({ name }) => name)).toEqual(expect.arrayContaining(['deployments', 'deployments/scale']));
    });

    it('is refused in the aggregated form of another version alone', async () => {
      expect((await ask('/apis', { accept: aggregated.replace('v=v2', 'v=v2beta1') })).code).toBe(406);
    });
  });

  describe('metadata alone', () => {
    it('comes in JSON', async () => {
      const one = await json(`${maps}/one`, as('PartialObjectMetadata'));
      expect(one).toMatchObject({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: { name: 'one' } });
      expect(one).not.toHaveProperty('data');
      const list = await json<{ kind: string; items: object[] }>(maps, as('PartialObjectMetadataList'));
      expect(list).toMatchObject({
        kind: 'PartialObjectMetadataList',
        items: [{ metadata: { name: 'one' } }, { metadata: { name: 'two' } }],
      });
    });

    it.each([
      [`${maps}/one`, 'PartialObjectMetadata'],
      [maps, 'PartialObjectMetadataList'],
    ])('comes in protobuf: %s', async (path, kind) => {
      const { headers, bytes } = await ask(path, { accept: as(kind, protobuf) });
      expect(headers['content-type']).toBe(protobuf);
      expect(bytes.subarray(0, 4)).toEqual(Buffer.from('k8s\0'));
      expect(bytes.toString('latin1')).toContain(`meta.k8s.io/v1\x12${String.fromCharCode(kind.length)}${kind}`);
      expect(bytes.length).toBeLessThan(1000);
    });

    it('comes in watches of both', async () => {
      const [first] = await events('', as('PartialObjectMetadata'));
      expect(first).toMatchObject({ type: 'ADDED', object: { kind: 'PartialObjectMetadata', metadata: { name: 'one' } } });
      const { headers, bytes } = await ask(`${maps}?watch=1&timeoutSeconds=1`, { accept: as('PartialObjectMetadata', protobuf) });
      expect(headers['content-type']).toBe(`${protobuf};stream=watch`);
      const frames = framesOf(bytes);
      expect(frames).toHaveLength(2);
      for (const frame of frames) {
        expect(frame.subarray(0, 7)).toEqual(Buffer.from([0x0a, 5, ...Buffer.from('ADDED')]));
        expect(frame.includes('PartialObjectMetadata')).toBe(true);
      }
    });
  });

  it('frames protobuf watches by length', async () => {
    const { bytes } = await ask(`${maps}?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Done`, { accept: protobuf });
    const frames = framesOf(bytes);
    expect(frames).toHaveLength(1);
    expect(frames[0]!.includes('k8s\0')).toBe(true);
    expect(frames[0]!.includes('x'.repeat(1000))).toBe(true);
  });

  it('are whole and in order where they are made in slices', async () => {
    const many = '/api/v1/namespaces/kube-public/secrets';
    const names = Array.from({ length: 230 }, (_, at) => `many-${1000 + at}`);
    for (const name of names) {
      const body = JSON.stringify({ metadata: { name }, data: { a: 'eA==' } });
      expect((await ask(many, {}, { method: 'POST', body })).code).toBe(201);
    }
    type Form = { metadata: { resourceVersion: string; remainingItemCount?: number } } & Record<string, unknown>;
    const nameOf = ({ metadata }: { metadata: { name: string } }): string => metadata.name;
    const table = await json<Form & { rows: { cells: unknown[]; object: { metadata: { name: string } } }[] }>(many, as('Table'));
    expect(table.rows.map(({ object }) => nameOf(object))).toEqual(names);
    expect(table.rows.map(({ cells }) => cells.slice(0, 3))).toEqual(names.map(name => [name, 'Opaque', 1]));
    const { items, ...plain } = await json<Form & { items: { metadata: { name: string } }[] }>(many);
    expect(table.metadata).toEqual(plain.metadata);
    const partial = await json<typeof plain & { items: typeof items }>(many, as('PartialObjectMetadataList'));
    expect(partial.items.map(nameOf)).toEqual(items.map(nameOf));
    const { object } = decodeProtobuf(fixtureTypes(''), (await ask(many, { accept: protobuf })).bytes);
    expect((object as unknown as { items: typeof items }).items).toEqual(items);
    const page = await json<Form & { rows: unknown[] }>(`${many}?limit=150`, as('Table'));
    expect([page.rows.length, page.metadata.remainingItemCount]).toEqual([150, 80]);
    expect((await json<Form & { rows: unknown[] }>(`${many}?labelSelector=no`, as('Table'))).rows).toEqual([]);
  });

  describe('tables', () => {
    it('carry what is asked of each object', async () => {
      const rows = async (include: string): Promise<(Record<string, unknown> | null)[]> => {
        const table = await json<{ rows: { object: Record<string, unknown> | null }[] }>(`${maps}${include}`, as('Table'));
        return table.rows.map(({ object }) => object);
      };
      expect(await rows('?includeObject=None')).toEqual([null, null]);
      expect(await rows('')).toMatchObject([{ kind: 'PartialObjectMetadata' }, { kind: 'PartialObjectMetadata' }]);
      expect(await rows('?includeObject=Object')).toMatchObject([{ kind: 'ConfigMap', data: {} }, { kind: 'ConfigMap' }]);
    });

    it('name their columns once in a watch', async () => {
      const seen = await events('sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1', as('Table'));
      expect(seen.map(({ type }) => type)).toEqual(['ADDED', 'ADDED', 'BOOKMARK', 'BOOKMARK']);
      const columns = seen.map(({ object }) => (object['columnDefinitions'] as unknown[] | null)?.length ?? null);
      expect(columns).toEqual([3, null, null, null]);
    });

    it('have a bookmark for every kind that can be watched', async () => {
      const query = 'watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1';
      const groups = await json<{ groups: { preferredVersion: { groupVersion: string } }[] }>('/apis');
      const roots = ['/api/v1', ...groups.groups.map(group => `/apis/${group.preferredVersion.groupVersion}`)];
      const paths: string[] = [];
      for (const root of roots) {
        const { resources } = await json<{ resources: { name: string; verbs: string[] }[] }>(root);
        paths.push(...resources.filter(({ verbs }) => verbs.includes('watch')).map(({ name }) => `${root}/${name}`));
      }
      expect(paths.length).toBeGreaterThan(40);
      const faults = await Promise.all(
        paths.map(async path => {
          const { code, bytes } = await ask(`${path}?${query}`, { accept: as('Table') });
          return code === 200 && bytes.includes('"type":"BOOKMARK"')
            ? undefined
            : `${path}: ${code} ${bytes.subarray(0, 200).toString()}`;
        }),
      );
      expect(faults.filter(fault => fault !== undefined)).toEqual([]);
    });
  });

  describe('bookmarks', () => {
    const state = 'sendInitialEvents=true&resourceVersionMatch=NotOlderThan';

    it('end the state, and the watch before its time is over', async () => {
      const seen = await events(`${state}&allowWatchBookmarks=1`);
      expect(seen.map(({ type }) => type)).toEqual(['ADDED', 'ADDED', 'BOOKMARK', 'BOOKMARK']);
      const [, , end, last] = seen.map(({ object }) => object as { kind: string; metadata: Record<string, unknown> });
      expect(end).toEqual({
        kind: 'ConfigMap',
        apiVersion: 'v1',
        metadata: { resourceVersion: expect.any(String), annotations: { 'k8s.io/initial-events-end': 'true' } },
      });
      expect(last!.metadata).toEqual({ resourceVersion: expect.any(String) });
    });

    it('come to nobody who did not ask', async () => {
      expect((await events(state)).map(({ type }) => type)).toEqual(['ADDED', 'ADDED']);
    });

    it('are all that comes where the state is not wanted', async () => {
      const seen = await events(`${state.replace('true', 'false')}&allowWatchBookmarks=1`);
      expect(seen.map(({ type }) => type)).toEqual(['BOOKMARK']);
    });
  });

  it('speaks YAML', async () => {
    const { headers, bytes } = await ask(`${maps}/one`, { accept: 'application/yaml' });
    expect(headers['content-type']).toBe('application/yaml');
    expect(bytes.toString()).toMatch(/^apiVersion: v1\n[^]*kind: ConfigMap\n[^]*name: one\n/);
  });

  describe('OpenAPI documents', () => {
    const both = [
      ['v2', '/openapi/v2'],
      ['v3', '/openapi/v3/api/v1'],
    ] as const;

    it.each(both)('%s come as JSON to those who take anything, and as protobuf to those who want it', async (version, path) => {
      const plain = await ask(path);
      expect(plain).toMatchObject({
        code: 200,
        headers: { 'content-type': 'application/json', vary: version === 'v2' ? 'Accept-Encoding, Accept' : 'Accept' },
      });
      const document = JSON.parse(plain.bytes.toString()) as { info: object; paths: Record<string, object> };
      expect(document.info).toEqual({ title: 'Kubernetes', version: '1.36' });
      expect(document.paths['/api/v1/namespaces/{namespace}/configmaps']).toMatchObject({
        post: { operationId: 'createCoreV1NamespacedConfigMap' },
      });
      for (const separator of ['@', '.']) {
        const wanted = `application/com.github.proto-openapi.spec.${version}${separator}v1.0+protobuf`;
        const message = await ask(path, { accept: `application/json;q=0.5,${wanted}` });
        const type = `application/com.github.proto-openapi.spec.${version}.v1.0+protobuf`;
        expect(message).toMatchObject({ code: 200, headers: { 'content-type': type, etag: plain.headers.etag } });
        expect(message.bytes[0]).toBe(0x0a);
        expect(message.bytes.length).toBeLessThan(plain.bytes.length);
      }
    });

    it.each(both)('%s are not sent again, come in parts, and are refused in other forms', async (version, path) => {
      const { etag, 'last-modified': modified } = (await ask(path)).headers;
      expect(await ask(path, { 'if-none-match': etag! })).toMatchObject({ code: 304, bytes: Buffer.alloc(0) });
      expect(await ask(path, { 'if-modified-since': modified! })).toMatchObject({ code: 304, headers: { etag } });
      expect(await ask(path, { range: 'bytes=0-0' })).toMatchObject({ code: 206, bytes: Buffer.from('{') });
      const small = await ask(path, { 'accept-encoding': 'gzip' });
      // Upstream compresses the one that holds everything.
      const bytes = version === 'v2' ? gunzipSync(small.bytes) : small.bytes;
      expect(JSON.parse(bytes.toString())).toHaveProperty('paths');
      expect((await ask(path, { accept: 'text/html' })).code).toBe(406);
    });
  });

  it('compresses what is large, and nothing else', async () => {
    const gzip = { 'accept-encoding': 'gzip' };
    const large = await ask(maps, gzip);
    expect(large.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' });
    expect(JSON.parse(gunzipSync(large.bytes).toString())).toMatchObject({ kind: 'ConfigMapList' });
    expect((await ask(`${maps}/one`, gzip)).headers['content-encoding']).toBeUndefined();
    expect((await ask(maps)).headers['content-encoding']).toBeUndefined();
  });
});

function framesOf(bytes: Buffer): Buffer[] {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32BE(at);
    frames.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return frames;
}
