import { describe, expect, it } from '@jest/globals';
import type { Validation } from '../../../api/generated/types.js';
import { FakeClock } from '../../../base/fake-clock.js';
import type { AdmissionAttributes } from '../../../contracts/admission.js';
import { MastersAuthorizer } from '../../auth/authorizer.js';
import { MatchConditionMetrics } from '../match-condition-metrics.js';
import { ObjectLookup } from '../object-lookup.js';
import { admit, attributesOf, FakeStores, object } from '../testing/admission-fixture.js';
import type { AdmissionShapes, MergingShapes } from '../webhooks/admission-shapes.js';
import { PolicyAdmission } from './index.js';
import { MutationMetrics } from './mutation-metrics.js';
import { ValidatingPolicyMetrics } from './validating-metrics.js';

const shapes: AdmissionShapes = {
  kind: ({ group, version, resource }) => ({ group, version, kind: resource === 'namespaces' ? 'Namespace' : 'Thing' }),
  toJson: (_resource, _subresource, each) => each,
  fromJson: () => object('X', 'x'),
  fromAnyJson: () => object('X', 'x'),
  equivalents: ({ resource }) => (resource === 'things' ? [{ group: 'new', version: 'v2', resource: 'things' }] : []),
  convert: async (each, _from, to) => {
    if (each.metadata.name === 'stubborn') throw new Error('no way');
    return { ...each, apiVersion: `${to.group}/${to.version}` };
  },
};

const rules = { resourceRules: [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }] };
const equivalent = { ...rules, matchPolicy: 'Equivalent' };
const ofNew = { matchPolicy: 'Equivalent', resourceRules: [{ ...rules.resourceRules[0]!, apiGroups: ['new'] }] };

class Bench {
  readonly annotations: [string, string][] = [];
  readonly metrics = new ValidatingPolicyMetrics();
  readonly conditionMetrics = new MatchConditionMetrics();
  readonly #stores = new FakeStores({ '/namespaces': [object('Namespace', 'default', { status: { phase: 'Active' } }, '')] });
  readonly #policies = new PolicyAdmission({
    authorizer: new MastersAuthorizer(),
    shapes: shapes as MergingShapes,
    params: {
      find: (group, _version, kind) =>
        kind === 'Param'
          ? {
              namespaced: group === '',
              get: async (namespace, name) => (name === 'there' ? { metadata: { name, namespace } } : undefined),
              list: async (_namespace, selector) =>
                ['a', 'b'].filter(l => selector.matches({ l })).map(name => ({ metadata: { name } })),
            }
          : undefined,
    },
    conditionMetrics: this.conditionMetrics,
    mutationMetrics: new MutationMetrics(),
    validatingMetrics: this.metrics,
    clock: new FakeClock(),
  } as ConstructorParameters<typeof PolicyAdmission>[0]);
  readonly plugin = this.#policies.validatingPlugin(new ObjectLookup(this.#stores));

  put(name: string, spec: object, ...bindings: object[]): this {
    const { validating } = this.#policies;
    const whole = { matchConstraints: equivalent, failurePolicy: 'Fail', ...spec };
    validating.policies.upsert(object('ValidatingAdmissionPolicy', name, { spec: whole }, ''));
    for (const [index, binding] of (bindings.length ? bindings : [{}]).entries()) {
      const bound = { policyName: name, validationActions: ['Deny'], ...binding };
      validating.bindings.upsert(object('ValidatingAdmissionPolicyBinding', `${name}-${index}`, { spec: bound }, ''));
    }
    return this;
  }

  remove(name: string): void {
    this.#policies.validating.policies.delete('', name);
  }

  attributes(given: Partial<AdmissionAttributes> = {}): ReturnType<typeof attributesOf> {
    const annotate = (key: string, value: string): void => void this.annotations.push([key, value]);
    return attributesOf({ resource: 'things', object: object('Thing', 't'), annotate, ...given });
  }

  admit(given: Partial<AdmissionAttributes> = {}): Promise<string | undefined> {
    return admit(this.plugin, this.attributes(given));
  }
}

const failing = (...validations: Partial<Validation>[]): object => ({
  validations: validations.map(validation => ({ expression: 'false', ...validation })),
});
const refused = (policy: string, message: string): string =>
  `things "t" is forbidden: ValidatingAdmissionPolicy '${policy}' with binding '${policy}-0' denied request: ${message}`;

describe('validating admission policies', () => {
  it('care for nothing while none is bound, and never for what configures them or asks who may', async () => {
    const bench = new Bench();
    expect(bench.plugin.handles!(bench.attributes())).toBe(false);
    bench.put('p', failing({}), { policyName: 'another' });
    expect(bench.plugin.handles!(bench.attributes())).toBe(false);
    bench.put('p', failing({}));
    expect(bench.plugin.handles!(bench.attributes())).toBe(true);
    const group = 'admissionregistration.k8s.io';
    expect(bench.plugin.handles!(bench.attributes({ group, resource: 'mutatingadmissionpolicies' }))).toBe(false);
    expect(bench.plugin.handles!(bench.attributes({ group, resource: 'mutatingwebhookconfigurations' }))).toBe(true);
    const review = { group: 'authorization.k8s.io', resource: 'subjectaccessreviews' };
    expect(bench.plugin.handles!(bench.attributes(review))).toBe(false);
    bench.remove('p');
    expect(bench.plugin.handles!(bench.attributes())).toBe(false);
  });

  it('tell the first that refuses, in the order of names', async () => {
    const bench = new Bench().put('b', failing({ message: 'no b' })).put('a', failing({ message: 'no a' }, { message: 'again' }));
    await expect(bench.admit()).resolves.toBe(refused('a', 'no a'));
    bench.put('a', { validations: [{ expression: 'true' }] });
    await expect(bench.admit()).resolves.toBe(refused('b', 'no b'));
  });

  it('write to the audit log what failed, and annotations over all bindings', async () => {
    const annotations = (given: Record<string, string>): object => ({
      auditAnnotations: Object.entries(given).map(([key, valueExpression]) => ({ key, valueExpression })),
    });
    const spec = { ...failing({ message: 'a <b>' }), paramKind: { apiVersion: 'v1', kind: 'Param' } };
    const binding = { validationActions: ['Audit'], paramRef: { selector: {}, parameterNotFoundAction: 'Allow' } };
    const long = `"${'é'.repeat(6000)}"`;
    const given = { same: '" x "', which: 'string(params.metadata.name)', blank: '" "', none: 'null', long };
    const bench = new Bench().put('p', { ...spec, ...annotations(given) }, binding);
    await expect(bench.admit()).resolves.toBeUndefined();
    const failure =
      '[{"message":"a \\u003cb\\u003e","policy":"p","binding":"p-0","expressionIndex":0,"validationActions":["Audit"]}]';
    const key = 'validation.policy.admission.k8s.io/validation_failure';
    expect(bench.annotations).toEqual([
      [key, failure],
      [key, failure],
      ['p/same', 'x'],
      ['p/which', 'a, b'],
      ['p/long', 'é'.repeat(5120)],
    ]);
    bench.put('p', { ...spec, ...annotations({ untyped: 'object.metadata.name' }) }, binding);
    await expect(bench.admit()).resolves.toBe(
      refused('p', 'compilation error: must evaluate to one of [string null_type] but got dyn'),
    );
  });

  it('count and time what failed, by what was wrong', async () => {
    const text = JSON.stringify('x'.repeat(20));
    const all = (depth: number): string => (depth ? `${text}.split("").all(v${depth}, ${all(depth - 1)})` : 'true');
    const bench = new Bench()
      .put('plain', failing({}))
      .put('broken', failing({ expression: 'object.' }))
      .put('dear', { failurePolicy: 'Ignore', validations: Array.from({ length: 40 }, () => ({ expression: all(4) })) })
      .put('told', failing({}), { validationActions: ['Warn', 'Audit'] })
      .put('excluded', {
        ...failing({}),
        matchConditions: [
          { name: 'c', expression: 'object.none' },
          { name: 'd', expression: 'false' },
        ],
      });
    const attributes = bench.attributes();
    await expect(admit(bench.plugin, attributes)).resolves.toContain("ValidatingAdmissionPolicy 'broken'");
    expect(attributes.warnings).toEqual([
      "Validation failed for ValidatingAdmissionPolicy 'told' with binding 'told-0': failed expression: false",
    ]);
    const line = (action: string, error: string, policy: string): string =>
      `apiserver_validating_admission_policy_check_total{enforcement_action="${action}",error_type="${error}",policy="${policy}",policy_binding="${policy}-0"} 1`;
    expect(bench.metrics.text().split('\n')).toEqual(
      expect.arrayContaining([
        line('deny', 'invalid_error', 'plain'),
        line('deny', 'compile_error', 'broken'),
        line('allow', 'out_of_budget', 'dear'),
        line('warn', 'invalid_error', 'told'),
        line('audit', 'invalid_error', 'told'),
      ]),
    );
    expect(bench.metrics.text()).toContain('apiserver_validating_admission_policy_check_duration_seconds_bucket');
    expect(bench.conditionMetrics.text()).toContain(
      'apiserver_admission_match_condition_evaluation_errors_total{kind="policy",name="excluded",operation="CREATE",type="validate"} 1',
    );
  });

  it('that cannot be used refuse, or let through where failures are ignored', async () => {
    const cases: readonly [string, object, object, Partial<AdmissionAttributes>?][] = [
      [
        'failed to configure policy: policy contained no match constraints, a required field',
        { matchConstraints: undefined },
        {},
      ],
      [
        'failed to configure policy: Internal error occurred: "Near" is not a valid label selector operator',
        { matchConstraints: { ...rules, objectSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } } },
        {},
      ],
      [
        "failed to configure policy: failed to find resource referenced by paramKind: '/v1, Kind=None'",
        { paramKind: { apiVersion: 'v1', kind: 'None' } },
        {},
      ],
      [
        'failed to configure policy: unexpected GroupVersion string: a/b/c',
        { paramKind: { apiVersion: 'a/b/c', kind: 'Param' } },
        {},
      ],
      [
        'failed to configure binding: Internal error occurred: "Near" is not a valid label selector operator',
        {},
        { matchResources: { ...rules, namespaceSelector: { matchExpressions: [{ key: 'a', operator: 'Near' }] } } },
      ],
      [
        'failed to configure binding: namespaces "gone" not found',
        {},
        { matchResources: { ...rules, namespaceSelector: { matchLabels: { a: 'b' } } } },
        { namespace: 'gone' },
      ],
      [
        'failed to configure binding: failed to convert object version: no way',
        { matchConstraints: ofNew },
        {},
        { object: object('Thing', 'stubborn') },
      ],
    ];
    const param = { paramKind: { apiVersion: 'v1', kind: 'Param' } };
    const refs: readonly [string, object, Partial<AdmissionAttributes>?][] = [
      [
        'no params found for policy binding with `Deny` parameterNotFoundAction',
        { name: 'none', parameterNotFoundAction: 'Deny' },
      ],
      ['one of name or selector must be provided', {}],
      ['paramRef.name and paramRef.selector are mutually exclusive', { name: 'there', selector: {} }],
      [
        'cannot use namespaced paramRef in policy binding that matches cluster-scoped resources',
        { name: 'there' },
        { namespace: '', object: object('Thing', 't', {}, '') },
      ],
    ];
    const all = [
      ...cases,
      ...refs.map(([text, paramRef, given]) => [`failed to configure binding: ${text}`, param, { paramRef }, given] as const),
    ];
    for (const [text, spec, binding, given] of all) {
      const validations = [{ expression: 'true' }];
      const answer = await new Bench().put('p', { validations, ...spec }, binding).admit(given);
      expect(answer).toContain(`denied request: ${text}`);
      const ignoring = new Bench().put('p', { validations, ...spec, failurePolicy: 'Ignore' }, binding);
      await expect(ignoring.admit(given)).resolves.toBeUndefined();
    }
  });

  it('say 404 where the namespace of a request has gone', async () => {
    await expect(new Bench().put('p', failing({})).admit({ namespace: 'gone' })).resolves.toBe('namespaces "gone" not found');
  });

  it('need no parameters where none are asked for, and none where none were found and that is allowed', async () => {
    const param = { paramKind: { apiVersion: 'v1', kind: 'Param' } };
    const validations = [{ expression: 'params == null' }];
    await expect(new Bench().put('p', { ...param, validations }).admit()).resolves.toBeUndefined();
    const paramRef = { name: 'none', parameterNotFoundAction: 'Allow' };
    await expect(new Bench().put('p', { ...param, ...failing({}) }, { paramRef }).admit()).resolves.toBeUndefined();
    const told = failing({ messageExpression: 'string(params.metadata.namespace)' });
    const there = new Bench().put('p', { ...param, ...told }, { paramRef: { name: 'there' } });
    await expect(there.admit()).resolves.toBe(refused('p', 'default'));
    const wide = { paramKind: { apiVersion: 'wide/v1', kind: 'Param' }, ...told };
    const named = { paramRef: { name: 'there', namespace: 'default' } };
    const text = 'failed to configure binding: paramRef.namespace must not be provided for a cluster-scoped `paramKind`';
    await expect(new Bench().put('p', wide, named).admit()).resolves.toBe(refused('p', text));
  });
});
