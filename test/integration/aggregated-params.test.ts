import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { APIServices } from '../../core/api/generated/resources.js';
import { until } from '../../core/testing/until.js';
import { AggregationBench, administrator } from '../support/aggregation-bench.js';
import type { TestAnswer } from '../support/aggregation-bench.js';

const policyGroup = '/apis/admissionregistration.k8s.io/v1';
const maps = '/api/v1/namespaces/default/configmaps';
const paramKind = { apiVersion: 'fish.example.com/v1', kind: 'Fish' };
const matchConstraints = {
  resourceRules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
  objectSelector: { matchLabels: { checked: 'yes' } },
};
const paramRef = { name: 'nemo', namespace: 'default', parameterNotFoundAction: 'Deny' };

describe('policies with parameters that another server serves', () => {
  let bench: AggregationBench;
  let fishes: string;

  beforeAll(async () => {
    bench = await AggregationBench.start();
    fishes = `${bench.root}/namespaces/default/fishes`;
    await bench.registered();
  });
  afterAll(() => bench.stop());

  async function post(path: string, body: object): Promise<void> {
    expect(await bench.ask(path, { method: 'POST', body })).toMatchObject({ code: 201 });
  }

  const tryMap = (): Promise<TestAnswer> =>
    bench.ask(`${maps}?dryRun=All`, {
      method: 'POST',
      body: { metadata: { name: 'a', labels: { checked: 'yes' } }, data: { size: '5' } },
    });
  const refusal = async (): Promise<string> => {
    const { code, body } = await tryMap();
    return code === 201 ? '' : (JSON.parse(body) as { message: string }).message;
  };

  it('say so while its objects cannot be listed', async () => {
    bench.extension.answer(`${bench.root}/fishes`, (_request, response) => response.writeHead(503).end());
    await post(`${policyGroup}/validatingadmissionpolicies`, {
      metadata: { name: 'size' },
      spec: {
        paramKind,
        matchConstraints,
        validations: [
          { expression: 'int(object.data.size) <= params.most', messageExpression: '"at most " + string(params.most)' },
        ],
      },
    });
    await post(`${policyGroup}/validatingadmissionpolicybindings`, {
      metadata: { name: 'size' },
      spec: { policyName: 'size', validationActions: ['Deny'], paramRef },
    });
    expect(await refusal()).toContain(
      'failed to configure binding: paramKind kind `&ParamKind{APIVersion:fish.example.com/v1,Kind:Fish,}` not yet synced to use for admission',
    );
    bench.extension.answer(`${bench.root}/fishes`, undefined);
    await until('the parameters', async () => (await refusal()).includes('no params found for policy binding'));
  });

  it('heed them as they change', async () => {
    await post(fishes, { metadata: { name: 'nemo' }, most: 3 });
    await until('the first fish', async () => (await refusal()).endsWith('denied request: at most 3'));
    await bench.ask(`${fishes}/nemo`, { method: 'DELETE' });
    await until('no fish', async () => (await refusal()).includes('no params found for policy binding'));
    await post(fishes, { metadata: { name: 'nemo' }, most: 7 });
    await until('the second fish', async () => (await tryMap()).code === 201);
  });

  it('change objects by them', async () => {
    await post(`${policyGroup}/mutatingadmissionpolicies`, {
      metadata: { name: 'mark' },
      spec: {
        paramKind,
        matchConstraints,
        reinvocationPolicy: 'Never',
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: { expression: 'Object{data: {"most": string(params.most)}}' },
          },
        ],
      },
    });
    await post(`${policyGroup}/mutatingadmissionpolicybindings`, {
      metadata: { name: 'mark' },
      spec: { policyName: 'mark', paramRef },
    });
    const { body } = await tryMap();
    expect(JSON.parse(body)).toMatchObject({ data: { size: '5', most: '7' } });
  });

  it('go by what it showed last while it is away', async () => {
    bench.extension.broken = 500;
    bench.extension.breakConnections();
    await bench.api.part.transport.patch({
      caller: administrator,
      resource: APIServices,
      name: bench.name,
      type: 'merge',
      patch: { spec: { versionPriority: 11 } },
    });
    await bench.condition('FailedDiscoveryCheck');
    const { code, body } = await tryMap();
    expect(code).toBe(201);
    expect(JSON.parse(body)).toMatchObject({ data: { most: '7' } });
  });

  it('do not know the kind any more when its APIService has gone', async () => {
    await bench.api.part.transport.delete({ caller: administrator, resource: APIServices, name: bench.name });
    await until('another catalogue', () => bench.api.part.catalogue.extensions!().length === 0);
    expect(await refusal()).toContain("failed to find resource referenced by paramKind: 'fish.example.com/v1, Kind=Fish'");
  });
});
