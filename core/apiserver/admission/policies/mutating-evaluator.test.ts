import { describe, expect, it } from '@jest/globals';
import type { Authorizer } from '../../auth/authorizer.js';
import type { AdmissionVariables } from './admission-activation.js';
import { CelMutatingEvaluator } from './mutating-evaluator.js';
import type { MutatingPolicy, Mutation } from './mutation.js';

const variables: AdmissionVariables = {
  object: { metadata: { name: 'a' } },
  oldObject: undefined,
  request: { operation: 'CREATE' },
  user: { name: 'u', groups: [] },
  target: { group: '', resource: 'configmaps', subresource: '', namespace: 'n', name: 'a' },
};
const authorizer: Authorizer = { authorize: () => ({ decision: 'no-opinion', reason: '' }) };
const ten = '[1,2,3,4,5,6,7,8,9,10]';
const thousand = `${ten}.all(a, ${ten}.all(b, ${ten}.all(c, true)))`;

function evaluator(spec: object): CelMutatingEvaluator {
  return new CelMutatingEvaluator({ metadata: { name: 'p' }, spec } as unknown as MutatingPolicy, authorizer, () => 0);
}

function evaluate(patchType: string, expression: string, more: object = {}): Promise<Mutation> {
  const part = patchType === 'JSONPatch' ? 'jsonPatch' : 'applyConfiguration';
  return evaluator({ mutations: [{ patchType, [part]: { expression } }], ...more }).evaluate(0, variables);
}

describe('the expressions of a mutating policy', () => {
  it('say what is to be done', async () => {
    const defined = [{ name: 'n', expression: 'object.metadata.name' }];
    const configuration = 'Object{metadata: Object.metadata{name: variables.n}}';
    await expect(evaluate('ApplyConfiguration', configuration, { variables: defined })).resolves.toEqual({
      configuration: { metadata: { name: 'a' } },
    });
    await expect(evaluate('JSONPatch', '[JSONPatch{op: "remove", path: "/x"}]')).resolves.toEqual({
      operations: [{ op: 'remove', path: '/x' }],
    });
  });

  it.each([
    ['ApplyConfiguration', 'Object{a: nothing}', /^compilation failed: ERROR: <input>:1:11: undeclared reference to 'nothing'/],
    ['ApplyConfiguration', 'object', /^must evaluate to Object but got dyn$/],
    ['ApplyConfiguration', 'Object', /^must evaluate to Object but got type\(Object\)$/],
    ['JSONPatch', '[1]', /^must evaluate to list\(JSONPatch\) but got list\(int\)$/],
    ['JSONPatch', '[JSONPatch{op: dyn(type(1)) + ""}]', /resulted in error: no such overload/],
    [
      'ApplyConfiguration',
      'Object{a: object.none}',
      /^expression 'Object\{a: object.none\}' resulted in error: no such key: none$/,
    ],
    ['ApplyConfiguration', 'Object{a: Object.b{}}', /^type mismatch: unexpected type name "Object.b"/],
    [
      'JSONPatch',
      '[JSONPatch{value: type(1)}]',
      /^JSONPath valueExpression evaluated to a type that could not marshal to JSON: /,
    ],
  ])("fail in upstream's words: %s %s", async (patchType, expression, text) => {
    await expect(evaluate(patchType, expression)).rejects.toMatchObject({
      code: 'POLICY_FAULT',
      message: expect.stringMatching(text),
    });
  });

  it('may not cost more than their budget, what their variables cost included', async () => {
    const defined = Array.from({ length: 3000 }, (_, index) => ({ name: `v${index}`, expression: thousand }));
    const sum = `Object{a: [${defined.map(({ name }) => `variables.${name}`).join()}].all(v, v)}`;
    await expect(evaluate('ApplyConfiguration', sum, { variables: defined })).rejects.toThrow(
      'validation failed due to running out of cost budget, no further validation rules will be run',
    );
  });

  it('are for a request when all conditions hold; without conditions that is no question', async () => {
    const conditions = (...expressions: string[]): object => ({
      matchConditions: expressions.map((expression, index) => ({ name: `c${index}`, expression })),
    });
    await expect(evaluator({}).matches(variables)).resolves.toBeUndefined();
    await expect(evaluator(conditions('true', 'object.metadata.name == "a"')).matches(variables)).resolves.toMatchObject({
      matches: true,
    });
    await expect(evaluator(conditions('true', 'request.operation == "UPDATE"')).matches(variables)).resolves.toMatchObject({
      matches: false,
    });
    const failing = await evaluator(conditions('object.none == 1')).matches(variables);
    expect(failing).toMatchObject({ matches: false, failure: expect.stringContaining('no such key: none') });
  });
});
