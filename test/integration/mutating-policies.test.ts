import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ConfigMaps,
  Deployments,
  MutatingAdmissionPolicies,
  MutatingAdmissionPolicyBindings,
  Namespaces,
} from '../../core/api/generated/resources.js';
import type {
  ConfigMap,
  Deployment,
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
} from '../../core/api/generated/types.js';
import type { ResourceReference } from '../../core/api/resource-reference.js';
import type { KubeObject } from '../../core/machinery/object.js';
import { connect, send } from '../differential/replay.js';
import { WebhookBench } from '../support/webhook-bench.js';

const caller = { name: 'admin', groups: ['system:masters'] };
const namespace = 'web';
const maps = [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }];
const deployments = [{ operations: ['CREATE', 'UPDATE'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] }];
const apply = (expression: string) => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
const patch = (expression: string) => ({ patchType: 'JSONPatch', jsonPatch: { expression } });
const append = (text: string) =>
  patch(`[JSONPatch{op: "add", path: "/data/x", value: (has(object.data.x) ? object.data.x : "") + "${text}"}]`);

describe('mutating admission policies', () => {
  let bench: WebhookBench;

  beforeAll(async () => {
    bench = await WebhookBench.start();
  });
  afterAll(() => bench.stop());
  afterEach(async () => {
    for (const resource of [MutatingAdmissionPolicyBindings, MutatingAdmissionPolicies] as readonly ResourceReference[]) {
      await bench.transport.deleteCollection({ caller, resource });
    }
    await bench.transport.deleteCollection({ caller, resource: ConfigMaps, namespace });
    await bench.clear();
  });

  /** Puts policies with their bindings in the way, in the order of their names. */
  async function put(name: string, spec: object, binding: object = {}): Promise<void> {
    const apiVersion = 'admissionregistration.k8s.io/v1';
    const metadata = { name };
    const defaults = { reinvocationPolicy: 'Never', matchConstraints: { resourceRules: maps } };
    const policy = {
      apiVersion,
      kind: 'MutatingAdmissionPolicy',
      metadata,
      spec: { ...defaults, ...spec },
    } as MutatingAdmissionPolicy;
    await bench.transport.create({ caller, resource: MutatingAdmissionPolicies, object: policy });
    const object = {
      apiVersion,
      kind: 'MutatingAdmissionPolicyBinding',
      metadata,
      spec: { policyName: name, ...binding },
    } as MutatingAdmissionPolicyBinding;
    await bench.transport.create({ caller, resource: MutatingAdmissionPolicyBindings, object });
    await bench.api.part.server.hub.fresh();
  }

  async function create(metadata: object = { generateName: 'made-' }, data: object = { a: 'b' }): Promise<ConfigMap> {
    const object = { kind: 'ConfigMap', apiVersion: 'v1', metadata, data } as ConfigMap;
    return bench.transport.create({ caller, resource: ConfigMaps, namespace, object });
  }

  it('apply configurations and patches to what is created and updated, with defaults behind them', async () => {
    const containers = 'Object.spec.template.spec.containers';
    await put('web', {
      matchConstraints: { resourceRules: deployments },
      variables: [{ name: 'more', expression: 'object.spec.replicas + 1' }],
      mutations: [
        apply(
          'Object{spec: Object.spec{replicas: variables.more}, metadata: Object.metadata{labels: {"seen": request.operation}}}',
        ),
        patch(
          `size(object.spec.template.spec.containers) > 1 ? [] : [JSONPatch{op: "add", path: "/spec/template/spec/containers/-", value: ${containers}{name: "sidecar", image: "proxy"}}]`,
        ),
        apply(
          `Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: object.spec.template.spec.containers.map(c, ${containers}{name: c.name, image: c.image + ":1"})}}}}`,
        ),
      ],
    });
    const object = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        replicas: 1,
        selector: { matchLabels: { a: 'b' } },
        template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'web', image: 'nginx' }] } },
      },
    } as unknown as Deployment;
    const made = await bench.transport.create({ caller, resource: Deployments, namespace, object });
    expect(made).toMatchObject({
      metadata: { labels: { seen: 'CREATE' } },
      spec: {
        replicas: 2,
        template: {
          spec: {
            containers: [
              { name: 'web', image: 'nginx:1' },
              { name: 'sidecar', image: 'proxy:1', terminationMessagePath: '/dev/termination-log', imagePullPolicy: 'Always' },
            ],
          },
        },
      },
    });
    const type = 'merge';
    const patched = await bench.transport.patch({
      caller,
      resource: Deployments,
      namespace,
      name: 'web',
      type,
      patch: { spec: { replicas: 5 } },
    });
    expect(patched).toMatchObject({ metadata: { labels: { seen: 'UPDATE' } }, spec: { replicas: 6 } });
  });

  it('stand there as soon as both are written, and go with either of them', async () => {
    await put('x', { mutations: [append('x')] });
    expect((await create()).data).toEqual({ a: 'b', x: 'x' });
    await bench.transport.delete({ caller, resource: MutatingAdmissionPolicyBindings, name: 'x' });
    await bench.api.part.server.hub.fresh();
    expect((await create()).data).toEqual({ a: 'b' });
  });

  it('are invoked in the order of their names, once for each parameter, and see what those before them did', async () => {
    for (const [name, text] of Object.entries({ one: '1', two: '2' })) {
      await create({ name, labels: { params: 'yes' } }, { text });
    }
    const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
    const add = patch(
      '[JSONPatch{op: "add", path: "/data/x", value: (has(object.data.x) ? object.data.x : "") + params.data.text}]',
    );
    await put('b', { mutations: [append('b')] });
    await put(
      'a',
      { mutations: [add], paramKind },
      { paramRef: { selector: { matchLabels: { params: 'yes' } }, parameterNotFoundAction: 'Deny' } },
    );
    expect((await create()).data!['x']).toMatch(/^(12|21)b$/);
    await bench.transport.deleteCollection({ caller, resource: ConfigMaps, namespace });
    await bench.api.part.server.hub.fresh();
    await expect(create({ name: 'alone' })).rejects.toMatchObject({
      status: {
        code: 403,
        reason: 'Forbidden',
        message:
          "policy 'a' with binding 'a' denied request: failed to configure binding: no params found for policy binding with `Deny` parameterNotFoundAction",
      },
    });
  });

  it('that fail turn the request down, or not, as they say; all that failed is told', async () => {
    const bad = { mutations: [apply('Object{nope: 1}'), apply('Object{data: {"x": object.none}}'), append('x')] };
    await put('bad', bad);
    const [first, second] = [
      "policy 'bad' with binding 'bad' denied request: error applying patch: failed to convert patch object to typed object: .nope: field not declared in schema",
      `policy 'bad' with binding 'bad' denied request: expression 'Object{data: {"x": object.none}}' resulted in error: no such key: none`,
    ];
    await expect(create({ name: 'a' })).rejects.toMatchObject({
      status: { code: 403, reason: 'Invalid', message: first, details: { causes: [{ message: first }, { message: second }] } },
    });
    await bench.transport.patch({
      caller,
      resource: MutatingAdmissionPolicies,
      name: 'bad',
      type: 'merge',
      patch: { spec: { failurePolicy: 'Ignore' } },
    });
    await bench.api.part.server.hub.fresh();
    expect((await create()).data).toEqual({ a: 'b', x: 'x' });
  });

  it('do not count where the request fails for what they made of the object', async () => {
    await put('bad', { failurePolicy: 'Ignore', mutations: [patch('[JSONPatch{op: "add", path: "/nope", value: 1}]')] });
    await expect(create({ name: 'a' })).rejects.toMatchObject({
      status: { code: 500, message: 'Internal error occurred: strict decoding error: unknown field "nope"' },
    });
  });

  it('are for those requests that their conditions choose', async () => {
    await put('chosen', {
      matchConditions: [
        { name: 'labelled', expression: 'object.metadata.?labels.?chosen.hasValue()' },
        { name: 'allowed', expression: 'authorizer.requestResource.check("delete").allowed()' },
      ],
      mutations: [append('x')],
    });
    expect((await create()).data).toEqual({ a: 'b' });
    expect((await create({ name: 'chosen', labels: { chosen: 'y' } })).data).toEqual({ a: 'b', x: 'x' });
  });

  it('come before webhooks, and are invoked again behind them where they want it', async () => {
    bench.server.judge('/hook', ({ object }) => ({
      patch: [{ op: 'add', path: '/data/x', value: `${(object as ConfigMap).data!['x'] ?? ''}h` }],
    }));
    await bench.put('mutating', { name: 'hook.web.example.com', path: '/hook' }, { reinvocationPolicy: 'IfNeeded' });
    await put('never', { mutations: [append('n')] });
    expect((await create()).data!['x']).toBe('nh');
    await put('eager', { mutations: [append('e')], reinvocationPolicy: 'IfNeeded' });
    // eager, never, hook; then eager, because of never and the hook, and then the hook, because of eager.
    expect((await create()).data!['x']).toBe('enheh');
  });

  it('are not asked about what configures them', async () => {
    const anything = [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }];
    const broken = apply('Object{metadata: Object.metadata{labels: {"x": object.none}}}');
    await put('all', { matchConstraints: { resourceRules: anything }, mutations: [broken] });
    await put('more', { mutations: [append('x')] });
    await expect(create()).rejects.toThrow("policy 'all' with binding 'all' denied request");
    const review = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'n' } } as KubeObject;
    await expect(bench.transport.create({ caller, resource: Namespaces as never, object: review })).rejects.toThrow(
      "policy 'all'",
    );
  });

  it('leave managed fields as they were where nobody could read what they made of them, and are counted', async () => {
    const expression = '[JSONPatch{op: "add", path: "/metadata/managedFields", value: [{"operation": "What"}]}]';
    await put('fields', { mutations: [patch(expression)] });
    const server = await connect(bench.api.kubeconfig);
    try {
      const path = `/api/v1/namespaces/${namespace}/configmaps?fieldManager=me`;
      const { code, warnings, body } = await send(server, {
        method: 'POST',
        path,
        body: { metadata: { name: 'a' }, data: { a: 'b' } },
      });
      expect(code).toBe(201);
      expect(warnings).toEqual([expect.stringContaining('.metadata.managedFields was in an invalid state after admission')]);
      expect((body as ConfigMap).metadata.managedFields).toMatchObject([{ manager: 'me', operation: 'Update' }]);
      const { body: text } = await send(server, { method: 'GET', path: '/metrics' });
      const labels = 'error_type="no_error",policy="fields",policy_binding="fields"';
      expect(text).toContain(`apiserver_mutating_admission_policy_check_total{${labels}} 1\n`);
    } finally {
      server.agent.destroy();
    }
  });
});
