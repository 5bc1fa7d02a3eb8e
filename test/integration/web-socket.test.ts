import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { WebSocket } from 'ws';
import { Pods, ServiceAccounts } from '../../core/api/generated/resources.js';
import { parseYaml } from '../../core/machinery/codec/yaml.js';
import type { TestCluster } from '../../core/testing/index.js';
import { startCluster } from '../../core/testing/index.js';

interface Message {
  readonly binary: boolean;
  readonly data: Buffer;
}

describe('WebSockets of the API server', () => {
  let cluster: TestCluster;
  let url: string;
  let tls: { ca: Buffer; cert: Buffer; key: Buffer };

  beforeAll(async () => {
    cluster = await startCluster({ arguments: ['--node-ip', '127.0.0.1'] });
    const config = (await parseYaml(readFileSync(cluster.kubeconfigFile, 'utf8'))) as {
      clusters: { cluster: Record<string, string> }[];
      users: { user: Record<string, string> }[];
    };
    const { cluster: server } = config.clusters[0]!;
    const { user } = config.users[0]!;
    const decode = (name: string, from: Record<string, string>): Buffer => Buffer.from(from[name]!, 'base64');
    url = server['server']!.replace(/^https/, 'wss');
    tls = {
      ca: decode('certificate-authority-data', server),
      cert: decode('client-certificate-data', user),
      key: decode('client-key-data', user),
    };
    // Pods are refused before.
    const accounts = cluster.client.resource(ServiceAccounts, 'default');
    await eventually(async () => (await accounts.objects()).length > 0);
    const pods = cluster.client.resource(Pods, 'default');
    const container = {
      name: 'c',
      image: 'example.com/a:1',
      command: ['sh', '-c', 'echo one; echo two; sleep 3600'],
      resources: {},
    };
    await pods.create({
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { name: 'talker' },
      spec: { containers: [container] },
      status: {},
    });
    const homeless = { schedulerName: 'nobody', containers: [container] };
    await pods.create({ kind: 'Pod', apiVersion: 'v1', metadata: { name: 'homeless' }, spec: homeless, status: {} });
    await eventually(async () => (await pods.get('talker')).status?.containerStatuses?.[0]?.ready === true);
  });

  afterAll(() => cluster.stop());

  async function eventually(condition: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error('it does not happen');
      await new Promise(resolve => setTimeout(resolve, 20));
    }
  }

  /** Everything that the server says until it closes, or the status of its refusal. */
  function listen(
    path: string,
    protocols: string[] = [],
    headers: Record<string, string> = {},
  ): Promise<{
    messages: Message[];
    protocol: string;
    refusal?: { code: number; body: string };
  }> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(`${url}${path}`, protocols, { ...tls, headers });
      const messages: Message[] = [];
      socket.on('message', (data: Buffer, binary) => messages.push({ data, binary }));
      socket.on('close', () => resolve({ messages, protocol: socket.protocol }));
      socket.on('unexpected-response', (_request, response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve({ messages, protocol: '', refusal: { code: response.statusCode!, body } }));
      });
      socket.on('error', reject);
    });
  }
  const logs = '/api/v1/namespaces/default/pods/talker/log';

  it.each([[['binary.k8s.io']], [[]]])('sends logs as binary messages, an empty one first: %j', async (protocols: string[]) => {
    const { messages, protocol } = await listen(`${logs}?container=c`, protocols);
    expect(protocol).toBe(protocols[0] ?? '');
    expect(messages.every(({ binary }) => binary)).toBe(true);
    expect(messages[0]!.data).toHaveLength(0);
    expect(Buffer.concat(messages.map(({ data }) => data)).toString()).toBe('one\ntwo\n');
  });

  it('sends logs in base64 where that is asked for', async () => {
    const { messages, protocol } = await listen(logs, ['base64.binary.k8s.io']);
    expect(protocol).toBe('base64.binary.k8s.io');
    expect(messages.some(({ binary }) => binary)).toBe(false);
    expect(messages.map(({ data }) => Buffer.from(data.toString(), 'base64').toString()).join('')).toBe('one\ntwo\n');
  });

  it('follows a log until the client leaves', async () => {
    const socket = new WebSocket(`${url}${logs}?follow=true`, ['binary.k8s.io'], tls);
    let text = '';
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.on('message', (data: Buffer) => {
        text += data.toString();
        if (text === 'one\ntwo\n') resolve();
      });
    });
    const closed = new Promise<number>(resolve => socket.on('close', resolve));
    socket.close(1000);
    expect(await closed).toBe(1000);
  });

  it('refuses logs before the handshake with a Status', async () => {
    const { refusal } = await listen(`${logs}?container=other`, ['binary.k8s.io']);
    expect(refusal!.code).toBe(400);
    expect(JSON.parse(refusal!.body)).toMatchObject({
      reason: 'BadRequest',
      message: 'container other is not valid for pod talker',
    });
    expect((await listen(logs, ['v4.channel.k8s.io'])).refusal).toEqual({ code: 403, body: '' });
    const homeless = await listen('/api/v1/namespaces/default/pods/homeless/log', ['binary.k8s.io']);
    expect(homeless.refusal).toEqual({ code: 204, body: '' });
  });

  it('watches, one event a text message', async () => {
    const path = '/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=1&fieldSelector=metadata.name=talker';
    const { messages } = await listen(path);
    expect(messages).toHaveLength(1);
    expect(messages[0]!.binary).toBe(false);
    const event = JSON.parse(messages[0]!.data.toString()) as {
      type: string;
      object: { kind: string; metadata: { name: string } };
    };
    expect(event).toMatchObject({ type: 'ADDED', object: { kind: 'Pod', metadata: { name: 'talker' } } });
  });

  it('watches in protobuf, one WatchEvent a binary message without a length before it', async () => {
    const path = '/api/v1/namespaces/default/pods?watch=true&timeoutSeconds=1&fieldSelector=metadata.name=talker';
    const { messages } = await listen(path, [], { accept: 'application/vnd.kubernetes.protobuf' });
    expect(messages).toHaveLength(1);
    expect(messages[0]!.binary).toBe(true);
    expect(messages[0]!.data.subarray(0, 7)).toEqual(Buffer.from([0x0a, 5, ...Buffer.from('ADDED')]));
  });

  it('refuses a watch before the handshake with a Status', async () => {
    const { refusal } = await listen('/api/v1/pods?watch=true&resourceVersion=x');
    expect(refusal!.code).toBe(500);
    const missing = await listen('/api/v1/nothings?watch=true');
    expect(missing.refusal!.code).toBe(404);
  });

  it('answers other requests as if they asked for no upgrade', async () => {
    const { refusal } = await listen('/api/v1/namespaces/default');
    expect(refusal!.code).toBe(200);
    expect(JSON.parse(refusal!.body)).toMatchObject({ kind: 'Namespace' });
  });
});
