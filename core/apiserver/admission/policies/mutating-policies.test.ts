import { describe, expect, it } from '@jest/globals';
import type { AdmissionAttributes } from '../../../contracts/admission.js';
import type { KubeObject } from '../../../machinery/object.js';
import { conflict } from '../../../machinery/status-error.js';
import { MatchConditionMetrics } from '../match-condition-metrics.js';
import { ObjectLookup } from '../object-lookup.js';
import { attributesOf, FakeStores } from '../testing/admission-fixture.js';
import type { MergingShapes } from '../webhooks/admission-shapes.js';
import { MutatingPolicies } from './mutating-policies.js';
import type { MutatingEvaluator } from './mutation.js';
import { MutationMetrics } from './mutation-metrics.js';
import { policyFault } from './policy-fault.js';
import { PolicySet } from './policy-set.js';

const rule = (apiVersion: string): object => ({
  operations: ['*'],
  apiGroups: ['example.com'],
  apiVersions: [apiVersion],
  resources: ['things'],
  scope: '*',
});
const object = (): KubeObject => ({ apiVersion: 'example.com/v1', kind: 'Thing', metadata: { name: 'x' } });

function bench(evaluator: Partial<MutatingEvaluator> = {}) {
  const set: ConstructorParameters<typeof MutatingPolicies>[0]['set'] = new PolicySet(() => ({
    matches: async () => undefined,
    evaluate: async () => ({ operations: [{ op: 'add', path: '/metadata/labels', value: { a: 'b' } }] }),
    ...evaluator,
  }));
  const shapes = {
    kind: ({ version }: { version: string }) => ({ group: 'example.com', version, kind: 'Thing' }),
    equivalents: () => [{ group: 'example.com', version: 'v2', resource: 'things' }],
    convert: () => Promise.reject(new Error('nobody converts this')),
    toJson: (_resource: unknown, _subresource: unknown, each: object) => structuredClone(each),
    fromJson: (_resource: unknown, _subresource: unknown, json: unknown) => structuredClone(json),
    isBuiltIn: () => false,
  } as unknown as MergingShapes;
  const conditionMetrics = new MatchConditionMetrics();
  const metrics = new MutationMetrics();
  const plugin = new MutatingPolicies({
    set,
    lookup: new ObjectLookup(new FakeStores()),
    shapes,
    params: { find: () => undefined },
    metrics,
    conditionMetrics,
    clock: { monotonicMs: () => 0 },
  });
  const put = (name: string, spec: object, binding: object = {}): void => {
    set.policies.upsert({ metadata: { name }, spec: { mutations: [{}], ...spec } } as unknown as KubeObject);
    set.bindings.upsert({ metadata: { name }, spec: { policyName: name, ...binding } } as unknown as KubeObject);
  };
  const attributes = (more: Partial<AdmissionAttributes> = {}): AdmissionAttributes =>
    attributesOf({ group: 'example.com', resource: 'things', kind: 'Thing', object: object(), ...more });
  return { plugin, put, attributes, set, metrics, conditionMetrics };
}

const matched = { matchConstraints: { resourceRules: [rule('v1')] } };

describe('mutating policies', () => {
  it('care for requests with an object while there are some that are bound, but not for what configures them', () => {
    const { plugin, put, attributes, set } = bench();
    expect(plugin.handles(attributes())).toBe(false);
    put('p', matched);
    expect(plugin.handles(attributes())).toBe(true);
    expect(plugin.handles(attributes({ operation: 'DELETE', object: undefined }))).toBe(false);
    const own = { group: 'admissionregistration.k8s.io', resource: 'mutatingadmissionpolicies' };
    expect(plugin.handles(attributes(own))).toBe(false);
    set.bindings.delete('', 'p');
    expect(plugin.handles(attributes())).toBe(false);
  });

  it('write into the draft of the request, and nothing where they do nothing', async () => {
    const { plugin, put, attributes, metrics } = bench();
    put('p', matched);
    put('q', { matchConstraints: { resourceRules: [rule('v7')], matchPolicy: 'Exact' } });
    const request = attributes();
    const draft = request.object;
    await plugin.mutate(request);
    expect(draft).toEqual({ ...object(), metadata: { name: 'x', labels: { a: 'b' } } });
    expect(metrics.text()).toContain('{error_type="no_error",policy="p",policy_binding="p"} 1');
    expect(metrics.text()).not.toContain('policy="q"');
  });

  it.each([
    [
      'has no constraints',
      {},
      {},
      'policy "p" denied request: failed to configure policy: policy contained no match constraints, a required field',
    ],
    [
      'has parameters of a kind that is not served',
      { ...matched, paramKind: { apiVersion: 'none.example.com/v1', kind: 'None' } },
      {},
      'policy "p" denied request: failed to configure policy: failed to find resource referenced by paramKind: \'none.example.com/v1, Kind=None\'',
    ],
    [
      'wants a version that nobody can make',
      { matchConstraints: { resourceRules: [rule('v2')], matchPolicy: 'Equivalent' } },
      {},
      'policy "p" denied request: failed to configure policy: nobody converts this',
    ],
    [
      'has a binding whose selector cannot be read',
      matched,
      { matchResources: { objectSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } } },
      "policy 'p' with binding 'p' denied request: failed to configure binding: ",
    ],
  ])('turn a request down when one %s, unless it says that this is no matter', async (_, spec, binding, message) => {
    const { plugin, put, attributes } = bench();
    put('p', spec, binding);
    await expect(plugin.mutate(attributes())).rejects.toMatchObject({
      status: {
        code: 403,
        reason: 'Forbidden',
        message: expect.stringContaining(message),
        details: { name: 'x', group: 'example.com' },
      },
    });
    put('p', { ...spec, failurePolicy: 'Ignore' }, binding);
    const request = attributes();
    await plugin.mutate(request);
    expect(request.object).toEqual(object());
  });

  it('count what their mutations could not do', async () => {
    const { plugin, put, attributes, metrics } = bench({ evaluate: () => Promise.reject(policyFault('compilation failed: x')) });
    put('p', matched);
    await expect(plugin.mutate(attributes())).rejects.toThrow(
      "policy 'p' with binding 'p' denied request: compilation failed: x",
    );
    expect(metrics.text()).toContain('{error_type="compile_error",policy="p",policy_binding="p"} 1');
  });

  it('end a request with a Status that a mutation comes to, and with what is a fault of ours', async () => {
    const refused = conflict({ group: '', resource: 'r', name: 'n' });
    const first = bench({ evaluate: () => Promise.reject(refused) });
    first.put('p', { ...matched, failurePolicy: 'Ignore' });
    await expect(first.plugin.mutate(first.attributes())).rejects.toBe(refused);
    expect(first.metrics.text()).toContain('error_type="invalid_error"');
    const bug = new TypeError('a bug');
    const second = bench({ evaluate: () => Promise.reject(bug) });
    second.put('p', { ...matched, failurePolicy: 'Ignore' });
    await expect(second.plugin.mutate(second.attributes())).rejects.toBe(bug);
    expect(second.metrics.text()).toBe('');
  });

  it('leave requests alone that their conditions are not for, and count conditions', async () => {
    const outcome = { matches: false, errorCount: 1, seconds: 0 };
    const { plugin, put, attributes, conditionMetrics } = bench({ matches: async () => outcome });
    put('p', matched);
    const request = attributes();
    await plugin.mutate(request);
    expect(request.object).toEqual(object());
    expect(conditionMetrics.text()).toContain('kind="policy",name="p",operation="CREATE",type="validate"');
    const failing = bench({ matches: async () => ({ ...outcome, failure: 'no such key: x' }) });
    failing.put('p', matched);
    await expect(failing.plugin.mutate(failing.attributes())).rejects.toMatchObject({
      status: { reason: 'Invalid', message: "policy 'p' with binding 'p' denied request: no such key: x" },
    });
  });
});
