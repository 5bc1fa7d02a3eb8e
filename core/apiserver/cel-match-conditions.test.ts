import { describe, expect, it } from '@jest/globals';
import { requestFields } from './admission/webhooks/admission-review.js';
import { attributesOf } from './admission/testing/admission-fixture.js';
import type { Attributes, Authorizer } from './auth/authorizer.js';
import { FakeClock } from '../base/fake-clock.js';
import { celMatchExpressions } from './match-expressions.js';
import type { MatchOutcome, MatchVariables } from './match-expressions.js';

/** Lets alice read pods of namespace `n`, and the account n/robot a path. */
class Guard implements Authorizer {
  readonly asked: Attributes[] = [];

  authorize(attributes: Attributes) {
    this.asked.push(attributes);
    const { user, namespace, resource, path } = attributes;
    const isReader = user.name === 'alice' && resource === 'pods' && namespace === 'n';
    const isRobot = user.name === 'system:serviceaccount:n:robot' && path === '/healthz';
    return isReader || isRobot
      ? { decision: 'allow' as const, reason: 'so' }
      : { decision: 'no-opinion' as const, reason: 'not so' };
  }
}

const guard = new Guard();
const engine = celMatchExpressions(guard, new FakeClock());
const user = { name: 'alice', groups: ['staff', 'system:authenticated'], extra: { 'example.com/k': ['v'] } };
const pods = { group: '', version: 'v1', resource: 'pods' };
const attributes = attributesOf({
  ...pods,
  namespace: 'n',
  name: 'p',
  caller: user,
  options: { fieldManager: 'me', dryRun: undefined },
});
const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', labels: { 'a/b': 'c' } }, spec: { priority: 3, ratio: 0.5 } };
const variables: MatchVariables = {
  object: pod,
  oldObject: undefined,
  request: requestFields(attributes, { resource: pods, kind: { group: '', version: 'v1', kind: 'Pod' } }, pods as never),
  user,
  target: { group: '', resource: 'pods', subresource: '', namespace: 'n', name: 'p' },
};

const evaluate = (...expressions: string[]): Promise<MatchOutcome> =>
  engine.compile(expressions.map((expression, index) => ({ name: `c${index}`, expression }))).evaluate(variables);

async function matches(...expressions: string[]): Promise<boolean> {
  const outcome = await evaluate(...expressions);
  if (outcome.failure !== undefined) throw new Error(outcome.failure);
  return outcome.matches;
}

describe('an expression that is written', () => {
  it.each([
    ['true'],
    ['object.anything.at.all == oldObject'],
    ['request.namespace == "n" && request.userInfo.extra["k"][0] == request.name'],
    ['request.options.anything == 1 && has(request.dryRun)'],
    ['authorizer.requestResource.check("get").allowed()'],
    ['namespaceObject.metadata.labels["a"] == namespaceObject.status.phase'],
  ])('may be %s', async expression => {
    await expect(engine.fault(expression)).resolves.toBeUndefined();
  });

  it.each([
    ['1 + 1', 'must evaluate to bool but got int'],
    ['object.spec', 'must evaluate to bool but got dyn'],
    ['request.kind', 'must evaluate to bool but got kubernetes.GroupVersionKind'],
    ['request.userInfo.extra', 'must evaluate to bool but got map(string, list(string))'],
    ['[timestamp("2026-01-01T00:00:00Z")]', 'must evaluate to bool but got list(google.protobuf.Timestamp)'],
    ['null', 'must evaluate to bool but got null_type'],
  ])('has another type: %s', async (expression, detail) => {
    await expect(engine.fault(expression)).resolves.toEqual({ detail, isInternal: false });
  });

  it.each([
    ['true &&', "compilation failed: ERROR: <input>:1:8: Syntax error: mismatched input '<EOF>' expecting"],
    ['params.x', "compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')"],
    ['variables.x', "compilation failed: ERROR: <input>:1:1: undeclared reference to 'variables' (in container '')"],
    ['request.object', "compilation failed: ERROR: <input>:1:8: undefined field 'object'"],
    ['request.toString', "compilation failed: ERROR: <input>:1:8: undefined field 'toString'"],
    [
      'request.dryRun == "x"',
      "compilation failed: ERROR: <input>:1:16: found no matching overload for '_==_' applied to '(bool, string)'",
    ],
  ])('cannot be compiled: %s', async (expression, start) => {
    const fault = await engine.fault(expression);
    expect(fault?.detail.slice(0, start.length)).toBe(start);
  });

  it('is right, but no program can be made of it', async () => {
    const fault = await engine.fault('"a".find("(") == "a"');
    expect(fault).toMatchObject({ isInternal: true, detail: expect.stringMatching(/^program instantiation failed: /) });
  });
});

describe('conditions', () => {
  it.each([
    ['object.metadata.labels["a/b"] == "c" && object.spec.priority == 3 && object.spec.ratio == 0.5', true],
    ['oldObject == null && namespaceObject == null', true],
    ['request.operation == "CREATE" && request.namespace == "n" && request.kind.kind == "Pod"', true],
    ['request.userInfo.username == "alice" && "staff" in request.userInfo.groups', true],
    ['request.userInfo.extra["example.com/k"] == ["v"] && !has(request.userInfo.uid)', true],
    ['request.options.fieldManager == "me" && request.dryRun', false],
    ['dyn(request.options).size() == 3 && !has(request.options.dryRun)', true],
    ['dyn(request).object == null && dyn(request).uid == ""', true],
    ['has(request.subResource) || object.metadata.name != "p"', false],
  ])('speak of the request: %s is %p', async (expression, expected) => {
    await expect(matches(expression)).resolves.toBe(expected);
  });

  it('ask the authorizer for the user, for the resource of the request, for service accounts', async () => {
    guard.asked.length = 0;
    await expect(matches('authorizer.requestResource.check("get").allowed()')).resolves.toBe(true);
    await expect(matches('authorizer == authorizer')).rejects.toThrow('no such overload');
    await expect(
      matches('authorizer.group("").resource("pods").namespace("m").check("list").reason() == "not so"'),
    ).resolves.toBe(true);
    await expect(matches('authorizer.path("/healthz").check("get").allowed()')).resolves.toBe(false);
    await expect(matches('authorizer.serviceAccount("n", "robot").path("/healthz").check("get").allowed()')).resolves.toBe(true);
    await expect(
      matches('authorizer.group("").resource("pods").fieldSelector("a=b").labelSelector("c").check("list").allowed()'),
    ).resolves.toBe(false);
    await expect(matches('authorizer.group("").resource("x").labelSelector("(").check("list").allowed()')).resolves.toBe(false);
    const robot = { name: 'system:serviceaccount:n:robot', groups: ['system:serviceaccounts', 'system:serviceaccounts:n'] };
    expect(guard.asked).toMatchObject([
      { resourceRequest: true, user: { name: 'alice' }, verb: 'get', resource: 'pods', namespace: 'n', name: 'p', version: '*' },
      { verb: 'list', namespace: 'm', name: '' },
      { resourceRequest: false, path: '/healthz', verb: 'get' },
      { resourceRequest: false, user: robot },
      { fieldSelector: [{ field: 'a', value: 'b' }], labelSelector: [{ key: 'c' }] },
      { resource: 'x' },
    ]);
    expect(guard.asked[5]).not.toHaveProperty('labelSelector');
  });

  it('must all be true', async () => {
    await expect(matches('true', 'object.kind == "Pod"')).resolves.toBe(true);
    await expect(matches('true', 'false')).resolves.toBe(false);
  });

  const fault = (message: string): object => ({ message });

  it('that cannot be evaluated count only where none is false, and each is told once', async () => {
    await expect(matches('object.none == 1', 'false')).resolves.toBe(false);
    const missing = "expression 'object.none == 1' resulted in error: no such key: none";
    await expect(matches('object.none == 1', 'true')).rejects.toMatchObject(fault(missing));
    const divided = "expression '1 / object.metadata.labels.size() / 0 == 1' resulted in error: division by zero";
    await expect(
      matches('object.none == 1', '1 / object.metadata.labels.size() / 0 == 1', 'object.none == 1'),
    ).rejects.toMatchObject(fault(`[${missing}, ${divided}]`));
  });

  it('count those that failed before one was false', async () => {
    await expect(evaluate('object.a', 'false', 'object.b')).resolves.toEqual({ matches: false, errorCount: 1, seconds: 0 });
    await expect(evaluate('object.a == 1', 'object.b == 1')).resolves.toMatchObject({ matches: false, errorCount: 2 });
  });

  it('that were stored though they cannot be compiled fail', async () => {
    await expect(matches('1')).rejects.toMatchObject(fault('compilation error: must evaluate to bool but got int'));
    await expect(matches('1', 'false')).resolves.toBe(false);
  });

  it('may cost so much alone, and so much together, where being false does not help', async () => {
    const list = '[1,2,3,4,5,6,7,8,9,10]';
    const costly = `${list}.all(a, ${list}.all(b, ${list}.all(c, ${list}.all(d, ${list}.all(e, ${list}.all(f, true))))))`;
    await expect(matches(costly)).rejects.toMatchObject(
      fault(`expression '${costly}' resulted in error: operation cancelled: actual cost limit exceeded`),
    );
    await expect(matches(costly, 'false')).resolves.toBe(false);
    await expect(matches('false', costly, costly, costly)).rejects.toMatchObject(
      fault('validation failed due to running out of cost budget, no further validation rules will be run'),
    );
  });
});
