import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { CustomResourceDefinitions, ValidatingAdmissionPolicies } from '../api/generated/resources.js';
import type { CustomResourceDefinition, ExpressionWarning, ValidatingAdmissionPolicy } from '../api/generated/types.js';
import { groupData, groupNames } from '../api/schema-data.js';
import type { CataloguedResource } from '../contracts/resource-catalogue.js';
import { fakeEnvironment } from './testing/environment.js';
import { ControllerHarness } from './testing/harness.js';
import { validatingAdmissionPolicyStatusController } from './validating-admission-policy-status-controller.js';

interface Recorded {
  readonly definition: CustomResourceDefinition;
  /** For Deployments where the rules say nothing else; the names of types without the number that upstream makes up. */
  readonly checks: readonly { readonly spec: object; readonly warnings: readonly ExpressionWarning[] }[];
}

const { definition, checks } = JSON.parse(
  readFileSync('core/controllers/testdata/recorded-type-checks.json', 'utf8'),
) as Recorded;

const deployments = {
  matchConstraints: {
    resourceRules: [{ operations: ['*'], apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'] }],
  },
};

const defined = definition.spec.versions.map(({ name }): CataloguedResource => {
  const { group, names } = definition.spec;
  const reference = { group, version: name, resource: names.plural, kind: names.kind, namespaced: true };
  return { reference: reference as never, verbs: ['list'] };
});

const builtIn = groupNames().flatMap(group =>
  groupData(group)!.resources.map(({ version, name, kind, namespaced }): CataloguedResource => {
    return { reference: { group, version, resource: name, kind, namespaced } as never, verbs: ['list'] };
  }),
);

describe('the status of validating admission policies', () => {
  let harness: ControllerHarness;

  beforeEach(async () => {
    harness = new ControllerHarness();
    harness.environment = fakeEnvironment([...builtIn, ...defined]);
    await harness.resource(CustomResourceDefinitions).create(definition);
    await harness.start(validatingAdmissionPolicyStatusController);
  });
  afterEach(() => harness.stop());

  /** Waits for the engine, which is imported with the first policy. */
  async function status(name: string, generation = 1): Promise<ValidatingAdmissionPolicy> {
    for (;;) {
      await harness.settle();
      const policy = await harness.resource(ValidatingAdmissionPolicies).get(name);
      if (policy.status?.observedGeneration === generation) return policy;
      await new Promise(resolve => setTimeout(resolve, 5));
    }
  }

  const put = (name: string, spec: object): Promise<unknown> =>
    harness.resource(ValidatingAdmissionPolicies).create({
      metadata: { name, generation: 1 },
      spec: { ...deployments, ...spec },
      status: {},
    } as never);

  it('says of every expression what upstream says', async () => {
    for (const [index, { spec }] of checks.entries()) await put(`p${index}`, spec);
    for (const [index, { spec, warnings }] of checks.entries()) {
      const { typeChecking } = (await status(`p${index}`)).status;
      const told = (typeChecking?.expressionWarnings ?? []).map(({ fieldRef, warning }) => ({
        fieldRef,
        warning: warning.replaceAll('Params', ''),
      }));
      expect({ spec, warnings: told }).toEqual({ spec, warnings });
    }
  });

  it('is written as upstream writes it, once for each generation', async () => {
    await put('p', { validations: [{ expression: 'true' }] });
    expect((await status('p')).status).toEqual({ observedGeneration: 1, typeChecking: {} });
    const patches = harness.transport.actions.filter(({ verb }) => verb === 'patch');
    expect(patches).toMatchObject([{ subresource: 'status' }]);
    const policies = harness.resource(ValidatingAdmissionPolicies);
    const next = await policies.get('p');
    const metadata = { ...next.metadata, generation: 2 };
    await policies.update('p', { ...next, metadata, spec: { ...next.spec, validations: [{ expression: 'object.x == 1' }] } });
    expect((await status('p', 2)).status.typeChecking?.expressionWarnings).toHaveLength(1);
    await policies.delete('p');
    await harness.settle();
    expect(harness.transport.actions.filter(({ verb }) => verb === 'patch')).toHaveLength(2);
  });
});
