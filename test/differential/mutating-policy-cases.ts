/** What mutating policies do, put before both servers. */
export interface MutatingPolicyCase {
  readonly name: string;
  /** Of the policy; `apply` and `patch` below make mutations. */
  readonly spec: object;
  readonly binding?: object;
  /** What is created; a ConfigMap when absent. */
  readonly create?: { readonly at: string; readonly body: object };
  /** Merged into an object that is there. */
  readonly update?: object;
  /** The reinvocation policy of a webhook behind the policy, which adds an `h` to the data. */
  readonly hook?: 'IfNeeded' | 'Never';
  /** Asked instead; `{name}` is the name of a Deployment, the only one that the policy is for. */
  readonly send?: { readonly method: string; readonly path: string; readonly body?: unknown; readonly type?: string };
}

const apply = (expression: string): object => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
const patch = (expression: string): object => ({ patchType: 'JSONPatch', jsonPatch: { expression } });
const mutations = (...each: object[]): object => ({ mutations: each });

const container = { name: 'c', image: 'i', ports: [{ containerPort: 80 }] };
export const deploymentBody = {
  spec: {
    replicas: 1,
    selector: { matchLabels: { a: 'b' } },
    template: { metadata: { labels: { a: 'b' } }, spec: { containers: [container] } },
  },
};
const deployment = { at: '/apis/apps/v1/namespaces/{namespace}/deployments', body: deploymentBody };
const pod = { at: '/api/v1/namespaces/{namespace}/pods', body: { spec: { containers: [container] } } };
const service = { at: '/api/v1/namespaces/{namespace}/services', body: { spec: { ports: [{ port: 80 }] } } };
const custom = {
  at: '/apis/example.com/v1/namespaces/{namespace}/mutables',
  body: { spec: { host: 'a', list: [{ name: 'x' }] } },
};

const one = (
  name: string,
  expression: object,
  more: Partial<MutatingPolicyCase> & { readonly spec?: object } = {},
): MutatingPolicyCase => ({
  ...more,
  name,
  spec: { ...mutations(expression), ...more.spec },
});
const applied = (...expressions: string[]): MutatingPolicyCase[] =>
  expressions.map(expression => one(`apply ${expression}`, apply(expression)));
const patched = (...expressions: string[]): MutatingPolicyCase[] =>
  expressions.map(expression => one(`patch ${expression}`, patch(expression)));
const deployed = (...expressions: string[]): MutatingPolicyCase[] =>
  expressions.map(expression => one(`apply to a Deployment ${expression}`, apply(expression), { create: deployment }));
const customized = (...expressions: string[]): MutatingPolicyCase[] =>
  expressions.map(expression => one(`apply to a custom resource ${expression}`, apply(expression), { create: custom }));
const template = (content: string): string =>
  `Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{${content}}}}}`;
const containerType = 'Object.spec.template.spec.containers';
const appendData = patch('[JSONPatch{op: "add", path: "/data/x", value: (has(object.data.x) ? object.data.x : "") + "+"}]');
const ten = '[1,2,3,4,5,6,7,8,9,10]';
const costly = `${ten}.all(a, ${ten}.all(b, ${ten}.all(c, ${ten}.all(d, ${ten}.all(e, ${ten}.all(f, true))))))`;

const otherVersion = {
  spec: {
    matchConstraints: {
      resourceRules: [{ operations: ['*'], apiGroups: ['events.k8s.io'], apiVersions: ['v1'], resources: ['events'] }],
    },
  },
  create: {
    at: '/api/v1/namespaces/{namespace}/events',
    body: { involvedObject: { namespace: 'mutated' }, message: 'm', reason: 'r', type: 'Normal' },
  },
};

export const mutatingPolicyCases: readonly MutatingPolicyCase[] = [
  ...applied(
    'Object{}',
    'Object{data: {"x": "y"}}',
    'Object{data: Object.data{x: "y"}}',
    'Object{metadata: Object.metadata{labels: {"x": "y"}, annotations: {"p/q": "r"}}}',
    'Object{metadata: Object.metadata{finalizers: ["example.com/x"]}}',
    'Object{metadata: Object.metadata{ownerReferences: [Object.metadata.ownerReferences{uid: "u", kind: "K", name: "n", apiVersion: "v1"}]}}',
    'Object{metadata: Object.metadata{managedFields: []}}',
    'Object{metadata: Object.metadata{name: "other"}}',
    'Object{metadata: Object.metadata{namespace: "other"}}',
    'Object{metadata: Object.metadata{generateName: "x"}}',
    'Object{metadata: Object.metadata{nope: "x"}}',
    'Object{nope: 1}',
    'Object{spec: Object.spec{x: 1}}',
    'Object{kind: "Secret"}',
    'Object{data: {"x": 1}}',
    'Object{data: {"x": null}}',
    'Object{data: null}',
    'Object{data: 1}',
    'Object{data: ["x"]}',
    'Object{data: {1: "x"}}',
    'Object{data: {"x": {"y": "z"}}}',
    'Object{data: {"x": optional.none()}}',
    'Object{data: {?"x": optional.none(), "y": "z"}}',
    'Object{immutable: true, binaryData: {"b": "AAAA"}}',
    'Object{binaryData: {"b": b"a"}}',
    'Object{binaryData: {"b": "!"}}',
    'Object{immutable: 1}',
    'Object{immutable: 1u}',
    'Object{data: Object.wrong{x: "y"}}',
    'Object{data: Object.data{x: Object.data.y{}}, metadata: Object.meta{}}',
    'Object{data: object.data}',
    'Object{data: object.data.transformMap(k, v, v + "!")}',
    'Object{data: {"x": object.none.more}}',
    'Object{data: {"x": string(1 / 0)}}',
    'Object{data: {"x": object.metadata.name + request.operation + request.namespace}}',
    'Object{data: {"x": namespaceObject.metadata.name, "y": string(namespaceObject.metadata.labels.size())}}',
    'Object{data: {"x": string(oldObject == null)}}',
    'Object{data: {"x": string(authorizer.requestResource.check("get").allowed())}}',
    'Object{data: {"x": string(has(object.metadata.uid)) + string(has(object.metadata.creationTimestamp))}}',
    `Object{data: {"x": string(${costly})}}`,
    'Object{data: {"x": dyn(object).metadata.labels.map(k, k)}}',
    'Object{data: {"x": timestamp("2020-01-01T00:00:00Z")}}',
    'Object{data: {"x": duration("90s")}}',
    'Object{data: {"x": type(1)}}',
    'Object{data: optional.none()}',
    'Object{immutable: optional.none()}',
    'Object{metadata: optional.none()}',
    'Object{metadata: Object.metadata{labels: optional.none()}}',
    'Object{metadata: Object.metadata{labels: {"case": optional.none()}}}',
    'Object{metadata: Object.metadata{finalizers: optional.none()}}',
    'Object{metadata: Object.metadata{finalizers: ["example.com/b", "example.com/a", "example.com/b"]}}',
    'Object{metadata: Object.metadata{creationTimestamp: "2020-01-01T00:00:00Z"}}',
    'Object{metadata: Object.metadata{creationTimestamp: "what"}}',
    'Object{metadata: Object.metadata{deletionGracePeriodSeconds: 3}}',
    'Object{metadata: Object.metadata{uid: "other"}}',
    'Object{data: {}}',
    'Object{data: {"x": 9007199254740993}}',
    'Object{metadata: Object.metadata{finalizers: "a,b".split(",")}}',
    'Object{data: {"x": "a,b".split(",")}}',
    'Object{data: {"x": string(Object{a: [1]} == Object{a: [1]})}}',
    'Object{data: {"bad key": "x"}}',
    'Object{data: [{"a": "b"}]}',
  ),
  ...deployed(
    'Object{spec: Object.spec{replicas: object.spec.replicas + 2}}',
    'Object{spec: Object.spec{replicas: 2.0}}',
    'Object{spec: Object.spec{replicas: 2.5}}',
    'Object{spec: Object.spec{replicas: "2"}}',
    'Object{spec: Object.spec{replicas: 99999999999}}',
    'Object{spec: Object.spec{replicas: -1}}',
    'Object{spec: Object.spec{replicas: 9007199254740993}}',
    'Object{spec: Object.spec{replicas: 9223372036854775807}}',
    'Object{spec: Object.spec{paused: true, strategy: Object.spec.strategy{type: "Recreate"}}}',
    'Object{spec: Object.spec{strategy: Object.spec.strategy{rollingUpdate: Object.spec.strategy.rollingUpdate{maxSurge: "10%"}}}}',
    'Object{spec: Object.spec{strategy: Object.spec.strategy{rollingUpdate: Object.spec.strategy.rollingUpdate{maxSurge: 2}}}}',
    'Object{spec: Object.spec{selector: Object.spec.selector{matchLabels: {"c": "d"}}}}',
    'Object{status: Object.status{replicas: 5}}',
    template(`containers: [${containerType}{name: "c", image: "other"}]`),
    template(`containers: [${containerType}{name: "d", image: "other"}]`),
    template(`containers: [${containerType}{name: "d"}, ${containerType}{name: "d"}]`),
    template(`containers: [${containerType}{image: "other"}]`),
    template(`containers: object.spec.template.spec.containers.map(c, ${containerType}{name: c.name, image: "x/" + c.image})`),
    template(`containers: [${containerType}.item{name: "c"}]`),
    template('containers: [{"name": "c"}]'),
    template('containers: object.spec.template.spec.containers'),
    template(`containers: [${containerType}{name: "c", command: ["a"]}]`),
    template(`containers: [${containerType}{name: "c", env: [${containerType}.env{name: "A", value: "1"}]}]`),
    template(
      `containers: [${containerType}{name: "c", ports: [${containerType}.ports{containerPort: 80, name: "web"}, ${containerType}.ports{containerPort: 81}]}]`,
    ),
    template(
      `containers: [${containerType}{name: "c", resources: ${containerType}.resources{limits: {"cpu": "1", "memory": "1Gi"}}}]`,
    ),
    template(`containers: [${containerType}{name: "c", resources: ${containerType}.resources{limits: {"cpu": "what"}}}]`),
    template(`containers: [${containerType}{name: "c", resources: ${containerType}.resources{limits: {"cpu": 1}}}]`),
    template('tolerations: [Object.spec.template.spec.tolerations{key: "a", operator: "Exists"}]'),
    template('tolerations: optional.none()'),
    template('containers: optional.none()'),
    template('nodeSelector: optional.none()'),
    template('securityContext: optional.none()'),
    template('restartPolicy: optional.none()'),
    'Object{spec: Object.spec{replicas: optional.none(), strategy: optional.none()}}',
    'Object{spec: Object.spec{template: optional.none()}}',
    'Object{spec: optional.none()}',
    template(`containers: [optional.none()]`),
    template(
      `containers: [${containerType}{name: "z", image: "z"}, ${containerType}{name: "c"}, ${containerType}{name: "a", image: "a"}]`,
    ),
    template(`containers: [${containerType}{name: "c", ports: [${containerType}.ports{containerPort: 80, protocol: "UDP"}]}]`),
    template(`containers: [${containerType}{name: "c", ports: [${containerType}.ports{name: "web"}]}]`),
    template(`containers: [${containerType}{name: 1}]`),
    template(`containers: [${containerType}{name: "c", resources: ${containerType}.resources{limits: {"cpu": 1.5}}}]`),
    template(
      `containers: [${containerType}{name: "c", livenessProbe: ${containerType}.livenessProbe{tcpSocket: ${containerType}.livenessProbe.tcpSocket{port: 80}}}]`,
    ),
    template(
      `containers: [${containerType}{name: "c", livenessProbe: ${containerType}.livenessProbe{tcpSocket: ${containerType}.livenessProbe.tcpSocket{port: "web"}}}]`,
    ),
    template(
      `containers: [${containerType}{name: "c", livenessProbe: ${containerType}.livenessProbe{tcpSocket: ${containerType}.livenessProbe.tcpSocket{port: true}}}]`,
    ),
    template(
      `containers: [${containerType}{name: "c", livenessProbe: ${containerType}.livenessProbe{tcpSocket: ${containerType}.livenessProbe.tcpSocket{port: 1.5}}}]`,
    ),
    template('activeDeadlineSeconds: 5.5'),
    template('terminationGracePeriodSeconds: 99999999999'),
    template('enableServiceLinks: "no"'),
    template('overhead: {"cpu": "1"}'),
    template('nodeSelector: {"a": "b"}'),
    template('nodeSelector: {}'),
    template('hostAliases: [Object.spec.template.spec.hostAliases{ip: "1.2.3.4", hostnames: ["a"]}]'),
    template(
      'topologySpreadConstraints: [Object.spec.template.spec.topologySpreadConstraints{maxSkew: 1, topologyKey: "a", whenUnsatisfiable: "ScheduleAnyway"}]',
    ),
    template(
      'affinity: Object.spec.template.spec.affinity{nodeAffinity: Object.spec.template.spec.affinity.nodeAffinity{requiredDuringSchedulingIgnoredDuringExecution: Object.spec.template.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution{nodeSelectorTerms: []}}}',
    ),
    template(
      'volumes: [Object.spec.template.spec.volumes{name: "v", emptyDir: Object.spec.template.spec.volumes.emptyDir{sizeLimit: "1Gi"}}]',
    ),
    template('securityContext: Object.spec.template.spec.securityContext{runAsUser: 1000, supplementalGroups: [1, 2]}'),
    template(
      'terminationGracePeriodSeconds: 5, restartPolicy: "Always", imagePullSecrets: [Object.spec.template.spec.imagePullSecrets{name: "s"}]',
    ),
  ),
  ...customized(
    'Object{spec: Object.spec{host: "b"}}',
    'Object{spec: Object.spec{size: 3, free: {"any": "thing"}}}',
    'Object{spec: Object.spec{list: [Object.spec.list{name: "x", value: "1"}, Object.spec.list{name: "y"}]}}',
    'Object{spec: Object.spec{plain: ["a"]}}',
    'Object{spec: Object.spec{whole: Object.spec.whole{a: "b"}}}',
    'Object{spec: Object.spec{nope: 1}}',
    'Object{spec: Object.spec{host: 1}}',
    'Object{spec: Object.spec{size: "1"}}',
    'Object{spec: Object.spec{either: 1}}',
    'Object{spec: Object.spec{either: "1"}}',
    'Object{spec: Object.spec{either: 1.5}}',
    'Object{spec: Object.spec{either: [1]}}',
    'Object{spec: Object.spec{size: 1.5}}',
    'Object{spec: Object.spec{size: 99999999999}}',
    'Object{spec: Object.spec{size: 9007199254740993}}',
    'Object{spec: Object.spec{size: -9007199254740993, free: {"a": 9007199254740993}}}',
    'Object{spec: Object.spec{size: optional.none()}}',
    'Object{spec: Object.spec{host: optional.none()}}',
    'Object{spec: Object.spec{list: optional.none()}}',
    'Object{spec: Object.spec{list: [Object.spec.list{value: "1"}]}}',
    'Object{spec: Object.spec{list: [Object.spec.list{name: "x"}, Object.spec.list{name: "x"}]}}',
    'Object{spec: Object.spec{list: object.spec.list.map(x, Object.spec.list{name: x.name + "!"})}}',
    'Object{spec: Object.spec{free: {"a": {"b": 1}}}}',
    'Object{spec: Object.spec{free: {"a": 1, "b": 2}}}',
    'Object{metadata: Object.metadata{labels: {"x": "y"}, finalizers: ["example.com/x"]}}',
    'Object{metadata: Object.metadata{nope: "y"}}',
    'Object{kind: "Other", apiVersion: "v9"}',
    'Object{status: Object.status{x: 1}}',
    'Object{spec: Object.spec{free: Object.spec.free{deep: Object.spec.free.deep{er: [1, 2]}}}}',
  ),
  ...patched(
    '[JSONPatch{op: "add", path: "/data/x", value: "y"}]',
    '[JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("p/q~r"), value: "v"}]',
    '[JSONPatch{op: "add", path: "/metadata/annotations", value: {"a": "b"}}]',
    '[JSONPatch{op: "add", path: "/metadata/annotations/a", value: "b"}]',
    '[JSONPatch{op: "add", path: "/data/x", value: 1}]',
    '[JSONPatch{op: "add", path: "/nope", value: 1}]',
    '[JSONPatch{op: "add", path: "/metadata/nope", value: 1}]',
    '[JSONPatch{op: "remove", path: "/data/a"}]',
    '[JSONPatch{op: "remove", path: "/data/none"}]',
    '[JSONPatch{op: "replace", path: "/data/a", value: "z"}]',
    '[JSONPatch{op: "replace", path: "/data/none", value: "z"}]',
    '[JSONPatch{op: "replace", path: "/none/none", value: "z"}]',
    '[JSONPatch{op: "move", from: "/data/a", path: "/data/moved"}]',
    '[JSONPatch{op: "move", path: "/data/moved"}]',
    '[JSONPatch{op: "copy", from: "/data/a", path: "/data/copied"}]',
    '[JSONPatch{op: "copy", from: "/data/none", path: "/data/copied"}]',
    '[JSONPatch{op: "test", path: "/data/a", value: "b"}, JSONPatch{op: "add", path: "/data/x", value: "y"}]',
    '[JSONPatch{op: "add", path: "/data/x", value: "y"}, JSONPatch{op: "test", path: "/data/a", value: "other"}]',
    '[JSONPatch{op: "test", path: "/none/a", value: "other"}]',
    '[JSONPatch{op: "what", path: "/data/a"}]',
    '[JSONPatch{path: "/data/a"}]',
    '[JSONPatch{op: "add", path: "data", value: {}}]',
    '[JSONPatch{op: "add", path: "/data/x"}]',
    '[JSONPatch{op: "add", path: "/data/x", value: null}]',
    '[JSONPatch{op: "add", path: "", value: {}}]',
    '[JSONPatch{op: "replace", path: "", value: []}]',
    '[JSONPatch{op: "replace", path: "", value: {}}]',
    '[JSONPatch{op: "replace", path: "/kind", value: "Secret"}, JSONPatch{op: "remove", path: "/data"}]',
    '[JSONPatch{op: "replace", path: "/kind", value: "What"}]',
    '[JSONPatch{op: "replace", path: "/kind", value: "Secret"}]',
    '[JSONPatch{op: "replace", path: "/kind", value: "Service"}]',
    '[JSONPatch{op: "replace", path: "/apiVersion", value: "v2"}]',
    '[JSONPatch{op: "replace", path: "/metadata/name", value: "other"}]',
    '[JSONPatch{op: "replace", path: "/metadata", value: {}}]',
    '[JSONPatch{op: "add", path: "/metadata/managedFields", value: []}]',
    '[JSONPatch{op: "add", path: "/metadata/managedFields", value: [{"manager": "me"}]}]',
    '[JSONPatch{op: "add", path: "/data", value: Object.data{x: "y"}}]',
    '[JSONPatch{op: "add", path: "/data", value: Object.data{x: Object.wrong{}}}]',
    '[JSONPatch{op: "add", path: "/data", value: {1: "y"}}]',
    '[JSONPatch{op: "add", path: "/data/x", value: type(1)}]',
    '[JSONPatch{op: "add", path: "/data/x", value: optional.none()}]',
    '[JSONPatch{op: "add", path: "/data/x", value: object.metadata.none}]',
    '[JSONPatch{op: dyn(1), path: "/data/x"}]',
    '[1].filter(x, false).map(x, JSONPatch{})',
    'object.data.map(k, JSONPatch{op: "add", path: "/data/" + k + "-copy", value: object.data[k]})',
  ),
  one('patch of a Deployment', patch('[JSONPatch{op: "replace", path: "/spec/replicas", value: 4}]'), { create: deployment }),
  one('patch of a Deployment with a text', patch('[JSONPatch{op: "replace", path: "/spec/replicas", value: "4"}]'), {
    create: deployment,
  }),
  one(
    'patch that adds a container',
    patch(
      `[JSONPatch{op: "add", path: "/spec/template/spec/containers/-", value: ${containerType}{name: "d", image: "i", args: ["a"], env: [${containerType}.env{name: "A", value: "1"}]}}]`,
    ),
    { create: deployment },
  ),
  one('patch of a custom resource', patch('[JSONPatch{op: "add", path: "/spec/size", value: 5}]'), { create: custom }),
  one('patch with a member that a custom resource does not have', patch('[JSONPatch{op: "add", path: "/spec/host", value: 5}]'), {
    create: custom,
  }),
  one(
    'patch of a custom resource with a wide number',
    patch('[JSONPatch{op: "add", path: "/spec/size", value: 9007199254740993}]'),
    {
      create: custom,
    },
  ),
  one('patch of a custom resource with null', patch('[JSONPatch{op: "add", path: "/spec/host", value: null}]'), {
    create: custom,
  }),
  one('patch of the whole of a custom resource', patch('[JSONPatch{op: "replace", path: "", value: []}]'), { create: custom }),
  one('a pod', apply('Object{spec: Object.spec{priority: 5}}'), { create: pod }),
  one(
    'a pod with a sidecar',
    patch('[JSONPatch{op: "add", path: "/spec/containers/-", value: Object.spec.containers{name: "d", image: "i"}}]'),
    {
      create: pod,
    },
  ),
  one(
    'defaults after a mutation',
    patch(
      '[JSONPatch{op: "remove", path: "/spec/template/spec/restartPolicy"}, JSONPatch{op: "remove", path: "/spec/strategy"}]',
    ),
    {
      create: deployment,
    },
  ),
  one('a Service', apply('Object{spec: Object.spec{ports: [Object.spec.ports{port: 80, protocol: "TCP", name: "web"}]}}'), {
    create: service,
  }),
  one('a Service with another port', apply('Object{spec: Object.spec{ports: [Object.spec.ports{port: 81}]}}'), {
    create: service,
  }),
  { name: 'several mutations', spec: mutations(appendData, appendData, apply('Object{data: {"y": object.data.x}}')) },
  { name: 'a failure between mutations', spec: mutations(appendData, apply('Object{nope: 1}'), appendData) },
  {
    name: 'a failure that is ignored',
    spec: { ...mutations(appendData, apply('Object{nope: 1}'), appendData), failurePolicy: 'Ignore' },
  },
  {
    name: 'a bad result that is ignored',
    spec: { ...mutations(patch('[JSONPatch{op: "add", path: "/nope", value: 1}]')), failurePolicy: 'Ignore' },
  },
  one('a policy that wants to be invoked again', appendData, { spec: { reinvocationPolicy: 'IfNeeded' } }),
  one('a policy that wants to be invoked again and changes nothing', apply('Object{}'), {
    spec: { reinvocationPolicy: 'IfNeeded' },
  }),
  one('a policy that never wants to be invoked again', appendData, { spec: { reinvocationPolicy: 'Never' } }),
  ...(['IfNeeded', 'Never'] as const).flatMap(reinvocationPolicy =>
    (['IfNeeded', 'Never'] as const).flatMap(hook => [
      one(`a policy (${reinvocationPolicy}) with a webhook (${hook})`, appendData, { spec: { reinvocationPolicy }, hook }),
      one(`a policy (${reinvocationPolicy}) that changes nothing with a webhook (${hook})`, apply('Object{}'), {
        spec: { reinvocationPolicy },
        hook,
      }),
      one(`a policy (${reinvocationPolicy}) for once with a webhook (${hook})`, apply('Object{data: {"y": "z"}}'), {
        spec: { reinvocationPolicy },
        hook,
      }),
      one(`a policy (${reinvocationPolicy}) after a webhook (${hook})`, appendData, {
        spec: { reinvocationPolicy, matchConditions: [{ name: 'c', expression: 'has(object.data.x)' }] },
        hook,
      }),
    ]),
  ),
  {
    name: 'variables',
    spec: {
      ...mutations(apply('Object{data: {"x": variables.b, "y": variables.b}}'), apply('Object{data: {"z": variables.size}}')),
      variables: [
        { name: 'a', expression: 'object.data.a' },
        { name: 'b', expression: 'variables.a + "!"' },
        { name: 'size', expression: 'string(object.data.size())' },
      ],
    },
  },
  one('a variable that fails', apply('Object{data: {"x": variables.a}}'), {
    spec: { variables: [{ name: 'a', expression: 'object.none == 1' }] },
  }),
  one('a variable with an object in it', apply('Object{metadata: variables.m}'), {
    spec: { variables: [{ name: 'm', expression: '{"labels": {"x": "y"}}' }] },
  }),
  one('a condition that holds', appendData, { spec: { matchConditions: [{ name: 'c', expression: 'object.data.a == "b"' }] } }),
  one('a condition that does not hold', appendData, {
    spec: { matchConditions: [{ name: 'c', expression: 'object.data.a == "c"' }] },
  }),
  one('a condition that fails', appendData, { spec: { matchConditions: [{ name: 'c', expression: 'object.none == 1' }] } }),
  one('a condition that fails and is ignored', appendData, {
    spec: { matchConditions: [{ name: 'c', expression: 'object.none == 1' }], failurePolicy: 'Ignore' },
  }),
  one('a condition about the namespace', appendData, {
    spec: { matchConditions: [{ name: 'c', expression: 'namespaceObject == null' }] },
  }),
  one('an update', apply('Object{data: {"x": string(oldObject.data.a + object.data.a), "y": request.operation}}'), {
    update: { data: { a: 'new' } },
  }),
  one('parameters', apply('Object{data: {"x": params.data.value}}'), {
    spec: { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } },
    binding: { paramRef: { name: 'params', parameterNotFoundAction: 'Deny' } },
  }),
  one('parameters by a selector', appendData, {
    spec: { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' }, reinvocationPolicy: 'IfNeeded' },
    binding: { paramRef: { selector: { matchLabels: { params: 'yes' } }, parameterNotFoundAction: 'Deny' } },
  }),
  one('parameters that are not there', appendData, {
    spec: { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } },
    binding: { paramRef: { name: 'none', parameterNotFoundAction: 'Deny' } },
  }),
  one('parameters that need not be there', appendData, {
    spec: { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } },
    binding: { paramRef: { name: 'none', parameterNotFoundAction: 'Allow' } },
  }),
  one('parameters that nobody names', apply('Object{data: {"x": string(params == null)}}'), {
    spec: { paramKind: { apiVersion: 'v1', kind: 'ConfigMap' } },
  }),
  one('parameters of a kind that is not served', appendData, {
    spec: { paramKind: { apiVersion: 'none.example.com/v1', kind: 'None' } },
    binding: { paramRef: { name: 'none', parameterNotFoundAction: 'Deny' } },
  }),
  one('a binding for other requests', appendData, {
    binding: {
      matchResources: {
        resourceRules: [{ operations: ['UPDATE'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*'] }],
      },
    },
  }),
  one('another version of the kind', apply('Object{note: "other"}'), otherVersion),
  one('another version of the kind by a patch', patch('[JSONPatch{op: "add", path: "/note", value: "other"}]'), otherVersion),
  one('another version of the kind that fails', apply('Object{message: "other"}'), otherVersion),
  ...subresourceCases(),
];

/** Policies for subresources, whose bodies have no labels. */
function subresourceCases(): MutatingPolicyCase[] {
  const at = '/apis/apps/v1/namespaces/{namespace}/deployments/{name}';
  const merge = 'application/merge-patch+json';
  const constraints = (resource: string, apiGroup = 'apps'): object => ({
    matchConstraints: {
      resourceRules: [
        { operations: ['*'], apiGroups: [apiGroup], apiVersions: ['*'], resources: [resource], resourceNames: ['{name}'] },
      ],
    },
  });
  const scale = { method: 'PATCH', path: `${at}/scale?dryRun=All`, body: { spec: { replicas: 3 } }, type: merge };
  const status = { method: 'PATCH', path: `${at}/status?dryRun=All`, body: { status: { observedGeneration: 1 } }, type: merge };
  const token = {
    method: 'POST',
    path: '/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token',
    body: { spec: { expirationSeconds: 700 } },
  };
  const eviction = {
    method: 'POST',
    path: '/api/v1/namespaces/{namespace}/pods/{name}/eviction?dryRun=All',
    body: { kind: 'Eviction', apiVersion: 'policy/v1', metadata: { name: '{name}' } },
  };
  const exec = { method: 'POST', path: '/api/v1/namespaces/{namespace}/pods/{name}/exec?command=ls' };
  const shown = apply('Object{spec: Object.spec{replicas: object.spec.replicas + oldObject.spec.replicas + 10}}');
  return [
    one('a scale', shown, { spec: constraints('deployments/scale'), send: scale }),
    one('a scale by a patch', patch('[JSONPatch{op: "replace", path: "/spec/replicas", value: 9}]'), {
      spec: constraints('deployments/scale'),
      send: scale,
    }),
    one('a scale with a member that it does not have', apply('Object{spec: Object.spec{paused: true}}'), {
      spec: constraints('deployments/scale'),
      send: scale,
    }),
    one('a status', apply('Object{status: Object.status{replicas: 4}, spec: Object.spec{replicas: 8}}'), {
      spec: constraints('deployments/status'),
      send: status,
    }),
    one('an apply', apply('Object{data: {"x": "y", "a": "c"}}'), {
      spec: { matchConstraints: { objectSelector: { matchLabels: { case: '{name}' } } } },
      send: {
        method: 'PATCH',
        path: '/api/v1/namespaces/{namespace}/configmaps/{name}?fieldManager=me&force=true&dryRun=All',
        body: { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: '{name}', labels: { case: '{name}' } }, data: { a: 'b' } },
        type: 'application/apply-patch+yaml',
      },
    }),
    ...[{ replicas: 2.5 }, { replicas: 9007199254740992 }, { strategy: { rollingUpdate: { maxSurge: true } } }].map(spec =>
      one(`an apply of ${JSON.stringify(spec)}`, apply('Object{}'), {
        send: {
          method: 'PATCH',
          path: `${at}?fieldManager=me&force=true&dryRun=All`,
          body: { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: '{name}' }, spec },
          type: 'application/apply-patch+yaml',
        },
        spec: constraints('none'),
      }),
    ),
    one('a strategic patch', apply('Object{spec: Object.spec{replicas: object.spec.replicas + 1}}'), {
      spec: { matchConstraints: { objectSelector: { matchLabels: { case: '{name}' } } } },
      send: {
        method: 'PATCH',
        path: `${at}?fieldManager=me&dryRun=All`,
        body: { metadata: { labels: { case: '{name}' } }, spec: { replicas: 3 } },
        type: 'application/strategic-merge-patch+json',
      },
    }),
    one('a token', apply('Object{spec: Object.spec{expirationSeconds: 800}}'), {
      spec: constraints('serviceaccounts/token', ''),
      send: token,
    }),
    one('an eviction', apply('Object{metadata: Object.metadata{labels: {"a": "b"}}}'), {
      spec: constraints('pods/eviction', ''),
      send: eviction,
    }),
    one('an exec', apply('Object{container: "c"}'), { spec: constraints('pods/exec', ''), send: exec }),
    one('an exec by a patch', patch('[JSONPatch{op: "add", path: "/container", value: "c"}]'), {
      spec: constraints('pods/exec', ''),
      send: exec,
    }),
    one('a delete', apply('Object{metadata: Object.metadata{labels: {"a": "b"}}}'), {
      spec: constraints('deployments'),
      send: { method: 'DELETE', path: `${at}?dryRun=All` },
    }),
    one('a review', apply('Object{spec: Object.spec{user: "other"}}'), {
      spec: {
        matchConstraints: {
          resourceRules: [
            { operations: ['*'], apiGroups: ['authorization.k8s.io'], apiVersions: ['*'], resources: ['subjectaccessreviews'] },
          ],
        },
      },
      send: {
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/subjectaccessreviews',
        body: { spec: { user: 'u', resourceAttributes: { verb: 'get', resource: 'pods' } } },
      },
    }),
    one('a namespace', apply('Object{metadata: Object.metadata{labels: {"x": string(namespaceObject == null)}}}'), {
      spec: {
        matchConstraints: {
          resourceRules: [
            {
              operations: ['CREATE'],
              apiGroups: [''],
              apiVersions: ['v1'],
              resources: ['namespaces'],
              resourceNames: ['{name}'],
            },
          ],
        },
      },
      send: { method: 'POST', path: '/api/v1/namespaces?dryRun=All', body: { metadata: { name: '{name}' } } },
    }),
    one('a policy', apply('Object{metadata: Object.metadata{labels: {"a": "b"}}}'), {
      spec: constraints('mutatingadmissionpolicybindings', 'admissionregistration.k8s.io'),
      send: {
        method: 'POST',
        path: '/apis/admissionregistration.k8s.io/v1/mutatingadmissionpolicybindings?dryRun=All',
        body: { metadata: { name: '{name}' }, spec: { policyName: 'none' } },
      },
    }),
  ];
}
