import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { request } from 'node:https';
import { text } from 'node:stream/consumers';
import { ConfigMaps, Namespaces, ValidatingWebhookConfigurations } from '../../core/api/generated/resources.js';
import type { ConfigMap } from '../../core/api/generated/types.js';
import type { ResourceReference } from '../../core/api/resource-reference.js';
import { SystemClock } from '../../core/base/clock.js';
import { deferred } from '../../core/base/deferred.js';
import { silentLogger } from '../../core/base/logger.js';
import type { ApiTransport } from '../../core/contracts/api-transport.js';
import { createAuthority } from '../../core/pki/certificate-authority.js';
import { MemoryDatastore } from '../../plugins/datastore/memory/memory-datastore.js';
import { connect } from '../differential/replay.js';
import { startApiServer } from '../support/api-server.js';
import type { RunningApiServer } from '../support/api-server.js';
import { WebhookBench } from '../support/webhook-bench.js';
import type { WebhookType } from '../support/webhook-bench.js';
import type { WebhookServer } from '../support/webhook-server.js';

const caller = { name: 'admin', groups: ['system:masters'] };
const namespace = 'web';
const name = 'hook.web.example.com';

describe('a webhook that fails', () => {
  let bench: WebhookBench;
  let api: RunningApiServer;
  let transport: ApiTransport;
  let server: WebhookServer;

  beforeAll(async () => {
    bench = await WebhookBench.start();
    ({ api, transport, server } = bench);
  });
  afterAll(() => bench.stop());
  afterEach(async () => {
    await bench.clear();
    await transport.deleteCollection({ caller, resource: ConfigMaps, namespace });
  });

  const hook = (fields: object, type: WebhookType = 'validating'): Promise<void> =>
    bench.put(type, { name, path: '/hook' }, fields);

  async function create(map = 'x'): Promise<ConfigMap> {
    const object: ConfigMap = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: map } };
    return transport.create({ caller, resource: ConfigMaps, namespace, object });
  }

  /** 500 in upstream's words. */
  const fails = async (why: string | RegExp): Promise<void> => {
    const message =
      typeof why === 'string'
        ? `Internal error occurred: failed calling webhook "${name}": ${why}`
        : (expect.stringMatching(why) as unknown);
    await expect(create()).rejects.toMatchObject({ status: { code: 500, reason: 'InternalError', message } });
  };

  const post = (path = '/hook', seconds = 10): string => `failed to call webhook: Post "${server.url(path)}?timeout=${seconds}s"`;

  const answer = (body: string | Buffer, status = 200, headers: Record<string, string> = {}): void =>
    server.answer('/hook', (_request, response) => void response.writeHead(status, headers).end(body));

  it('by not answering in time stops the request, or lets it through where that is its policy', async () => {
    const seen = deferred();
    server.answer('/hook', () => seen.resolve());
    await hook({ timeoutSeconds: 1 });
    await fails(`${post('/hook', 1)}: context deadline exceeded`);
    await seen.promise;
    await transport.patch({
      caller,
      resource: ValidatingWebhookConfigurations,
      name: 'hook',
      type: 'json',
      patch: [{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }],
    });
    await api.part.server.hub.fresh();
    await expect(create()).resolves.toMatchObject({ metadata: { name: 'x' } });
    const metrics = (await scrape()).split('\n');
    const labels = `name="${name}",operation="CREATE"`;
    expect(metrics).toContain(
      `apiserver_admission_webhook_rejection_count{error_type="calling_webhook_error",${labels},rejection_code="503",type="validating"} 1`,
    );
    expect(metrics).toContain(`apiserver_admission_webhook_fail_open_count{name="${name}",type="validating"} 1`);
    expect(metrics).toContain(
      `apiserver_admission_webhook_request_total{code="503",${labels},rejected="false",type="validating"} 1`,
    );
  });

  async function scrape(): Promise<string> {
    const { agent, url } = await connect(api.kubeconfig);
    try {
      return await new Promise((resolve, reject) => {
        const call = request({ agent, host: url.hostname, port: url.port, path: '/metrics' }, response => {
          text(response).then(resolve, reject);
        });
        call.on('error', reject);
        call.end();
      });
    } finally {
      agent.destroy();
    }
  }

  it('by conditions that cannot be evaluated stops the request, or is not asked where that is its policy', async () => {
    server.judge('/hook', () => ({ allowed: false }));
    const matchConditions = [{ name: 'c', expression: 'object.data.none == "x"' }];
    await hook({ matchConditions });
    const fault = `expression 'object.data.none == "x"' resulted in error: no such key: data`;
    await expect(create()).rejects.toMatchObject({
      status: { code: 403, reason: 'Forbidden', message: `configmaps "x" is forbidden: ${fault}` },
    });
    await transport.deleteCollection({ caller, resource: ValidatingWebhookConfigurations });
    await hook({ matchConditions, failurePolicy: 'Ignore' });
    await expect(create()).resolves.toMatchObject({ metadata: { name: 'x' } });
  });

  it('by ending its answer too late, or too early', async () => {
    server.answer('/hook', (_request, response) => void response.write('{'));
    await hook({ timeoutSeconds: 1 });
    const reading = 'failed to call webhook: unexpected error when reading response body. Please retry. Original error';
    await fails(`${reading}: context deadline exceeded`);
    server.answer('/hook', (_request, response) => {
      response.write('{', () => response.destroy());
    });
    await fails(new RegExp(`${reading}: (unexpected EOF|read: connection reset by peer)$`));
  });

  it('by a certificate of another authority, for another name, or of no one, is not trusted', async () => {
    const other = await createAuthority('another');
    const caBundle = Buffer.from(other.certificatePem).toString('base64');
    await hook({ clientConfig: { url: server.url('/hook'), caBundle } });
    await fails(`${post()}: tls: failed to verify certificate: x509: certificate signed by unknown authority`);
    await transport.delete({ caller, resource: ValidatingWebhookConfigurations, name: 'hook' });
    const url = `https://localhost:${server.port}/hook`;
    await hook({ clientConfig: { url, caBundle: server.caBundle } });
    await fails(
      /Post "https:\/\/localhost:\d+\/hook\?timeout=10s": tls: failed to verify certificate: x509: certificate is not valid/,
    );
  });

  it('by not being there', async () => {
    await hook({ clientConfig: { url: 'https://127.0.0.1:1/hook', caBundle: server.caBundle } });
    const where = 'failed to call webhook: Post "https://127.0.0.1:1/hook?timeout=10s"';
    await fails(`${where}: dial tcp 127.0.0.1:1: connect: connection refused`);
  });

  it('by sending somewhere else is not followed', async () => {
    server.judge('/other', () => ({}));
    answer('', 307, { location: server.url('/other') });
    await hook({});
    await fails('failed to call webhook: the server responded with the status code 307 but did not return more information');
    expect(server.requests).toEqual([]);
  });

  it.each([
    [404, 'x', 'the server could not find the requested resource'],
    [500, 'boom', 'an error on the server ("boom") has prevented the request from succeeding'],
    [500, '{"kind":"Status","status":"Failure","message":"oops"}', 'oops'],
    [502, '{', 'an error on the server ("{") has prevented the request from succeeding'],
    [503, '', 'the server is currently unable to handle the request'],
  ])('by status %i', async (status, body, said) => {
    answer(body, status);
    await hook({});
    await fails(`failed to call webhook: ${said}`);
  });

  it.each([
    ['nothing', '', 'failed to call webhook: 0-length response with status code: 200 and content type: application/json'],
    ['no JSON', '{"kind":', "failed to call webhook: couldn't get version/kind; json parse error: unexpected end of JSON input"],
    ['no response', '{}', 'received invalid webhook response: webhook response was absent'],
  ])('by answering %s', async (_what, body, said) => {
    answer(body);
    await hook({});
    await fails(said);
  });

  it('by answering something of another type', async () => {
    answer('{"response":{"allowed":"yes"}}');
    await hook({});
    await fails(/failed to call webhook: json: cannot unmarshal string into Go struct field .*allowed of type bool/);
  });

  it('by answering another request', async () => {
    const review = { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' };
    answer(JSON.stringify({ ...review, response: { uid: 'other', allowed: true } }));
    await hook({});
    await fails(/received invalid webhook response: expected response.uid="[0-9a-f-]{36}", got "other"$/);
  });

  it('by answering without a kind, which only the older version takes', async () => {
    const nameless = (withUid: boolean): void =>
      server.answer('/hook', (_request, response, body) => {
        const { request: asked } = JSON.parse(body) as { request: { uid: string } };
        response.end(JSON.stringify({ response: { ...(withUid ? { uid: asked.uid } : {}), allowed: true } }));
      });
    nameless(true);
    await hook({});
    const said = 'received invalid webhook response: expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview';
    await fails(`${said}, got /, Kind=`);
    await transport.delete({ caller, resource: ValidatingWebhookConfigurations, name: 'hook' });
    nameless(false);
    await hook({ admissionReviewVersions: ['v2', 'v1beta1'] });
    await create();
  });

  it('by patching where it may only look, or without saying how', async () => {
    const patch = Buffer.from('[]').toString('base64');
    const respond = (fields: object): void =>
      server.answer('/hook', (_request, response, body) => {
        const { request: asked, ...review } = JSON.parse(body) as { request: { uid: string } };
        response.end(JSON.stringify({ ...review, response: { uid: asked.uid, allowed: true, ...fields } }));
      });
    respond({ patch, patchType: 'JSONPatch' });
    await hook({});
    await fails('received invalid webhook response: validating webhook may not return response.patch');
    await transport.delete({ caller, resource: ValidatingWebhookConfigurations, name: 'hook' });
    await hook({}, 'mutating');
    respond({ patch });
    await fails('received invalid webhook response: webhook returned response.patch but not response.patchType');
    respond({ patchType: 'JSONPatch' });
    await fails('received invalid webhook response: webhook returned response.patchType but not response.patch');
    respond({ patch: Buffer.from('[{}]').toString('base64'), patchType: 'Merge' });
    await fails('unsupported patch type "Merge"');
  });

  it('by a patch that does not apply, or makes something that is no such object', async () => {
    await hook({}, 'mutating');
    const error = async (patch: unknown, message: RegExp): Promise<void> => {
      server.judge('/hook', () => ({ patch }));
      await expect(create()).rejects.toMatchObject({ status: { code: 500 }, message: expect.stringMatching(message) });
    };
    await error([{ op: 'test', path: '/metadata/name', value: 'y' }], /testing value \/metadata\/name failed/);
    await error([{ op: 'remove', path: '/data/none' }], /remove operation does not apply/);
    await error([{ op: 'add', path: '/data', value: 'text' }], /json: cannot unmarshal string into Go struct field/);
    await error(
      [{ op: 'replace', path: '/apiVersion', value: 'v2' }],
      /registered for version "v2" in scheme "pkg\/runtime\/scheme.go:111"/,
    );
    await error([{ op: 'add', path: '/metadata/resourceVersion', value: '1' }], /resourceVersion should not be set/);
    await error('{', /unexpected end of JSON input/);
    await error({ a: 1 }, /cannot unmarshal object/);
  });

  it('by too long an answer', async () => {
    server.answer('/hook', (_request, response, body) => {
      const { request: asked, ...review } = JSON.parse(body) as { request: { uid: string } };
      const status = { message: 'x'.repeat(10 * 1024 * 1024) };
      response.end(JSON.stringify({ ...review, response: { uid: asked.uid, allowed: false, status } }));
    });
    await hook({});
    await expect(create()).rejects.toThrow(/denied the request: x{100}/);
    answer(Buffer.alloc(17 * 1024 * 1024, 0x20));
    await fails('failed to call webhook: the answer is larger than 16777216 bytes');
  });

  it('once, because a kept connection was closed, is called again', async () => {
    server.judge('/hook', () => ({}));
    await hook({});
    const before = server.connections;
    await create('a');
    await create('b');
    expect(server.connections - before).toBe(1);
    server.breakConnections();
    await create('c');
    expect(server.connections - before).toBe(2);
    server.answer('/hook', incoming => void incoming.socket.destroy());
    await fails(`${post()}: EOF`);
  });

  it('does so for a dry run that it does not know', async () => {
    // Such a webhook is older than the rule that all must say.
    server.judge('/hook', () => ({}));
    await hook({});
    const { hub } = api.part.server;
    const key = [...(await hub.datastore.list('/registry/validatingwebhookconfigurations/')).items][0]!;
    const older = Buffer.from(key.value).toString().replace('"sideEffects":"None"', '"sideEffects":"Some"');
    await hub.datastore.update(key.key, Buffer.from(older), key.modRevision);
    await hub.fresh();
    const object: ConfigMap = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'x' } };
    await expect(transport.create({ caller, resource: ConfigMaps, namespace, object, dryRun: true })).rejects.toMatchObject({
      status: { code: 400, message: `admission webhook "${name}" does not support dry run` },
    });
    await create();
  });

  it('does not hold up what it asks the server itself', async () => {
    server.judge('/hook', async ({ object }) => {
      if (object!.metadata.name === 'outer') await create('inner');
      const found = await transport.get({ caller, resource: Namespaces, name: namespace });
      return { warnings: [found.metadata.name!] };
    });
    await hook({});
    await create('outer');
    expect(server.requests.slice(-2).map(asked => asked.name)).toEqual(['outer', 'inner']);
  });

  it('may be taken away while it is called', async () => {
    const called = deferred();
    const go = deferred();
    server.judge('/hook', async () => {
      called.resolve();
      await go.promise;
      return { allowed: false };
    });
    await hook({});
    const running = create('slow');
    await called.promise;
    await transport.delete({ caller, resource: ValidatingWebhookConfigurations, name: 'hook' });
    await api.part.server.hub.fresh();
    await create('quick');
    go.resolve();
    await expect(running).rejects.toThrow('denied the request');
  });
});

describe('a server', () => {
  it('starts in front of webhooks that let nothing through, so that they can be taken away', async () => {
    const clock = new SystemClock();
    const datastore = new MemoryDatastore({ clock, logger: silentLogger });
    await datastore.open();
    const rules = [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }];
    const clientConfig = { url: 'https://127.0.0.1:1/' };
    const webhook = { name: 'none.shall.pass', clientConfig, rules, sideEffects: 'None', admissionReviewVersions: ['v1'] };
    const object = {
      kind: 'ValidatingWebhookConfiguration',
      apiVersion: 'admissionregistration.k8s.io/v1',
      metadata: { name: 'none' },
      webhooks: [webhook],
    };
    const first = await startApiServer({ sharedDatastore: datastore });
    const priority = '/registry/priorityclasses/system-node-critical';
    try {
      await first.part.transport.create({ caller, resource: ValidatingWebhookConfigurations as ResourceReference, object });
    } finally {
      await first.stop();
    }
    const { items } = await datastore.list(priority);
    await datastore.delete(priority, items[0]!.modRevision);
    const second = await startApiServer({ sharedDatastore: datastore });
    try {
      const { transport } = second.part;
      const map = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'x' } };
      const make = (): Promise<unknown> =>
        transport.create({ caller, resource: ConfigMaps as ResourceReference, namespace: 'default', object: map });
      await expect(make()).rejects.toThrow('failed calling webhook "none.shall.pass"');
      await transport.delete({ caller, resource: ValidatingWebhookConfigurations, name: 'none' });
      await second.part.server.hub.fresh();
      await make();
    } finally {
      await second.stop();
      await datastore.close();
    }
  });
});
