import { describe, expect, it } from '@jest/globals';
import type { RuleWithOperations } from '../../../api/generated/types.js';
import type { AdmissionAttributes } from '../../../contracts/admission.js';
import { MastersAuthorizer } from '../../auth/authorizer.js';
import { CodedError } from '../../../base/errors.js';
import type { MatchExpressionEngine, MatchVariables } from '../../match-expressions.js';
import { celMatchExpressions, evaluationFailed } from '../../match-expressions.js';
import type { Webhook } from '../../resources/admissionregistration/webhook-configuration.js';
import { ObjectLookup } from '../object-lookup.js';
import { attributesOf, FakeStores, object } from '../testing/admission-fixture.js';
import type { AdmissionShapes, ResourceName } from './admission-shapes.js';
import type { WebhookConfiguration } from './compiled-webhook.js';
import { compileConfiguration } from './compiled-webhook.js';
import { isExempt } from './request-scope.js';
import { WebhookMatcher } from './webhook-matcher.js';
import { WebhookSet } from './webhook-set.js';

const shapes: AdmissionShapes = {
  kind: ({ group, version, resource }) => ({ group, version, kind: resource.toUpperCase() }),
  toJson: (_resource, _subresource, each) => each,
  fromJson: () => object('X', 'x'),
  fromAnyJson: json => json,
  equivalents: ({ resource }: ResourceName) =>
    resource === 'things' ? [{ group: 'new.example.com', version: 'v2', resource: 'things' }] : [],
  convert: async (each, _from, to) => ({ ...each, apiVersion: `${to.group}/${to.version}` }),
};

const stores = new FakeStores({
  '/namespaces': [{ ...object('Namespace', 'n'), metadata: { name: 'n', labels: { team: 'a' } } }],
});
const expressions = celMatchExpressions(new MastersAuthorizer());
const matcher = new WebhookMatcher(new ObjectLookup(stores), shapes);

function compiled(fields: Partial<Webhook>, engine: MatchExpressionEngine = expressions) {
  const webhook = { name: 'a.b.c', clientConfig: {}, admissionReviewVersions: ['v1'], matchPolicy: 'Equivalent', ...fields };
  const configuration = { ...object('ValidatingWebhookConfiguration', 'conf'), webhooks: [webhook] };
  return compileConfiguration(configuration as WebhookConfiguration, engine)[0]!;
}

const pods = (given: Partial<AdmissionAttributes> = {}): AdmissionAttributes =>
  attributesOf({ resource: 'pods', namespace: 'n', name: 'p', object: object('Pod', 'p', {}, 'n'), ...given });

const rule = (fields: Partial<RuleWithOperations> = {}): RuleWithOperations => ({
  operations: ['CREATE'],
  apiGroups: [''],
  apiVersions: ['v1'],
  resources: ['pods'],
  ...fields,
});

describe('the rules of a webhook', () => {
  it.each<[Partial<RuleWithOperations>, Partial<AdmissionAttributes>, boolean]>([
    [{}, {}, true],
    [{ operations: ['UPDATE'] }, {}, false],
    [{ operations: ['*'] }, { operation: 'CONNECT' }, true],
    [{ apiGroups: ['apps'] }, {}, false],
    [{ apiGroups: ['*'], apiVersions: ['v2'] }, {}, false],
    [{ apiVersions: ['*'] }, {}, true],
    [{ resources: ['*'] }, {}, true],
    [{ resources: ['*'] }, { subresource: 'status' }, false],
    [{ resources: ['pods/status'] }, { subresource: 'status' }, true],
    [{ resources: ['pods/*'] }, {}, true],
    [{ resources: ['*/status'] }, {}, false],
    [{ resources: ['*/*'] }, { subresource: 'exec' }, true],
    [{ scope: 'Namespaced' }, {}, true],
    [{ scope: 'Cluster' }, {}, false],
    [{ scope: 'Cluster', resources: ['nodes'] }, { resource: 'nodes', namespace: '' }, true],
    [{ scope: 'Cluster', resources: ['namespaces'] }, { resource: 'namespaces', namespace: '', name: 'n' }, true],
    [{ scope: 'Namespaced', resources: ['namespaces'] }, { resource: 'namespaces', namespace: '', name: 'n' }, false],
  ])('%j against %j: %p', async (fields, given, expected) => {
    const found = await matcher.match(compiled({ rules: [rule(fields)] }), pods(given));
    expect(found !== undefined).toBe(expected);
  });

  it('find other names of the same objects, which then are what is shown', async () => {
    const rules = [rule({ apiGroups: ['new.example.com'], apiVersions: ['v2'], resources: ['things'] })];
    const attributes = pods({ resource: 'things', group: 'old.example.com' });
    const found = await matcher.match(compiled({ rules }), attributes);
    expect(found).toEqual({
      resource: { group: 'new.example.com', version: 'v2', resource: 'things' },
      kind: { group: 'new.example.com', version: 'v2', kind: 'THINGS' },
    });
    expect(await matcher.versions(attributes, found!)).toMatchObject({
      object: { apiVersion: 'new.example.com/v2' },
      oldObject: undefined,
    });
    await expect(matcher.match(compiled({ rules, matchPolicy: 'Exact' }), attributes)).resolves.toBeUndefined();
  });
});

describe('the selectors of a webhook', () => {
  const rules = [rule({ resources: ['*'] })];

  it('ask the namespace, or the Namespace itself while it is written', async () => {
    const webhook = compiled({ rules, namespaceSelector: { matchLabels: { team: 'a' } } });
    await expect(matcher.match(webhook, pods())).resolves.toBeDefined();
    const written = { resource: 'namespaces', namespace: '', name: 'n', object: object('Namespace', 'n') };
    await expect(matcher.match(webhook, pods(written))).resolves.toBeUndefined();
    await expect(matcher.match(webhook, pods({ resource: 'nodes', namespace: '' }))).resolves.toBeDefined();
    await expect(matcher.match(webhook, pods({ namespace: 'gone' }))).rejects.toMatchObject({ code: 'NotFound' });
    await expect(matcher.match(compiled({ rules: [] }), pods({ namespace: 'gone' }))).resolves.toBeUndefined();
  });

  it('that cannot be read stop what the rules match', async () => {
    const odd = { matchExpressions: [{ key: 'a', operator: 'Near' }] };
    for (const fields of [{ namespaceSelector: odd }, { objectSelector: odd }]) {
      await expect(matcher.match(compiled({ rules, ...fields }), pods())).rejects.toMatchObject({ code: 'InternalError' });
      await expect(matcher.match(compiled({ rules: [], ...fields }), pods())).resolves.toBeUndefined();
    }
  });

  it('take nothing from objects that are not there', async () => {
    const webhook = compiled({ rules: [rule({ operations: ['*'] })], objectSelector: { matchLabels: { a: 'b' } } });
    await expect(matcher.match(webhook, pods({ object: undefined }))).resolves.toBeUndefined();
    const old = { ...object('Pod', 'p'), metadata: { labels: { a: 'b' } } };
    await expect(matcher.match(webhook, pods({ object: undefined, oldObject: old }))).resolves.toBeDefined();
  });
});

describe('the conditions of a webhook', () => {
  const matchConditions = [{ name: 'c', expression: 'e' }];
  const rules = [rule()];
  const engine = (matches: (variables: MatchVariables) => Promise<boolean>): MatchExpressionEngine => ({
    fault: async () => undefined,
    compile: () => ({ matches }),
  });

  it('are told the request and its objects', async () => {
    const seen: MatchVariables[] = [];
    const noting = engine(async variables => {
      seen.push(variables);
      return seen.length === 1;
    });
    const webhook = compiled({ rules, matchConditions }, noting);
    await expect(matcher.match(webhook, pods())).resolves.toBeDefined();
    await expect(matcher.match(webhook, pods())).resolves.toBeUndefined();
    expect(seen[0]).toMatchObject({
      object: { metadata: { name: 'p' } },
      oldObject: undefined,
      user: { name: 'admin' },
      target: { group: '', resource: 'pods', subresource: '', namespace: 'n', name: 'p' },
      request: { operation: 'CREATE', name: 'p', namespace: 'n', kind: { kind: 'PODS' }, userInfo: { username: 'admin' } },
    });
  });

  it('that fail stop the request, unless failures are ignored', async () => {
    const failing = engine(() => Promise.reject(new CodedError(evaluationFailed, 'no such key')));
    await expect(matcher.match(compiled({ rules, matchConditions }, failing), pods())).rejects.toMatchObject({
      code: 'Forbidden',
      message: 'pods "p" is forbidden: no such key',
    });
    const ignoring = compiled({ rules, matchConditions, failurePolicy: 'Ignore' }, failing);
    await expect(matcher.match(ignoring, pods())).resolves.toBeUndefined();
  });

  it('that break down are no failure of theirs', async () => {
    const broken = engine(() => Promise.reject(new Error('a fault of ours')));
    const ignoring = compiled({ rules, matchConditions, failurePolicy: 'Ignore' }, broken);
    await expect(matcher.match(ignoring, pods())).rejects.toThrow('a fault of ours');
  });
});

describe('a set of webhooks', () => {
  it('stands in the order of the configurations, and tells webhooks of one name apart', () => {
    const set = new WebhookSet(expressions);
    const webhook = (name: string): object => ({ name, clientConfig: {}, admissionReviewVersions: [] });
    set.upsert({ ...object('C', 'b'), webhooks: [webhook('x'), webhook('x')] } as never);
    const before = set.all;
    set.upsert({ ...object('C', 'a'), webhooks: [webhook('y')] } as never);
    expect(set.all.map(({ id }) => id)).toEqual(['a/y/0', 'b/x/0', 'b/x/1']);
    set.delete('', 'b');
    expect(set.all.map(({ id }) => id)).toEqual(['a/y/0']);
    expect(before.map(({ id }) => id)).toEqual(['b/x/0', 'b/x/1']);
  });

  it('leaves out what configures admission', () => {
    const group = 'admissionregistration.k8s.io';
    expect(isExempt(attributesOf({ resource: 'x', group, kind: 'MutatingWebhookConfiguration' }))).toBe(true);
    expect(isExempt(attributesOf({ resource: 'x', group: 'other', kind: 'MutatingWebhookConfiguration' }))).toBe(false);
  });
});
