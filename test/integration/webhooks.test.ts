import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import {
  ConfigMaps,
  CustomResourceDefinitions,
  Deployments,
  EndpointSlices,
  Events,
  Namespaces,
  Pods,
  Services,
  SubjectAccessReviews,
  ValidatingWebhookConfigurations,
} from '../../core/api/generated/resources.js';
import type { ConfigMap, Pod } from '../../core/api/generated/types.js';
import type { ResourceReference } from '../../core/api/resource-reference.js';
import { LocalDialer } from '../../core/apiserver/connect/local-dialer.js';
import type { ApiTransport } from '../../core/contracts/api-transport.js';
import type { KubeObject } from '../../core/machinery/object.js';
import { isStatusError } from '../../core/machinery/status-error.js';
import { connect } from '../differential/replay.js';
import type { RunningApiServer } from '../support/api-server.js';
import { WebhookBench } from '../support/webhook-bench.js';
import type { WebhookType } from '../support/webhook-bench.js';
import type { Judge, WebhookServer } from '../support/webhook-server.js';

const caller = { name: 'admin', groups: ['system:masters'] };
const podAddress = '10.42.7.7';

describe('admission webhooks', () => {
  let bench: WebhookBench;
  let api: RunningApiServer;
  let transport: ApiTransport;
  let server: WebhookServer;
  const namespace = 'web';

  beforeAll(async () => {
    const local = new LocalDialer();
    bench = await WebhookBench.start(['127.0.0.1', 'hook.web.svc'], ({ port }) => ({
      disabledAdmission: ['ServiceAccount'],
      dialer: {
        dial: (target, signal) =>
          local.dial(target.host === podAddress ? { ...target, host: '127.0.0.1', port } : target, signal),
      },
    }));
    ({ api, transport, server } = bench);
    await create(Namespaces, { metadata: { name: 'other' } });
  });
  afterAll(() => bench.stop());
  afterEach(async () => {
    await bench.clear();
    for (const resource of [ConfigMaps, Pods] as readonly ResourceReference[]) {
      const { entries } = await transport.list({ caller, resource });
      for (const { name, namespace: at } of entries) {
        if (name === 'kube-root-ca.crt') continue;
        await transport.delete({ caller, resource, namespace: at, name, options: { gracePeriodSeconds: 0 } });
      }
    }
    server.requests.length = 0;
  });

  const kindOf = ({ group, version, kind }: ResourceReference): object => ({
    kind,
    apiVersion: group ? `${group}/${version}` : version,
  });

  async function create<T>(resource: ResourceReference<T>, object: object, more: object = {}): Promise<T> {
    const at = resource.namespaced ? { namespace } : {};
    return transport.create({ caller, resource, ...at, ...more, object: { ...kindOf(resource), ...object } as never });
  }

  const map = (name: string, more: object = {}): object => ({ metadata: { name }, data: { a: 'b' }, ...more });

  const rule = (resources: string[], operations = ['*'], groups = ['*']): object => ({
    operations,
    apiGroups: groups,
    apiVersions: ['*'],
    resources,
  });

  let paths = 0;

  /** Puts a webhook in front of something; all of them stand in one configuration each, named in the order of the calls. */
  async function hook(type: WebhookType, fields: object, judge: Judge): Promise<string> {
    const path = `/hook-${++paths}`;
    server.judge(path, judge);
    const name = `hook-${String(paths).padStart(4, '0')}`;
    const rules = [rule(['configmaps'], ['CREATE', 'UPDATE'])];
    await bench.put(type, { name: `${name}.example.com`, path }, { rules, ...fields }, name);
    return `${name}.example.com`;
  }

  const refusal = (webhook: string, why: string): object => ({
    message: `admission webhook "${webhook}" denied the request${why}`,
  });

  describe('what a webhook is told', () => {
    it('is the request with its user, objects and options', async () => {
      await hook('validating', {}, () => ({}));
      const made = await create(ConfigMaps, map('told'), { fieldManager: 'tester' });
      expect(server.requests).toEqual([
        {
          uid: expect.stringMatching(/^[0-9a-f-]{36}$/),
          kind: { group: '', version: 'v1', kind: 'ConfigMap' },
          resource: { group: '', version: 'v1', resource: 'configmaps' },
          requestKind: { group: '', version: 'v1', kind: 'ConfigMap' },
          requestResource: { group: '', version: 'v1', resource: 'configmaps' },
          name: 'told',
          namespace,
          operation: 'CREATE',
          userInfo: { username: 'admin', groups: ['system:masters'] },
          object: expect.objectContaining({ kind: 'ConfigMap', apiVersion: 'v1', data: { a: 'b' } }),
          oldObject: null,
          dryRun: false,
          options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'tester' },
        },
      ]);
      expect(server.requests[0]!.object!.metadata['uid']).toBe((made as KubeObject).metadata.uid);
    });

    it('is both objects of an update, and the old one of a deletion', async () => {
      await hook('validating', { rules: [rule(['configmaps'], ['UPDATE', 'DELETE'])] }, () => ({}));
      await create(ConfigMaps, map('told'));
      await transport.patch({
        caller,
        resource: ConfigMaps,
        namespace,
        name: 'told',
        type: 'merge',
        patch: { data: { a: 'c' } },
      });
      await transport.delete({ caller, resource: ConfigMaps, namespace, name: 'told', options: { gracePeriodSeconds: 3 } });
      const [update, deletion] = server.requests;
      expect(update).toMatchObject({ object: { data: { a: 'c' } }, oldObject: { data: { a: 'b' } }, operation: 'UPDATE' });
      expect(update!.options).toEqual({ kind: 'UpdateOptions', apiVersion: 'meta.k8s.io/v1' });
      expect(deletion).toMatchObject({ object: null, oldObject: { data: { a: 'c' } }, operation: 'DELETE', name: 'told' });
      expect(deletion!.oldObject!.metadata['resourceVersion']).toMatch(/^\d+$/);
      expect(deletion!.options).toEqual({ kind: 'DeleteOptions', apiVersion: 'meta.k8s.io/v1', gracePeriodSeconds: 3 });
    });

    it('is each object of a collection that is deleted, without a name in the request', async () => {
      await create(ConfigMaps, map('one'));
      await create(ConfigMaps, map('two'));
      await hook('validating', { rules: [rule(['configmaps'], ['DELETE'])] }, ({ oldObject }) => ({
        allowed: oldObject!.metadata.name !== 'two',
      }));
      const deletion = transport.deleteCollection({
        caller,
        resource: ConfigMaps,
        namespace,
        fieldSelector: 'metadata.name=one',
      });
      await expect(deletion).resolves.toBeUndefined();
      const other = transport.deleteCollection({ caller, resource: ConfigMaps, namespace, fieldSelector: 'metadata.name=two' });
      await expect(other).rejects.toThrow('denied the request without explanation');
      expect(server.requests.map(({ name, oldObject }) => [name, oldObject!.metadata.name])).toEqual([
        [undefined, 'one'],
        [undefined, 'two'],
      ]);
    });

    it('says in which namespace a Namespace lies', async () => {
      await hook('validating', { rules: [rule(['namespaces'])] }, ({ operation }) => ({ allowed: operation === 'CREATE' }));
      await create(Namespaces, { metadata: { name: 'fresh' } });
      await expect(transport.delete({ caller, resource: Namespaces, name: 'fresh' })).rejects.toThrow('denied');
      expect(server.requests).toMatchObject([
        { namespace: 'fresh', name: 'fresh' },
        { namespace: 'fresh', name: 'fresh' },
      ]);
    });
  });

  describe('subresources', () => {
    const pod = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i' }] } };

    it('are matched by their own names', async () => {
      await create(Pods, pod);
      await hook('validating', { rules: [rule(['pods/status', 'pods/eviction', 'deployments/scale'])] }, ({ subResource }) => ({
        allowed: false,
        status: { message: subResource },
      }));
      const patch = { status: { phase: 'Running' } };
      const status = { caller, resource: Pods, namespace, name: 'p', subresource: 'status' };
      await expect(transport.patch({ ...status, type: 'merge', patch })).rejects.toThrow('denied the request: status');
      const eviction = { kind: 'Eviction', apiVersion: 'policy/v1', metadata: { name: 'p' } };
      const evict = {
        caller,
        resource: Pods as ResourceReference,
        namespace,
        name: 'p',
        subresource: 'eviction',
        object: eviction,
      };
      await expect(transport.create(evict)).rejects.toThrow('denied the request: eviction');
      expect(server.requests.map(({ kind }) => kind)).toEqual([
        { group: '', version: 'v1', kind: 'Pod' },
        { group: 'policy', version: 'v1', kind: 'Eviction' },
      ]);
    });

    it('see a Scale as such, before and after, and may change it', async () => {
      const template = { metadata: { labels: { a: 'b' } }, spec: pod.spec };
      await create(Deployments, {
        metadata: { name: 'd' },
        spec: { replicas: 1, selector: { matchLabels: { a: 'b' } }, template },
      });
      await hook('mutating', { rules: [rule(['*/*'], ['UPDATE'])] }, ({ subResource }) =>
        subResource === 'scale' ? { patch: [{ op: 'replace', path: '/spec/replicas', value: 3 }] } : {},
      );
      const scale = { caller, resource: Deployments as ResourceReference, namespace, name: 'd', subresource: 'scale' };
      const answer = (await transport.patch({ ...scale, type: 'merge', patch: { spec: { replicas: 2 } } })) as { spec: object };
      expect(answer.spec).toEqual({ replicas: 3 });
      expect(server.requests).toMatchObject([
        {
          subResource: 'scale',
          kind: { kind: 'Scale' },
          object: { spec: { replicas: 2 } },
          oldObject: { spec: { replicas: 1 } },
        },
      ]);
      await transport.delete({ caller, resource: Deployments, namespace, name: 'd' });
    });

    it('see what a connection is opened with', async () => {
      await create(Pods, pod);
      const name = await hook('validating', { rules: [rule(['pods/attach'], ['CONNECT'])] }, () => ({
        allowed: false,
        status: { message: 'no looking in' },
      }));
      const answer = await get(`/api/v1/namespaces/${namespace}/pods/p/attach?container=c&stdin=true&tty=0`);
      expect(answer.status).toBe(400);
      expect(answer.body).toMatchObject(refusal(name, ': no looking in'));
      expect(server.requests).toMatchObject([
        {
          operation: 'CONNECT',
          subResource: 'attach',
          kind: { group: '', version: 'v1', kind: 'PodAttachOptions' },
          oldObject: null,
          options: null,
        },
      ]);
      expect(server.requests[0]!.object).toEqual({ kind: 'PodAttachOptions', apiVersion: 'v1', container: 'c', stdin: true });
    });

    it('see reviews, which are not stored', async () => {
      await hook('validating', { rules: [rule(['subjectaccessreviews'])] }, () => ({ allowed: false }));
      const spec = { user: 'me', nonResourceAttributes: { path: '/', verb: 'get' } };
      await expect(create(SubjectAccessReviews, { spec })).rejects.toThrow('denied the request');
    });
  });

  async function get(path: string): Promise<{ status: number; body: unknown; warnings: string | undefined }> {
    return send('GET', path);
  }

  async function send(
    method: string,
    path: string,
    body?: object,
  ): Promise<{ status: number; body: unknown; warnings: string | undefined }> {
    const { agent, url } = await connect(api.kubeconfig);
    try {
      return await new Promise((resolve, reject) => {
        const headers = { 'content-type': 'application/json' };
        const call = httpsRequest({ agent, host: url.hostname, port: url.port, method, path, headers }, answer => {
          text(answer).then(said => {
            const isJson = answer.headers['content-type'] === 'application/json';
            const parsed: unknown = isJson ? JSON.parse(said) : said;
            resolve({ status: answer.statusCode!, body: parsed, warnings: answer.headers['warning'] });
          }, reject);
        });
        call.on('error', reject);
        call.end(body ? JSON.stringify(body) : undefined);
      });
    } finally {
      agent.destroy();
    }
  }

  describe('whom a webhook is asked about', () => {
    it('is chosen by labels of the namespace and of the old or new object', async () => {
      const selectors = {
        namespaceSelector: { matchLabels: { team: 'a' } },
        objectSelector: { matchExpressions: [{ key: 'skip', operator: 'DoesNotExist' }] },
      };
      await hook('validating', selectors, () => ({ allowed: false }));
      await expect(create(ConfigMaps, map('x'))).rejects.toThrow('denied');
      await create(ConfigMaps, map('x'), { namespace: 'other' });
      await create(ConfigMaps, { metadata: { name: 'x', labels: { skip: '' } } });
      // One of the two states is enough.
      const skip = { metadata: { labels: { skip: null } } };
      const patch = transport.patch({ caller, resource: ConfigMaps, namespace, name: 'x', type: 'merge', patch: skip });
      await expect(patch).rejects.toThrow('denied');
    });

    it('is chosen by scope', async () => {
      await hook('validating', { rules: [{ ...rule(['*']), scope: 'Cluster' }] }, ({ kind }) => ({
        allowed: kind.kind !== 'Namespace',
      }));
      await create(ConfigMaps, map('x'));
      await expect(create(Namespaces, { metadata: { name: 'scoped' } })).rejects.toThrow('denied');
    });

    it('is found under another name of the same objects, unless only the exact one is meant', async () => {
      const rules = [{ operations: ['*'], apiGroups: ['events.k8s.io'], apiVersions: ['v1'], resources: ['events'] }];
      await hook('mutating', { rules }, () => ({ patch: [{ op: 'add', path: '/note', value: 'changed' }] }));
      const exact = await hook('validating', { rules, matchPolicy: 'Exact' }, () => ({ allowed: false }));
      const event = { metadata: { name: 'e' }, involvedObject: { namespace }, message: 'm', reason: 'r', type: 'Normal' };
      const made = (await create(Events as ResourceReference, event)) as { message?: string };
      expect(made.message).toBe('changed');
      expect(server.requests).toMatchObject([
        {
          kind: { group: 'events.k8s.io', version: 'v1', kind: 'Event' },
          requestKind: { group: '', version: 'v1', kind: 'Event' },
          object: { apiVersion: 'events.k8s.io/v1', note: 'm', regarding: { namespace } },
        },
      ]);
      expect(exact).toBeTruthy();
    });

    it('is never what configures webhooks', async () => {
      await hook('validating', { rules: [rule(['*/*'])] }, () => ({ allowed: false }));
      await hook('mutating', { rules: [rule(['*/*'])] }, () => ({ allowed: false }));
      await expect(create(ConfigMaps, map('x'))).rejects.toThrow('denied');
      const { entries } = await transport.list({ caller, resource: ValidatingWebhookConfigurations });
      const { name } = entries[0]!;
      await transport.patch({
        caller,
        resource: ValidatingWebhookConfigurations,
        name,
        type: 'merge',
        patch: { metadata: { labels: { a: 'b' } } },
      });
      await transport.delete({ caller, resource: ValidatingWebhookConfigurations, name });
    });
  });

  it('sees custom resources, also under the version that it is for, and may change them', async () => {
    const version = (name: string, storage: boolean): object => ({
      name,
      storage,
      served: true,
      schema: {
        openAPIV3Schema: {
          type: 'object',
          properties: {
            spec: { type: 'object', properties: { size: { type: 'integer' }, color: { type: 'string', default: 'red' } } },
          },
        },
      },
    });
    const names = { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' };
    const spec = { group: 'example.com', scope: 'Namespaced', names, versions: [version('v1', true), version('v2', false)] };
    await create(CustomResourceDefinitions as ResourceReference, { metadata: { name: 'things.example.com' }, spec });
    const things: ResourceReference = {
      group: 'example.com',
      version: 'v1',
      resource: 'things',
      kind: 'Thing',
      namespaced: true,
    };
    await untilServed(things);
    const rules = [{ operations: ['CREATE', 'DELETE'], apiGroups: ['example.com'], apiVersions: ['v2'], resources: ['things'] }];
    const patch = [
      { op: 'add', path: '/spec/size', value: 3 },
      { op: 'add', path: '/spec/unknown', value: 'gone' },
    ];
    await hook('mutating', { rules }, ({ operation }) => (operation === 'CREATE' ? { patch } : {}));
    const made = (await create(things, { metadata: { name: 'x' }, spec: { size: 1 } })) as KubeObject & { spec: object };
    expect(made).toMatchObject({ apiVersion: 'example.com/v1', spec: { size: 3, color: 'red' } });
    expect(made.spec).not.toHaveProperty('unknown');
    expect(server.requests).toMatchObject([
      {
        kind: { group: 'example.com', version: 'v2', kind: 'Thing' },
        requestKind: { group: 'example.com', version: 'v1', kind: 'Thing' },
        object: { apiVersion: 'example.com/v2', spec: { size: 1, color: 'red' } },
      },
    ]);
    const name = await hook('validating', { rules }, () => ({ allowed: false }));
    await expect(transport.delete({ caller, resource: things, namespace, name: 'x' })).rejects.toMatchObject(
      refusal(name, ' without explanation'),
    );
  });

  async function untilServed(resource: ResourceReference): Promise<void> {
    for (;;) {
      try {
        await transport.list({ caller, resource, namespace });
        return;
      } catch (error) {
        if (!isStatusError(error, 'NotFound')) throw error;
        await new Promise(resolve => setTimeout(resolve, 20));
      }
    }
  }

  describe('refusals', () => {
    it('carry status, reason and message of the webhook', async () => {
      const status = { code: 402, reason: 'Broke', message: 'pay first', details: { causes: [{ message: 'money' }] } };
      const name = await hook('validating', {}, () => ({ allowed: false, status }));
      await expect(create(ConfigMaps, map('x'))).rejects.toMatchObject({
        status: { code: 402, reason: 'Broke', details: { causes: [{ message: 'money' }] }, ...refusal(name, ': pay first') },
      });
    });

    it('of the first webhook are told when several refuse, after all were asked', async () => {
      const first = await hook('validating', {}, () => ({ allowed: false }));
      await hook('validating', {}, () => ({ allowed: false, status: { message: 'second' } }));
      await expect(create(ConfigMaps, map('x'))).rejects.toMatchObject(refusal(first, ' without explanation'));
      expect(server.requests).toHaveLength(2);
    });

    it('of a dry run come from webhooks that say nothing of side effects', async () => {
      const store = (await transport.list({ caller, resource: ValidatingWebhookConfigurations })).entries;
      expect(store).toEqual([]);
      await hook('validating', { sideEffects: 'NoneOnDryRun' }, ({ dryRun }) => ({ warnings: [`dry: ${String(dryRun)}`] }));
      const answer = await send('POST', `/api/v1/namespaces/${namespace}/configmaps?dryRun=All&fieldValidation=Strict`, {
        kind: 'ConfigMap',
        apiVersion: 'v1',
        metadata: { name: 'dry' },
      });
      expect(answer).toMatchObject({ status: 201, warnings: '299 - "dry: true"' });
      expect(server.requests[0]!.options).toEqual({
        kind: 'CreateOptions',
        apiVersion: 'meta.k8s.io/v1',
        dryRun: ['All'],
        fieldValidation: 'Strict',
      });
    });
  });

  it('hands warnings on, cut where they are too long and in any script', async () => {
    await hook('validating', {}, () => ({ warnings: ['Vorsicht, „Kante“', 'no\nheader', 'x'.repeat(5000)] }));
    const body = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'warned' } };
    const { warnings } = await send('POST', `/api/v1/namespaces/${namespace}/configmaps`, body);
    expect(Buffer.from(warnings!, 'latin1').toString()).toBe(`299 - "Vorsicht, „Kante“", 299 - "${'x'.repeat(256)}"`);
  });

  describe('changes', () => {
    it('are seen by the webhooks behind, and defaulted and checked like what clients send', async () => {
      const container = { name: 'side', image: 'side', ports: [{ containerPort: 80 }] };
      await hook('mutating', { rules: [rule(['pods'], ['CREATE'])] }, () => ({
        patch: [{ op: 'add', path: '/spec/containers/-', value: container }],
      }));
      await hook('mutating', { rules: [rule(['pods'], ['CREATE'])] }, ({ object }) => ({
        patch: [
          {
            op: 'add',
            path: '/metadata/annotations',
            value: { seen: String((object as unknown as Pod).spec.containers!.length) },
          },
        ],
      }));
      const made = (await create(Pods, {
        metadata: { name: 'p' },
        spec: { containers: [{ name: 'c', image: 'i' }] },
      })) as Pod;
      expect(made.metadata.annotations).toEqual({ seen: '2' });
      expect(made.spec.containers![1]).toMatchObject({
        name: 'side',
        imagePullPolicy: 'Always',
        terminationMessagePath: '/dev/termination-log',
        ports: [{ containerPort: 80, protocol: 'TCP' }],
      });
      await hook('mutating', {}, () => ({ patch: [{ op: 'add', path: '/data/a b', value: 'x' }] }));
      await expect(create(ConfigMaps, map('bad'))).rejects.toMatchObject({ code: 'Invalid' });
    });

    it('may be a name, and do not reach what the server keeps to itself', async () => {
      await hook('mutating', {}, () => ({
        patch: [
          { op: 'add', path: '/metadata/name', value: 'named' },
          { op: 'add', path: '/metadata/uid', value: 'mine' },
        ],
      }));
      const made = (await create(ConfigMaps, { metadata: { generateName: 'x-' } })) as ConfigMap;
      expect(made.metadata.name).toBe('named');
      expect(made.metadata.uid).not.toBe('mine');
      await hook('mutating', {}, () => ({ patch: [{ op: 'add', path: '/metadata/namespace', value: 'other' }] }));
      await expect(create(ConfigMaps, map('y'))).rejects.toThrow('the namespace of the provided object does not match');
    });

    it('bring back those who ask for it, once', async () => {
      const count = (path: string): Judge => {
        return ({ object }) => {
          const data = (object as unknown as ConfigMap).data ?? {};
          return { patch: [{ op: 'add', path: `/data/${path}`, value: `${Object.keys(data).length}` }] };
        };
      };
      const again = await hook('mutating', { reinvocationPolicy: 'IfNeeded' }, count('first'));
      await hook('mutating', {}, count('second'));
      const made = (await create(ConfigMaps, map('twice'))) as ConfigMap;
      expect(made.data).toEqual({ a: 'b', first: '3', second: '2' });
      expect(server.requests).toHaveLength(3);
      expect(again).toBeTruthy();
    });

    it('cannot be made to what is deleted', async () => {
      const name = await hook('mutating', { rules: [rule(['configmaps'], ['DELETE'])] }, () => ({
        patch: [{ op: 'add', path: '/data', value: {} }],
      }));
      await create(ConfigMaps, map('x'));
      const text = 'attempted to modify the object, which is not supported for this operation';
      await expect(transport.delete({ caller, resource: ConfigMaps, namespace, name: 'x' })).rejects.toMatchObject({
        message: `Internal error occurred: admission webhook "${name}" ${text}`,
      });
    });
  });

  it('may write a member of any name into a custom resource', async () => {
    const openAPIV3Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
    const names = { plural: 'loose', singular: 'loose', kind: 'Loose', listKind: 'LooseList' };
    const versions = [{ name: 'v1', storage: true, served: true, schema: { openAPIV3Schema } }];
    const spec = { group: 'example.com', scope: 'Namespaced', names, versions };
    await create(CustomResourceDefinitions as ResourceReference, { metadata: { name: 'loose.example.com' }, spec });
    const loose: ResourceReference = { group: 'example.com', version: 'v1', resource: 'loose', kind: 'Loose', namespaced: true };
    await untilServed(loose);
    const rules = [{ operations: ['CREATE'], apiGroups: ['example.com'], apiVersions: ['v1'], resources: ['loose'] }];
    await hook('mutating', { rules }, () => ({ patch: [{ op: 'add', path: '/__proto__', value: { polluted: true } }] }));
    const made = await create(loose, { metadata: { name: 'x' } });
    expect(Object.getOwnPropertyDescriptor(made, '__proto__')?.value).toEqual({ polluted: true });
    expect({}).not.toHaveProperty('polluted');
  });

  it('reaches a webhook behind a Service by its endpoints, whose name is on the certificate', async () => {
    const name = await hook('validating', { clientConfig: { service: { namespace, name: 'hook', path: '/in' } } }, () => ({}));
    server.judge('/in', () => ({ allowed: false, status: { message: 'reached' } }));
    const where = 'Post "https://hook.web.svc:443/in?timeout=10s"';
    const failed = `Internal error occurred: failed calling webhook "${name}": failed to call webhook: ${where}`;
    const fails = (text: string): Promise<void> =>
      expect(create(ConfigMaps, map('x'))).rejects.toMatchObject({ code: 'InternalError', message: `${failed}: ${text}` });
    await fails('service "hook" not found');
    await create(Services, { metadata: { name: 'hook' }, spec: { ports: [{ name: 'tls', port: 443, targetPort: 8443 }] } });
    await api.part.server.hub.fresh();
    await fails('no endpoints available for service "hook"');
    await create(EndpointSlices, {
      metadata: { name: 'hook-1', labels: { 'kubernetes.io/service-name': 'hook' } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.42.1.1'], conditions: { ready: false } }, { addresses: [podAddress] }],
      ports: [{ name: 'tls', port: 8443 }],
    });
    await api.part.server.hub.fresh();
    // The certificate is not of the authorities that the system trusts.
    await fails('tls: failed to verify certificate: x509: certificate signed by unknown authority');
    const patch = [{ op: 'add', path: '/webhooks/0/clientConfig/caBundle', value: server.caBundle }];
    const configuration = { caller, resource: ValidatingWebhookConfigurations, name: name.split('.')[0]! };
    await transport.patch({ ...configuration, type: 'json', patch });
    await api.part.server.hub.fresh();
    await expect(create(ConfigMaps, map('x'))).rejects.toMatchObject(refusal(name, ': reached'));
  });
});
