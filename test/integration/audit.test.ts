import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Agent, request } from 'node:https';
import { ConfigMaps } from '../../core/api/generated/resources.js';
import type { AuditEvent } from '../../core/api/generated/types.js';
import { auditSettings } from '../../core/cluster/arguments/audit-arguments.js';
import type { AuditDraft } from '../../core/cluster/arguments/audit-arguments.js';
import { connect, send } from '../differential/replay.js';
import type { Answer, Call, Server } from '../differential/replay.js';
import type { RunningApiServer } from '../support/api-server.js';
import { startApiServer } from '../support/api-server.js';
import { WebhookServer } from '../support/webhook-server.js';

const maps = '/api/v1/namespaces/default/configmaps';
const registration = '/apis/admissionregistration.k8s.io/v1';
const policy = `
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- {level: None, verbs: [list]}
- {level: Request, resources: [{group: "", resources: [configmaps]}], verbs: [create]}
- {level: Metadata}
`;

describe('the audit', () => {
  let directory: string;
  let running: RunningApiServer | undefined;
  let server: Server | undefined;
  let log: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'audit-'));
    log = join(directory, 'logs', 'audit.log');
  });
  afterEach(async () => {
    await stop();
    await rm(directory, { recursive: true, force: true });
  });

  async function start(draft: AuditDraft, policyText: string | null = policy): Promise<Server> {
    const policyFile = join(directory, 'policy.yaml');
    if (policyText !== null) await writeFile(policyFile, policyText);
    const audit = auditSettings({ ...(policyText === null ? {} : { policyFile }), ...draft }, fault => {
      throw new Error(fault);
    })!;
    running = await startApiServer({ audit });
    server = await connect(running.kubeconfig);
    return server;
  }

  async function stop(): Promise<void> {
    server?.agent.destroy();
    await running?.stop();
    [server, running] = [undefined, undefined];
  }

  async function events(file = log): Promise<AuditEvent[]> {
    const lines = (await readFile(file, 'utf8')).split('\n').filter(line => line !== '');
    return lines.map(line => JSON.parse(line) as AuditEvent);
  }

  const of = async (id: string, file = log): Promise<AuditEvent[]> =>
    (await events(file)).filter(({ auditID }) => auditID === id);
  const ask = (id: string, call: Call): Promise<Answer> =>
    send(server!, { ...call, headers: { 'audit-id': id, ...call.headers } });

  it('writes to a file, before the answer is there, what the policy wants of each request', async () => {
    await start({ log: { path: log } });
    const answer = await ask('one', { method: 'POST', path: maps, body: { metadata: { name: 'a' } } });
    const [received, complete, ...more] = await of('one');
    expect(more).toEqual([]);
    expect([received!.stage, complete!.stage]).toEqual(['RequestReceived', 'ResponseComplete']);
    expect(received).not.toHaveProperty('responseStatus');
    expect(complete).toMatchObject({
      kind: 'Event',
      level: 'Request',
      verb: 'create',
      requestURI: maps,
      user: { groups: ['system:masters', 'system:authenticated'] },
      sourceIPs: ['127.0.0.1'],
      userAgent: 'replay/1',
      objectRef: { resource: 'configmaps', namespace: 'default', name: 'a', apiVersion: 'v1' },
      responseStatus: { metadata: {}, code: 201 },
      requestObject: { kind: 'ConfigMap', metadata: { name: 'a' } },
      annotations: { 'authorization.k8s.io/decision': 'allow', 'authorization.k8s.io/reason': '' },
    });
    expect(complete!.requestReceivedTimestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(answer.headers).toMatchObject({ 'audit-id': 'one' });
    await ask('two', { method: 'GET', path: maps });
    expect(await of('two')).toEqual([]);
    expect((await stat(log)).mode & 0o777).toBe(0o600);
    const { body } = await send(server!, { method: 'GET', path: '/metrics' });
    expect(body).toMatch(/^apiserver_audit_event_total [1-9]\d*$/m);
    expect(body).toMatch(/^apiserver_audit_level_total\{level="None"\} [1-9]\d*$/m);
    expect(body).toMatch(/^apiserver_audit_requests_rejected_total 0$/m);
  });

  it('sees calls of parts in the process, refusals, and credentials that are no good', async () => {
    await start({ log: { path: log } });
    const caller = { name: 'system:kube-scheduler', groups: ['system:authenticated'] };
    const call = { caller, resource: ConfigMaps, namespace: 'default', userAgent: 'scheduler' };
    await expect(running!.part.transport.get({ ...call, name: 'none' })).rejects.toThrow('cannot get resource');
    const inside = (await events()).filter(({ user }) => user.username === caller.name);
    expect(inside.map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseComplete']);
    expect(inside[1]).toMatchObject({
      verb: 'get',
      requestURI: `${maps}/none`,
      userAgent: 'scheduler',
      responseStatus: { status: 'Failure', reason: 'Forbidden', code: 403 },
      annotations: { 'authorization.k8s.io/decision': 'forbid' },
    });
    const { url, agent } = server!;
    const stranger = new Agent({ ca: agent.options.ca });
    const headers = { authorization: 'Bearer nonsense', 'audit-id': 'bad' };
    const code = await new Promise((resolve, reject) => {
      const outgoing = request({ agent: stranger, host: url.hostname, port: url.port, path: '/version', headers }, response => {
        response.resume().once('end', () => resolve(response.statusCode));
      });
      outgoing.once('error', reject).end();
    });
    stranger.destroy();
    expect(code).toBe(401);
    expect(await of('bad')).toMatchObject([
      { stage: 'ResponseStarted', user: {}, responseStatus: { status: 'Failure', reason: 'Unauthorized', code: 401 } },
    ]);
  });

  it('tells of a watch when it begins and when it is over, over HTTP and in the process', async () => {
    await start({ log: { path: log } });
    await ask('watch', { method: 'GET', path: `${maps}?watch=1&timeoutSeconds=1` });
    expect((await of('watch')).map(({ stage, responseStatus }) => [stage, responseStatus?.code])).toEqual([
      ['RequestReceived', undefined],
      ['ResponseStarted', 200],
      ['ResponseComplete', 200],
    ]);
    const caller = { name: 'a-controller', groups: ['system:masters'] };
    const over = new AbortController();
    const call = { caller, resource: ConfigMaps, namespace: 'default', sendInitialEvents: true, allowWatchBookmarks: true };
    for await (const event of running!.part.transport.watch({ ...call, signal: over.signal })) if (event) over.abort();
    const inside = (await events()).filter(({ user }) => user.username === caller.name);
    expect(inside.map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseStarted', 'ResponseComplete']);
    expect(inside[0]!.requestURI).toBe(`${maps}?allowWatchBookmarks=true&sendInitialEvents=true&watch=true`);
  });

  it('has what webhooks annotate', async () => {
    const webhooks = await WebhookServer.start();
    try {
      await start({ log: { path: log } });
      webhooks.judge('/good', () => ({
        patch: [{ op: 'add', path: '/data', value: { x: 'y' } }],
        auditAnnotations: { why: 'so', 'a/b': '' },
      }));
      webhooks.answer('/bad', (_request, response) => void response.writeHead(500).end());
      const hook = (name: string): object => ({
        name: `${name}.example.com`,
        clientConfig: { url: webhooks.url(`/${name}`), caBundle: webhooks.caBundle },
        rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
        failurePolicy: 'Ignore',
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
      });
      webhooks.judge('/fine', () => ({ auditAnnotations: { fine: '1' } }));
      const register = (kind: string, ...names: string[]): Promise<Answer> => {
        const body = { metadata: { name: 'hooks' }, webhooks: names.map(hook) };
        return send(server!, { method: 'POST', path: `${registration}/${kind}webhookconfigurations`, body });
      };
      await register('mutating', 'good', 'bad');
      await register('validating', 'fine', 'bad');
      await ask('hooked', { method: 'POST', path: maps, body: { metadata: { name: 'a' } } });
      const [, complete] = await of('hooked');
      const named = (name: string, mutated: boolean): string =>
        `{"configuration":"hooks","webhook":"${name}.example.com","mutated":${mutated}}`;
      expect(complete!.annotations).toEqual({
        'authorization.k8s.io/decision': 'allow',
        'authorization.k8s.io/reason': '',
        'failed-open.mutation.webhook.admission.k8s.io/round_0_index_1': 'bad.example.com',
        'failed-open.validating.webhook.admission.k8s.io/round_0_index_1': 'bad.example.com',
        'fine.example.com/fine': '1',
        'good.example.com/why': 'so',
        'mutation.webhook.admission.k8s.io/round_0_index_0': named('good', true),
        'mutation.webhook.admission.k8s.io/round_0_index_1': named('bad', false),
        'patch.webhook.admission.k8s.io/round_0_index_0':
          '{"configuration":"hooks","webhook":"good.example.com","patch":[{"op":"add","path":"/data","value":{"x":"y"}}],"patchType":"JSONPatch"}',
      });
    } finally {
      await webhooks.stop();
    }
  });

  it('may wait in a buffer, which is written out when the server stops', async () => {
    await start({ log: { path: log, mode: 'batch', maxBatchSize: 10_000, maxBatchWaitMs: 3_600_000 } });
    await ask('one', { method: 'GET', path: '/version' });
    expect(await readFile(log, 'utf8')).toBe('');
    await stop();
    expect((await of('one')).map(({ stage }) => stage)).toEqual(['RequestReceived', 'ResponseComplete']);
  });

  it('refuses requests that it cannot write down, where it is strict', async () => {
    const deletes = `${policy.slice(0, policy.indexOf('rules:'))}rules: [{level: Metadata, verbs: [deletecollection]}]`;
    await start({ log: { path: '/dev/full', maxSizeMegabytes: 0, mode: 'blocking-strict' } }, deletes);
    const { code, body } = await ask('one', { method: 'DELETE', path: `${maps}?a=<b>` });
    expect([code, body]).toEqual([500, `Internal Server Error: "${maps}?a=&lt;b&gt;": failed to store audit event\n`]);
    const metrics = await send(server!, { method: 'GET', path: '/metrics' });
    expect(metrics.body).toMatch(/^apiserver_audit_requests_rejected_total [1-9]\d*$/m);
    expect(metrics.body).toMatch(/^apiserver_audit_error_total\{plugin="log"\} [1-9]\d*$/m);
  });

  it('goes on where it cannot be written, unless it is strict', async () => {
    await start({ log: { path: '/dev/full', maxSizeMegabytes: 0 } });
    expect((await ask('one', { method: 'POST', path: maps, body: { metadata: { name: 'a' } } })).code).toBe(201);
  });

  it('is sent to a webhook', async () => {
    const bodies: string[] = [];
    let isDown = true;
    const receiver = createServer((incoming, response) => {
      void text(incoming).then(body => {
        if (!isDown) bodies.push(body);
        response.writeHead(isDown ? 503 : 200).end();
        isDown = false;
      });
    });
    await new Promise<void>(resolve => receiver.listen(0, '127.0.0.1', resolve));
    try {
      const configFile = join(directory, 'webhook.yaml');
      const { port } = receiver.address() as AddressInfo;
      await writeFile(
        configFile,
        `{clusters: [{name: a, cluster: {server: "http://127.0.0.1:${port}/audit"}}], contexts: [{name: a, context: {cluster: a, user: ""}}], current-context: a}`,
      );
      await start({ webhook: { configFile, initialBackoffMs: 1 } });
      await ask('one', { method: 'GET', path: '/version' });
      await stop();
      const sent = bodies.flatMap(body => (JSON.parse(body) as { items: AuditEvent[] }).items);
      expect(sent.filter(({ auditID }) => auditID === 'one').map(({ stage }) => stage)).toEqual([
        'RequestReceived',
        'ResponseComplete',
      ]);
    } finally {
      receiver.close();
    }
  });

  it('refuses the start in one line for files that are no good', async () => {
    const bad = policy.replace('Metadata}', 'All}');
    await expect(start({ log: { path: log } }, bad)).rejects.toThrow(
      /^loading audit policy file: rules\[2\]\.level: Unsupported value: "All": [^\n]*: from file [^\n]*policy\.yaml$/,
    );
    await expect(start({ policyFile: join(directory, 'none.yaml'), log: { path: log } }, null)).rejects.toThrow(
      /^loading audit policy file: failed to read file path "[^"]*none\.yaml": open [^\n]*: no such file or directory$/,
    );
    await expect(start({ log: { path: join(directory, 'policy.yaml', 'x') } })).rejects.toThrow(
      /^the audit log [^\n]*policy\.yaml\/x cannot be written: /,
    );
    await expect(start({ webhook: { configFile: join(directory, 'none') } })).rejects.toThrow(
      /^initializing audit webhook: [^\n]*none: /,
    );
  });

  it('writes nothing without a policy, and says so', async () => {
    await start({ log: { path: log } }, null);
    await ask('one', { method: 'GET', path: '/version' });
    expect([existsSync(log), await readFile(log, 'utf8')]).toEqual([true, '']);
  });
});
