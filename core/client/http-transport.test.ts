import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ResourceReference } from '../api/resource-reference.js';
import type { KubeObject } from '../machinery/object.js';
import { Client } from './client.js';
import { HttpTransport } from './http-transport.js';
import { parseKubeconfig } from './kubeconfig.js';

const Widgets: ResourceReference<KubeObject> = {
  group: 'x.io',
  version: 'v1',
  resource: 'widgets',
  kind: 'Widget',
  namespaced: true,
};

interface Seen {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

describe('HttpTransport', () => {
  let server: Server;
  let transport: HttpTransport;
  let client: Client;
  let seen: Seen[];
  let answer: (response: ServerResponse, request: Seen) => void;

  const json = (response: ServerResponse, code: number, body: unknown, headers: Record<string, string> = {}): void => {
    response.writeHead(code, { 'content-type': 'application/json', ...headers });
    response.end(JSON.stringify(body));
  };

  beforeEach(async () => {
    seen = [];
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const record = {
          method: request.method,
          url: request.url,
          headers: request.headers,
          body: Buffer.concat(chunks).toString(),
        };
        seen.push(record);
        answer(response, record);
      });
    });
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    transport = new HttpTransport({ credentials: { server: `http://127.0.0.1:${port}/prefix/`, token: 'secret' } });
    client = new Client(transport, { name: 'me', groups: [] }, 'tester/1');
  });

  afterEach(async () => {
    transport.close();
    server.closeAllConnections();
    await new Promise(resolve => server.close(resolve));
  });

  it('gets, with path, token and user agent', async () => {
    answer = response => json(response, 200, { apiVersion: 'x.io/v1', kind: 'Widget', metadata: { name: 'a' } });
    const object = await client.resource(Widgets, 'ns').get('a');
    expect(object.metadata.name).toBe('a');
    expect(Object.isFrozen(object.metadata)).toBe(true);
    expect(seen[0]).toMatchObject({ method: 'GET', url: '/prefix/apis/x.io/v1/namespaces/ns/widgets/a' });
    expect(seen[0]!.headers).toMatchObject({ authorization: 'Bearer secret', 'user-agent': 'tester/1' });
  });

  it('lists pages and gives items their kind', async () => {
    answer = response =>
      json(response, 200, {
        kind: 'WidgetList',
        metadata: { resourceVersion: '9', continue: 'c' },
        items: [{ metadata: { name: 'a' } }],
      });
    const list = await client.resource(Widgets).list({ limit: 1, labelSelector: 'a=b' });
    expect(list).toMatchObject({ resourceVersion: '9', continue: 'c' });
    expect(list.entries[0]!.object).toMatchObject({ apiVersion: 'x.io/v1', kind: 'Widget' });
    expect(seen[0]!.url).toBe('/prefix/apis/x.io/v1/widgets?labelSelector=a%3Db&limit=1');
  });

  it('turns a Status into its error, and text into the code it came with', async () => {
    answer = response =>
      json(response, 404, {
        kind: 'Status',
        apiVersion: 'v1',
        status: 'Failure',
        reason: 'NotFound',
        message: 'nope',
        code: 404,
      });
    await expect(client.resource(Widgets, 'ns').get('a')).rejects.toMatchObject({ code: 'NotFound', message: 'nope' });
    answer = response => response.writeHead(503).end('proxy down');
    await expect(client.resource(Widgets, 'ns').get('a')).rejects.toMatchObject({ code: 'ServiceUnavailable' });
  });

  it('patches with the right content type and deletes with options', async () => {
    answer = response => json(response, 200, { kind: 'Status', apiVersion: 'v1', status: 'Success' });
    await client.resource(Widgets, 'ns').patch('a', 'merge', { spec: 1 }, { fieldManager: 'fm', dryRun: true });
    expect(seen[0]).toMatchObject({ method: 'PATCH', body: '{"spec":1}' });
    expect(seen[0]!.headers['content-type']).toBe('application/merge-patch+json');
    expect(seen[0]!.url).toContain('fieldManager=fm&dryRun=All');
    expect(await client.resource(Widgets, 'ns').delete('a', { preconditions: { uid: 'u' } })).toBeUndefined();
    expect(JSON.parse(seen[1]!.body)).toEqual({ kind: 'DeleteOptions', apiVersion: 'v1', preconditions: { uid: 'u' } });
  });

  it('obeys Retry-After', async () => {
    answer = (response, request) =>
      seen.indexOf(request) === 0
        ? response.writeHead(429, { 'retry-after': '0.01' }).end()
        : json(response, 200, { metadata: { name: 'a' } });
    await client.resource(Widgets, 'ns').get('a');
    expect(seen).toHaveLength(2);
  });

  it('streams watch events split anywhere, and throws the ERROR event', async () => {
    const events = [
      { type: 'ADDED', object: { metadata: { name: 'ä', resourceVersion: '1' } } },
      { type: 'BOOKMARK', object: { metadata: { resourceVersion: '2', annotations: { 'k8s.io/initial-events-end': 'true' } } } },
      { type: 'ERROR', object: { kind: 'Status', status: 'Failure', reason: 'Expired', code: 410, message: 'too old' } },
    ];
    const bytes = Buffer.from(events.map(event => `${JSON.stringify(event)}\n`).join(''));
    answer = async response => {
      response.writeHead(200);
      for (let at = 0; at < bytes.length; at += 7) {
        response.write(bytes.subarray(at, at + 7));
        await new Promise(resolve => setImmediate(resolve));
      }
    };
    const got: unknown[] = [];
    const watching = (async () => {
      for await (const event of client.resource(Widgets).watch({ sendInitialEvents: true })) got.push(event);
    })();
    await expect(watching).rejects.toMatchObject({ code: 'Expired' });
    expect(got).toEqual([
      { type: 'ADDED', entry: expect.objectContaining({ name: 'ä', resourceVersion: '1' }) },
      { type: 'BOOKMARK', resourceVersion: '2', initialEventsEnd: true },
    ]);
  });

  it('ends a watch quietly on abort', async () => {
    answer = response => response.writeHead(200).write('\n');
    const stop = new AbortController();
    const watching = (async () => {
      for await (const event of client.resource(Widgets).watch({ signal: stop.signal })) return event;
      return 'ended';
    })();
    setImmediate(() => stop.abort());
    expect(await watching).toBe('ended');
  });

  it('says that a server cannot be reached', async () => {
    const lost = new HttpTransport({ credentials: { server: 'http://127.0.0.1:1' } });
    await expect(new Client(lost, { name: 'me', groups: [] }).resource(Widgets, 'ns').get('a')).rejects.toMatchObject({
      code: 'ServiceUnavailable',
    });
  });
});

describe('parseKubeconfig', () => {
  const text = `
current-context: c
contexts: [{name: c, context: {cluster: k, user: u, namespace: n}}]
clusters: [{name: k, cluster: {server: 'https://h:6443', certificate-authority-data: Y2E=}}]
users: [{name: u, user: {client-certificate-data: Y2VydA==, client-key-data: a2V5, token: t}}]
`;

  it('reads the current context', async () => {
    const credentials = await parseKubeconfig(text);
    expect(credentials).toMatchObject({ server: 'https://h:6443', token: 't', namespace: 'n' });
    expect(credentials.certificate?.toString()).toBe('cert');
  });

  it('refuses a context that is not there and exec plugins', async () => {
    await expect(parseKubeconfig(text, { contextName: 'x' })).rejects.toMatchObject({ code: 'KUBECONFIG_INVALID' });
    await expect(parseKubeconfig(text.replace('token: t', 'exec: {}'))).rejects.toThrow('exec');
  });
});
