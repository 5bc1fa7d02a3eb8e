/** When conditions of seeds changed. */
const time = '2026-01-01T00:00:00Z';

/** The parts of a seed: status, where it is given, is set by itself. */
export type Body = readonly [kind: string, apiVersion: string, at: string, fields: object, status?: object];

const webhook = {
  name: 'a.example.com',
  clientConfig: { url: 'https://127.0.0.1:1/check', caBundle: 'eA==' },
  rules: [
    {
      operations: ['CREATE', 'UPDATE'],
      apiGroups: ['nowhere.example.com'],
      apiVersions: ['v1'],
      resources: ['things', 'things/status'],
      scope: 'Cluster',
    },
  ],
  failurePolicy: 'Ignore',
  matchPolicy: 'Exact',
  namespaceSelector: { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'In', values: ['d'] }] },
  objectSelector: { matchExpressions: [{ key: 'c', operator: 'Exists' }] },
  sideEffects: 'NoneOnDryRun',
  timeoutSeconds: 1,
  admissionReviewVersions: ['v1', 'v1beta1'],
};
const namedRule = {
  resourceNames: ['a'],
  operations: ['CREATE'],
  apiGroups: ['apps'],
  apiVersions: ['v1'],
  resources: ['deployments'],
  scope: 'Namespaced',
};
const matchConstraints = {
  namespaceSelector: { matchLabels: { a: 'b' } },
  objectSelector: { matchExpressions: [{ key: 'c', operator: 'In', values: ['d'] }] },
  resourceRules: [namedRule],
  excludeResourceRules: [{ ...namedRule, operations: ['DELETE'] }],
  matchPolicy: 'Exact',
};
const mutableConstraints = {
  ...matchConstraints,
  resourceRules: [{ ...namedRule, operations: ['CREATE', 'UPDATE'] }],
};
const webhooks = [
  webhook,
  {
    ...webhook,
    name: 'b.example.com',
    clientConfig: { service: { name: 'none', namespace: 'default', path: '/check', port: 8443 } },
  },
];

/** Objects of admissionregistration.k8s.io. */
export const admissionSeeds: readonly Body[] = [
  // One change alone must not make a webhook that stands in the way of everything.
  ['ValidatingWebhookConfiguration', 'admissionregistration.k8s.io/v1', '/validatingwebhookconfigurations', { webhooks }],
  [
    'MutatingWebhookConfiguration',
    'admissionregistration.k8s.io/v1',
    '/mutatingwebhookconfigurations',
    { webhooks: webhooks.map(webhook => ({ ...webhook, reinvocationPolicy: 'IfNeeded' })) },
  ],
  [
    'ValidatingAdmissionPolicy',
    'admissionregistration.k8s.io/v1',
    '/validatingadmissionpolicies',
    {
      spec: {
        failurePolicy: 'Ignore',
        paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
        matchConstraints,
        matchConditions: [{ name: 'seed.example.com/c', expression: 'object.metadata.name == params.data.name' }],
        variables: [
          { name: 'size', expression: 'object.metadata.name.size()' },
          { name: 'rest', expression: '[variables.size]' },
        ],
        validations: [
          {
            expression: 'variables.rest[0] > 1',
            message: 'too short',
            messageExpression: "'too short: ' + string(variables.size)",
            reason: 'Forbidden',
          },
          { expression: "authorizer.requestResource.check('get').allowed()" },
        ],
        auditAnnotations: [{ key: 'a', valueExpression: 'string(variables.size)' }],
      },
    },
    {
      observedGeneration: 1,
      typeChecking: { expressionWarnings: [{ fieldRef: 'spec.validations[0].expression', warning: 'w' }] },
      conditions: [{ type: 'A', status: 'True', lastTransitionTime: time, reason: 'R', message: 'm', observedGeneration: 1 }],
    },
  ],
  // No such policy: what is made of it binds nothing.
  [
    'ValidatingAdmissionPolicyBinding',
    'admissionregistration.k8s.io/v1',
    '/validatingadmissionpolicybindings',
    {
      spec: {
        policyName: 'not-there.example.com',
        paramRef: {
          namespace: 'default',
          selector: { matchLabels: { a: 'b' }, matchExpressions: [{ key: 'c', operator: 'In', values: ['d', 'e'] }] },
          parameterNotFoundAction: 'Deny',
        },
        matchResources: matchConstraints,
        validationActions: ['Warn', 'Audit'],
      },
    },
  ],
  [
    'MutatingAdmissionPolicy',
    'admissionregistration.k8s.io/v1',
    '/mutatingadmissionpolicies',
    {
      spec: {
        failurePolicy: 'Ignore',
        reinvocationPolicy: 'IfNeeded',
        paramKind: { apiVersion: 'v1', kind: 'ConfigMap' },
        matchConstraints: mutableConstraints,
        matchConditions: [{ name: 'seed.example.com/c', expression: 'object.metadata.name == params.data.name' }],
        variables: [{ name: 'size', expression: 'object.metadata.name.size()' }],
        mutations: [
          {
            patchType: 'ApplyConfiguration',
            applyConfiguration: { expression: 'Object{spec: Object.spec{size: variables.size}}' },
          },
          {
            patchType: 'JSONPatch',
            jsonPatch: {
              expression: '[JSONPatch{op: "add", path: "/spec/" + jsonpatch.escapeKey("a/b"), value: params.data.x}]',
            },
          },
        ],
      },
    },
  ],
  // No such policy: what is made of it binds nothing.
  [
    'MutatingAdmissionPolicyBinding',
    'admissionregistration.k8s.io/v1',
    '/mutatingadmissionpolicybindings',
    {
      spec: {
        policyName: 'not-there.example.com',
        paramRef: { namespace: 'default', name: 'a', parameterNotFoundAction: 'Allow' },
        matchResources: mutableConstraints,
      },
    },
  ],
];
