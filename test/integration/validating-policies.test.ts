import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { SystemClock } from '../../core/base/clock.js';
import type { KubeObject, ResourceReference } from '../../core/plugin-api/index.js';
import { ApiTransport, Client, Resources, whenEstablished } from '../../core/plugin-api/index.js';
import type { TestCluster } from '../../core/testing/index.js';
import { startCluster } from '../../core/testing/index.js';
import { realTool } from '../support/kubectl.js';
import type { ToolResult } from '../support/kubectl.js';

const administrator = { name: 'system:admin', groups: ['system:masters'] };
const group = 'policies.example.com';
const limits: ResourceReference<KubeObject> = { group, version: 'v1', resource: 'limits', kind: 'Limit', namespaced: true };
const plain = (reference: unknown): ResourceReference<KubeObject> => reference as ResourceReference<KubeObject>;
const definitions = plain(Resources.CustomResourceDefinitions);
const policies = plain(Resources.ValidatingAdmissionPolicies);
const bindings = plain(Resources.ValidatingAdmissionPolicyBindings);
const maps = plain(Resources.ConfigMaps);

const definition = {
  metadata: { name: `limits.${group}` },
  spec: {
    group,
    scope: 'Namespaced',
    names: { plural: 'limits', kind: 'Limit' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { most: { type: 'integer' }, names: { type: 'array', items: { type: 'string' } } },
          },
        },
      },
    ],
  },
};

const forMaps = {
  resourceRules: [{ operations: ['CREATE', 'UPDATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
  objectSelector: { matchLabels: { checked: 'yes' } },
};

describe('validating admission policies in a cluster', () => {
  let cluster: TestCluster;
  let client: Client;

  beforeAll(async () => {
    cluster = await startCluster({ preset: 'sandbox' });
    client = new Client(cluster.get(ApiTransport), administrator);
  });
  afterAll(() => cluster.stop());
  afterEach(async () => {
    for (const reference of [bindings, policies]) await client.resource(reference).deleteCollection();
    await client.resource(maps, 'default').deleteCollection({ labelSelector: 'checked' });
  });

  const put = (name: string, spec: object): Promise<KubeObject> =>
    client.resource(policies).create({ metadata: { name }, spec: { matchConstraints: forMaps, ...spec } } as never);

  const bind = (policyName: string, spec: object = {}, name = policyName): Promise<KubeObject> =>
    client.resource(bindings).create({
      metadata: { name },
      spec: { policyName, validationActions: ['Deny'], ...spec },
    } as never);

  const map = (name: string, data: Record<string, string> = {}): KubeObject =>
    ({ kind: 'ConfigMap', apiVersion: 'v1', metadata: { name, labels: { checked: 'yes' } }, data }) as unknown as KubeObject;

  const make = (name: string, data: Record<string, string> = {}): Promise<KubeObject> =>
    client.resource(maps, 'default').create(map(name, data), { dryRun: true });

  /** A change is heeded a moment later. */
  async function until<T>(ask: () => Promise<T>, holds: (result: T) => boolean): Promise<T> {
    for (let tries = 0; tries < 400; tries++) {
      const result = await ask();
      if (holds(result)) return result;
      await new Promise(resolve => setTimeout(resolve, 10));
    }
    throw new Error('the cluster never came to what was asked of it');
  }

  const refused = (name: string, data: Record<string, string> = {}): Promise<{ status: Record<string, unknown> }> =>
    until(
      () =>
        make(name, data).then(
          () => undefined,
          (error: { status: Record<string, unknown> }) => error,
        ),
      error => error !== undefined,
    ) as Promise<{ status: Record<string, unknown> }>;

  it('refuse what does not hold, in their own words', async () => {
    await put('short.example.com', {
      variables: [{ name: 'length', expression: 'object.metadata.name.size()' }],
      validations: [
        {
          expression: 'variables.length <= 5',
          messageExpression: "'a name of ' + string(variables.length) + ' characters is too long'",
          reason: 'Forbidden',
        },
      ],
    });
    await expect(make('far-too-long')).resolves.toBeDefined();
    await bind('short.example.com');
    const text =
      "ValidatingAdmissionPolicy 'short.example.com' with binding 'short.example.com' denied request: a name of 12 characters is too long";
    await expect(refused('far-too-long')).resolves.toMatchObject({
      status: {
        code: 403,
        reason: 'Forbidden',
        message: `configmaps "far-too-long" is forbidden: ${text}`,
        details: { name: 'far-too-long', kind: 'configmaps', causes: [{ message: text }] },
      },
    });
    await expect(make('short')).resolves.toBeDefined();
    await client.resource(policies).delete('short.example.com');
    await until(
      () => make('far-too-long').catch(() => undefined),
      made => made !== undefined,
    );
  });

  it('take parameters from ConfigMaps of the namespace, and follow them', async () => {
    await put('data.example.com', {
      paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
      validations: [{ expression: 'params.data.allowed.split(",").exists(a, a == object.data.x)', message: 'not allowed' }],
    });
    const paramRef = { name: 'allowed', parameterNotFoundAction: 'Deny' };
    await bind('data.example.com', { paramRef });
    const missing = (await refused('a', { x: 'one' })).status['message'];
    expect(missing).toContain('no params found for policy binding with `Deny` parameterNotFoundAction');
    const allowed = client.resource(maps, 'default');
    await allowed.create({ metadata: { name: 'allowed' }, data: { allowed: 'one,two' } } as never);
    await until(
      () => make('a', { x: 'one' }).catch(() => undefined),
      made => made !== undefined,
    );
    expect((await refused('a', { x: 'three' })).status['message']).toContain('not allowed');
    await allowed.patch('allowed', 'merge', { data: { allowed: 'three' } });
    await until(
      () => make('a', { x: 'three' }).catch(() => undefined),
      made => made !== undefined,
    );
    await allowed.delete('allowed');
  });

  it('take parameters from custom resources, one after the other', async () => {
    await client.resource(definitions).create(definition as never);
    expect(await whenEstablished(client, definition.metadata.name, { clock: new SystemClock(), timeoutMs: 20_000 })).toBe(true);
    for (const [name, most] of [
      ['high', 10],
      ['low', 3],
    ] as const) {
      const object = { apiVersion: `${group}/v1`, kind: 'Limit', metadata: { name, labels: { for: 'maps' } }, most };
      await client.resource(limits, 'default').create(object as never);
    }
    await put('limited.example.com', {
      paramKind: { apiVersion: `${group}/v1`, kind: 'Limit' },
      validations: [
        {
          expression: 'object.data.size() <= params.most',
          messageExpression: '"more than " + string(params.most) + " by " + params.metadata.name',
        },
      ],
    });
    await bind('limited.example.com', {
      paramRef: { selector: { matchLabels: { for: 'maps' } }, namespace: 'default', parameterNotFoundAction: 'Deny' },
    });
    expect((await refused('a', { a: '', b: '', c: '', d: '' })).status['message']).toContain('more than 3 by low');
    await expect(make('a', { a: '' })).resolves.toBeDefined();
    await client.resource(definitions).delete(definition.metadata.name);
    const gone = await until(
      async () => (await refused('a')).status['message'] as string,
      message => message.includes('failed to configure policy'),
    );
    expect(gone).toContain(`failed to find resource referenced by paramKind: '${group}/v1, Kind=Limit'`);
  });

  it('warn where they only warn, and let what they cannot judge through where they are told to', async () => {
    await put('warned.example.com', {
      failurePolicy: 'Ignore',
      validations: [{ expression: 'object.data.x == "1"', message: 'x is not 1' }],
    });
    await bind('warned.example.com', { validationActions: ['Warn', 'Audit'] });
    const home = await mkdtemp(join(tmpdir(), 'k3s-policies-'));
    const kubectl = await realTool('kubectl', cluster.kubeconfigFile, home);
    const create = (data: Record<string, string>): Promise<ToolResult> =>
      kubectl(['create', '--dry-run=server', '-f', '-'], { input: JSON.stringify(map('w', data)) });
    const who = "ValidatingAdmissionPolicy 'warned.example.com' with binding 'warned.example.com'";
    const { code, stderr } = await until(
      () => create({ x: '2' }),
      result => result.stderr !== '',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: `Warning: Validation failed for ${who}: x is not 1\n` });
    await expect(create({})).resolves.toMatchObject({ code: 0, stderr: '' });
    const listed = await kubectl(['get', 'validatingadmissionpolicies,validatingadmissionpolicybindings']);
    expect(listed.stdout).toMatch(/warned\.example\.com +1 +<unset> +\d+s/);
    expect(listed.stdout).toMatch(/warned\.example\.com +warned\.example\.com +<unset> +\d+s/);
    const explained = await kubectl(['explain', 'validatingadmissionpolicy.spec.validations']);
    expect(explained.stdout).toContain('messageExpression');
    const metrics = await kubectl(['get', '--raw', '/metrics']);
    const labels = 'error_type="invalid_error",policy="warned.example.com",policy_binding="warned.example.com"';
    for (const action of ['warn', 'audit', 'allow'])
      expect(metrics.stdout).toMatch(new RegExp(`_check_total\\{enforcement_action="${action}",${labels}\\} [1-9]`));
    await rm(home, { recursive: true });
  });

  it('are checked against the types that they are for', async () => {
    await put('typed.example.com', { validations: [{ expression: 'object.dat.x == "1"' }] });
    const { status } = (await until(
      () => client.resource(policies).get('typed.example.com'),
      policy => (policy as { status?: { observedGeneration?: number } }).status?.observedGeneration === 1,
    )) as unknown as { status: { typeChecking: object } };
    expect(status.typeChecking).toEqual({
      expressionWarnings: [
        {
          fieldRef: 'spec.validations[0].expression',
          warning: '/v1, Kind=ConfigMap: ERROR: <input>:1:7: undefined field \'dat\'\n | object.dat.x == "1"\n | ......^\n',
        },
      ],
    });
  });
});
