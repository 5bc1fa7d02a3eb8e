import { conditionedWebhooks } from './webhook-conditions.js';

/** A validating policy with its bindings, for objects of its own, by a label. */
export interface PolicyCase {
  readonly name: string;
  readonly spec: object;
  /** One that denies when absent. */
  readonly bindings?: readonly object[];
  /** Takes a second or more of upstream's time, so that one request has to do. */
  readonly isCostly?: boolean;
}

const ten = '[1,2,3,4,5,6,7,8,9,10]';
const costly = `${ten}.all(a, ${ten}.all(b, ${ten}.all(c, ${ten}.all(d, ${ten}.all(e, ${ten}.all(f, true))))))`;
/** Some 650,000 units: dear, but within what one call may cost. */
const dear = `${ten}.all(a, ${ten}.all(b, ${ten}.all(c, ${ten}.all(d, ${ten}.all(e, true)))))`;
const validations = (...expressions: string[]): object => ({ validations: expressions.map(expression => ({ expression })) });
const saying = (messageExpression: string, more: object = {}): object => ({
  validations: [{ expression: 'false', messageExpression, ...more }],
});
const variables = (...expressions: [string, string][]): object => ({
  variables: expressions.map(([name, expression]) => ({ name, expression })),
});
const conditions = (...expressions: string[]): object => ({
  matchConditions: expressions.map((expression, index) => ({ name: `c${index}`, expression })),
});
const deny = ['Deny'];
const plain = (name: string, spec: object, ...bindings: object[]): PolicyCase => ({
  name,
  spec,
  ...(bindings.length ? { bindings } : {}),
});
const rule = (more: object = {}): object => ({
  operations: ['*'],
  apiGroups: ['*'],
  apiVersions: ['*'],
  resources: ['*'],
  ...more,
});
const rules = (...given: object[]): object => ({ matchConstraints: { resourceRules: given.map(rule) } });
const tell = (text: string): object => saying(text);

/** Each expression of the conditions of webhooks as a validation that fails where the condition does not hold. */
const asValidations: readonly PolicyCase[] = conditionedWebhooks.map(({ expressions, failurePolicy = 'Fail' }) =>
  plain(`validations ${expressions.join('; ')} ${failurePolicy}`, { ...validations(...expressions), failurePolicy }),
);

const asConditions: readonly PolicyCase[] = conditionedWebhooks.map(({ expressions, failurePolicy = 'Fail' }) =>
  plain(`conditions ${expressions.join('; ')} ${failurePolicy}`, {
    ...conditions(...expressions),
    ...validations('false'),
    failurePolicy,
  }),
);

const messages: readonly PolicyCase[] = [
  plain('a message', { validations: [{ expression: ' false ', message: '  as said  ' }] }),
  plain('an expression of several lines', validations('true\n  && false')),
  ...['Forbidden', 'Invalid', 'RequestEntityTooLarge'].map(reason =>
    plain(`reason ${reason}`, { validations: [{ expression: 'false', message: 'm', reason }] }),
  ),
  plain('two that fail', {
    validations: [
      { expression: 'true', reason: 'Forbidden' },
      { expression: 'false', message: 'first' },
      { expression: 'false', message: 'second', reason: 'Forbidden' },
    ],
  }),
  ...[
    '"said " + string(1)',
    '"  trimmed  "',
    '""',
    '"   "',
    '"two\\nlines"',
    '"carriage\\rreturn"',
    'string(object.none)',
    `"x" + ${JSON.stringify('y'.repeat(6000))}`,
    `"é".split("").map(c, ${JSON.stringify('é'.repeat(2560))}).join("")`,
    `${costly} ? "a" : "b"`,
    'string(request.operation) + request.resource.resource + request.kind.kind',
    'namespaceObject == null ? "none" : namespaceObject.metadata.name',
    'string(variables == variables)',
  ].map(expression => plain(`message expression ${expression.slice(0, 60)}`, saying(expression, { message: 'fallback' }))),
  plain('message expression without a fallback', saying('""')),
  plain('message expressions that cost too much together', {
    validations: Array.from({ length: 30 }, () => ({ expression: 'false', messageExpression: `${dear} ? "a" : "b"` })),
  }),
  plain('message expressions that cost too much together, ignored', {
    failurePolicy: 'Ignore',
    validations: Array.from({ length: 30 }, () => ({ expression: 'false', messageExpression: `${dear} ? "a" : "b"` })),
  }),
  plain('validations that cost too much together', validations(...Array.from({ length: 30 }, () => dear))),
  plain('validations that cost too much together, ignored', {
    failurePolicy: 'Ignore',
    ...validations(...Array.from({ length: 30 }, () => dear), 'false'),
  }),
];

const composed: readonly PolicyCase[] = [
  plain('variables', {
    ...variables(['name', 'object.metadata.name'], ['long', 'variables.name.size() > 1'], ['unused', 'object.none.none']),
    ...validations('variables.long'),
  }),
  plain('a variable that fails', { ...variables(['bad', 'object.none']), ...validations('variables.bad == 1') }),
  plain('a variable of one that fails', {
    ...variables(['bad', 'object.none'], ['worse', 'variables.bad + 1']),
    ...validations('true', 'variables.worse == 1'),
  }),
  plain('a variable that fails, where it is asked for', {
    ...variables(['bad', 'object.none'], ['ok', 'true']),
    ...validations('has(variables.bad)', 'has(variables.ok)'),
  }),
  plain('a variable that fails beside what is false', {
    ...variables(['bad', 'object.none']),
    ...validations('variables.bad == 1 || false'),
  }),
  plain('a variable that costs too much', { ...variables(['dear', costly]), ...validations('variables.dear') }),
  plain('variables that cost much together', {
    ...variables(...Array.from({ length: 30 }, (_, index): [string, string] => [`v${index}`, dear])),
    ...validations(...Array.from({ length: 30 }, (_, index) => `variables.v${index}`)),
  }),
  plain('a variable that is read often costs once', {
    ...variables(['dear', dear]),
    ...validations(...Array.from({ length: 30 }, () => 'variables.dear')),
  }),
  ...[
    'variables.list[0] == "a"',
    'variables.map["k"] == 1',
    'variables.object.size() == 9',
    'variables.time < timestamp("2020-01-01T00:00:00Z")',
  ].map(expression =>
    plain(`typed variables, ${expression}`, {
      ...variables(
        ['list', '["a", "b"]'],
        ['map', '{"k": 2}'],
        ['object', 'request.userInfo'],
        ['time', 'timestamp("2026-01-01T00:00:00Z")'],
        ['quantity', 'quantity("1Gi")'],
      ),
      ...validations(expression),
    }),
  ),
  plain('variables of odd names', {
    ...variables(['_', '1'], ['a__b', '2'], ['x_y', '3']),
    ...validations('variables._ + variables.x_y == 3'),
  }),
  plain('variables and a message', { ...variables(['n', 'object.metadata.name']), ...saying('"it is " + variables.n') }),
  plain('a message of a variable that fails', {
    ...variables(['n', 'object.none']),
    ...saying('"it is " + string(variables.n)'),
  }),
  plain('one name twice', { ...variables(['n', '1'], ['n', '2']), ...validations('variables.n == 1') }),
];

const annotated: readonly PolicyCase[] = [
  plain('audit annotations', {
    auditAnnotations: [
      { key: 'a', valueExpression: '"x"' },
      { key: 'b', valueExpression: 'null' },
    ],
  }),
  plain('an audit annotation that fails', { auditAnnotations: [{ key: 'a', valueExpression: 'string(object.none)' }] }),
  plain('an audit annotation that fails, ignored', {
    failurePolicy: 'Ignore',
    auditAnnotations: [{ key: 'a', valueExpression: 'string(object.none)' }],
  }),
  plain('an audit annotation that fails beside a warning', {
    ...validations('false'),
    auditAnnotations: [{ key: 'a', valueExpression: 'string(object.none)' }],
  }),
  plain('an audit annotation that asks who may', {
    auditAnnotations: [{ key: 'a', valueExpression: 'authorizer.requestResource.check("get").reason()' }],
  }),
  plain('an audit annotation that knows the whole namespace', {
    auditAnnotations: [
      { key: 'a', valueExpression: 'has(dyn(namespaceObject).metadata.managedFields) ? "m" : string(object.none)' },
    ],
  }),
  plain('audit annotations that cost too much', {
    auditAnnotations: Array.from({ length: 20 }, (_, index) => ({ key: `k${index}`, valueExpression: `${dear} ? "a" : "b"` })),
  }),
];

const actions: readonly PolicyCase[] = [
  ...[['Warn'], ['Audit'], ['Warn', 'Audit'], ['Deny', 'Audit']].map(validationActions =>
    plain(`actions ${validationActions.join()}`, validations('false', 'object.none == 1'), { validationActions }),
  ),
  plain(
    'warnings of two that fail',
    { validations: [1, 2].map(n => ({ expression: 'false', message: `no ${n}` })) },
    { validationActions: ['Warn'] },
  ),
  plain('a warning of several lines', validations('true\n && false'), { validationActions: ['Warn'] }),
  plain(
    'a warning that is long',
    { validations: [{ expression: 'false', message: 'w'.repeat(5000) }] },
    { validationActions: ['Warn'] },
  ),
  plain(
    'a warning of a failure that is ignored',
    { failurePolicy: 'Ignore', ...validations('object.none == 1') },
    { validationActions: ['Warn'] },
  ),
  plain('warned and denied by two', validations('false'), { validationActions: deny }, { validationActions: ['Warn'] }),
];

const namedResources = (matchResources: object): object => ({ validationActions: deny, matchResources });

const matched: readonly PolicyCase[] = [
  plain('only creates', { ...rules({ operations: ['CREATE'] }), ...validations('false') }),
  plain('only deployments', { ...rules({ apiGroups: ['apps'], resources: ['deployments'] }), ...validations('false') }),
  plain('another version', {
    ...rules({ apiGroups: [''], resources: ['events'] }),
    ...tell(
      'request.resource.group + request.requestResource.group + string(has(object.note)) + object.message + object.apiVersion',
    ),
  }),
  plain('another version, exactly', {
    matchConstraints: { matchPolicy: 'Exact', resourceRules: [rule({ apiGroups: [''], resources: ['events'] })] },
    ...validations('false'),
  }),
  plain('another version left out', {
    matchConstraints: { resourceRules: [rule()], excludeResourceRules: [rule({ apiGroups: [''], resources: ['events'] })] },
    ...validations('false'),
  }),
  plain('conditions of another version', {
    ...rules({ apiGroups: [''], resources: ['events'] }),
    ...conditions('{"": true}["," + request.resource.group + "," + request.kind.group + "," + object.apiVersion]'),
    ...validations('false'),
  }),
  plain('resources by name', { ...rules({ resourceNames: ['c'] }), ...validations('false') }),
  plain('without some resources', {
    matchConstraints: { resourceRules: [rule()], excludeResourceRules: [rule({ apiGroups: ['apps'] })] },
    ...validations('false'),
  }),
  plain('without one by its name', {
    matchConstraints: { resourceRules: [rule()], excludeResourceRules: [rule({ resourceNames: ['c'] })] },
    ...validations('false'),
  }),
  plain('in other namespaces', {
    matchConstraints: { resourceRules: [rule()], namespaceSelector: { matchLabels: { team: 'b' } } },
    ...validations('false'),
  }),
  plain('in this namespace', {
    matchConstraints: { resourceRules: [rule()], namespaceSelector: { matchLabels: { team: 'a' } } },
    ...validations('false'),
  }),
  plain('a binding for some resources', validations('false'), namedResources({ resourceRules: [rule({ apiGroups: ['apps'] })] })),
  plain(
    'a binding for other namespaces',
    validations('false'),
    namedResources({ namespaceSelector: { matchLabels: { team: 'b' } } }),
  ),
  plain(
    'a binding for what is in this namespace',
    validations('false'),
    namedResources({ namespaceSelector: { matchLabels: { team: 'a' } } }),
  ),
  plain(
    'a binding without some resources',
    validations('false'),
    namedResources({ excludeResourceRules: [rule({ resources: ['configmaps'] })] }),
  ),
  plain(
    'a binding for other labels',
    validations('false'),
    namedResources({ objectSelector: { matchLabels: { 'no-such': 'label' } } }),
  ),
  plain('subresources', {
    matchConstraints: {
      namespaceSelector: { matchLabels: { team: 'a' } },
      objectSelector: {},
      resourceRules: [rule({ resources: ['deployments/*', 'pods/*', 'services/*', 'serviceaccounts/token', 'events/status'] })],
      excludeResourceRules: [rule({ resources: ['deployments', 'pods', 'services'] })],
    },
    ...tell(
      'request.operation + request.subResource + request.resource.resource + request.kind.kind + request.requestKind.kind + request.name + (object == null ? "none" : object.kind + object.map(k, string(k)).sort().join(",")) + (oldObject == null ? "none" : oldObject.kind)',
    ),
  }),
  plain('what is deleted all at once', {
    matchConstraints: {
      namespaceSelector: { matchLabels: { team: 'a' } },
      objectSelector: {},
      resourceRules: [rule({ operations: ['DELETE'], resources: ['services'] })],
    },
    ...tell(
      'request.operation + "," + request.name + "," + oldObject.metadata.name + "," + string(object == null) + dyn(request.options).map(k, string(k)).sort().join(",")',
    ),
  }),
  plain('what configures admission', {
    ...rules({ apiGroups: ['admissionregistration.k8s.io'] }),
    ...tell('"seen: " + request.kind.kind'),
  }),
];

const configMaps = { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } };
const limits = { paramKind: { apiVersion: 'policies.example.com/v1', kind: 'Limit' } };
const bounds = { paramKind: { apiVersion: 'policies.example.com/v1', kind: 'Bound' } };
const ref = (fields: object, parameterNotFoundAction = 'Deny'): object => ({
  validationActions: deny,
  paramRef: { parameterNotFoundAction, ...fields },
});
const tellParams = tell(
  'string(params.metadata.name) + params.kind + params.apiVersion + (has(params.metadata.managedFields) ? "m" : "")',
);

const parametrized: readonly PolicyCase[] = [
  plain('params by name', { ...configMaps, ...tellParams }, ref({ name: 'one', namespace: 'policed' })),
  plain('params of the namespace of the request', { ...configMaps, ...tellParams }, ref({ name: 'one' })),
  plain('params of another namespace', { ...configMaps, ...tellParams }, ref({ name: 'one', namespace: 'default' })),
  plain(
    'params of another namespace, or none',
    { ...configMaps, ...tellParams },
    ref({ name: 'one', namespace: 'default' }, 'Allow'),
  ),
  plain('no params of that name', { ...configMaps, ...tellParams }, ref({ name: 'none', namespace: 'policed' })),
  plain(
    'no params of that name, ignored',
    { ...configMaps, ...tellParams, failurePolicy: 'Ignore' },
    ref({ name: 'none', namespace: 'policed' }),
  ),
  plain(
    'params by a selector',
    { ...configMaps, ...validations('params.data.x == "1"') },
    ref({ selector: { matchLabels: { params: 'yes' } }, namespace: 'policed' }),
  ),
  plain(
    'params by a selector that finds nothing',
    { ...configMaps, ...tellParams },
    ref({ selector: { matchLabels: { params: 'no' } } }),
  ),
  plain(
    'params by an empty selector',
    { ...configMaps, ...validations('params.metadata.name != ""') },
    ref({ selector: {}, namespace: 'policed' }),
  ),
  plain('no reference', { ...configMaps, ...tell('params == null ? "null" : "there"') }, { validationActions: deny }),
  plain('a reference without params', tell('"told"'), ref({ name: 'one' })),
  plain(
    'custom params',
    {
      ...limits,
      ...tell(
        'string(params.spec.most) + params.metadata.name + params.kind + params.apiVersion + string(type(params.spec.most))',
      ),
    },
    ref({ name: 'low' }),
  ),
  plain(
    'custom params by a selector',
    { ...limits, ...validations('params.spec.most > 5') },
    ref({ selector: { matchLabels: { level: 'low' } } }),
  ),
  plain('custom params of the cluster', { ...bounds, ...tell('string(params.spec)') }, ref({ name: 'wide' })),
  plain(
    'custom params of the cluster, in an expression',
    { ...bounds, ...validations('params.spec.ratio < 0.25 || params.spec.none') },
    ref({ name: 'wide' }),
  ),
  plain(
    'custom params of the cluster, with a namespace',
    { ...bounds, ...tellParams },
    ref({ name: 'wide', namespace: 'policed' }),
  ),
  plain(
    'params of a kind that there is none of',
    { paramKind: { apiVersion: 'none.example.com/v1', kind: 'None' }, ...tellParams },
    ref({ name: 'x' }),
  ),
  plain(
    'params of a kind that there is none of, ignored',
    { paramKind: { apiVersion: 'none.example.com/v1', kind: 'None' }, ...tellParams, failurePolicy: 'Ignore' },
    ref({ name: 'x' }),
  ),
  plain(
    'params in conditions',
    { ...configMaps, ...conditions('params.data.x == "1"'), ...validations('false') },
    ref({ name: 'one', namespace: 'policed' }),
  ),
  plain(
    'params in variables',
    { ...configMaps, ...variables(['x', 'params.data.x']), ...validations('variables.x == "0"') },
    ref({ name: 'one', namespace: 'policed' }),
  ),
];

const seen: readonly PolicyCase[] = [
  'string(request.userInfo.username) + request.userInfo.groups.join(",")',
  'string(request.dryRun) + request.name + request.namespace + request.operation',
  'dyn(request).map(k, string(k)).sort().join(",")',
  'namespaceObject.metadata.labels.team + namespaceObject.status.phase + namespaceObject.spec.finalizers[0]',
  'dyn(namespaceObject).map(k, k).size() == 3 ? "three" : dyn(namespaceObject).map(k, string(k)).sort().join(",")',
  'dyn(namespaceObject.metadata).map(k, k).filter(k, k in ["managedFields", "ownerReferences", "uid", "name", "creationTimestamp", "labels", "resourceVersion"]).size() == 5 ? "five" : "other"',
  'type(namespaceObject.metadata.creationTimestamp) == string ? "text" : "time"',
  'string(namespaceObject.metadata.creationTimestamp < timestamp("2000-01-01T00:00:00Z"))',
  'object == null ? "gone" : object.kind + object.apiVersion',
  'oldObject == null ? "new" : oldObject.kind + oldObject.apiVersion',
].map(expression => plain(`told ${expression}`, tell(expression)));

const cheap: readonly PolicyCase[] = [
  ...messages,
  ...composed,
  ...annotated,
  ...actions,
  ...matched,
  ...parametrized,
  ...seen,
  ...asValidations,
  ...asConditions,
];

export const policyCases = cheap.map((one): PolicyCase => ({ ...one, isCostly: JSON.stringify(one.spec).includes('.all(e, ') }));
