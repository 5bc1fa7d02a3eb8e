import { describe, expect, it } from '@jest/globals';
import type { Pod } from '../../api/generated/types.js';
import { FakeClock } from '../../base/fake-clock.js';
import { DefaultTolerationSeconds } from './default-toleration-seconds.js';
import { LimitRanger } from './limit-ranger.js';
import { ObjectLookup } from './object-lookup.js';
import { PodResizeValidator } from './pod-resize-validator.js';
import { PodTopologyLabels } from './pod-topology-labels.js';
import { Priority } from './priority.js';
import { RuntimeClassAdmission } from './runtime-class.js';
import { ServiceAccountAdmission } from './service-account.js';
import { FakeStores, admit, attributesOf, object } from './testing/admission-fixture.js';

const pod = (spec: object = {}, metadata: object = {}): Pod =>
  ({
    ...object('Pod', 'web'),
    metadata: { name: 'web', namespace: 'default', ...metadata },
    spec: { containers: [{ name: 'c' }], ...spec },
  }) as unknown as Pod;
const forPod = (draft: Pod, more: object = {}): ReturnType<typeof attributesOf> =>
  attributesOf({ resource: 'pods', object: draft as never, ...more });

describe('ServiceAccount', () => {
  const account = (name: string, more: object = {}): object => ({ ...object('ServiceAccount', name), ...more });
  const plugin = (...accounts: object[]): ServiceAccountAdmission =>
    new ServiceAccountAdmission(new ObjectLookup(new FakeStores({ '/serviceaccounts': accounts })), new FakeClock());

  it('gives a pod the default account, its pull secrets and a token', async () => {
    const draft = pod({ initContainers: [{ name: 'i' }] });
    expect(await admit(plugin(account('default', { imagePullSecrets: [{ name: 's' }] })), forPod(draft))).toBeUndefined();
    expect(draft.spec).toMatchObject({
      serviceAccountName: 'default',
      serviceAccount: 'default',
      imagePullSecrets: [{ name: 's' }],
    });
    const [volume] = draft.spec.volumes!;
    expect(volume!.name).toMatch(/^kube-api-access-[a-z0-9]{5}$/);
    expect(volume!.projected).toEqual({
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        { downwardAPI: { items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }] } },
      ],
      defaultMode: 420,
    });
    const mount = { name: volume!.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' };
    expect(draft.spec.containers[0]!.volumeMounts).toEqual([mount]);
    expect(draft.spec.initContainers![0]!.volumeMounts).toEqual([mount]);
  });

  it.each([
    ['the pod says no', { automountServiceAccountToken: false }, { automountServiceAccountToken: true }, false],
    ['the account says no', {}, { automountServiceAccountToken: false }, false],
    [
      'the pod says yes against its account',
      { automountServiceAccountToken: true },
      { automountServiceAccountToken: false },
      true,
    ],
    [
      'something lies there already',
      { containers: [{ name: 'c', volumeMounts: [{ name: 'v', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }] }] },
      {},
      false,
    ],
  ])('mounts a token unless %s', async (_name, spec, more, mounted) => {
    const draft = pod(spec);
    await admit(plugin(account('default', more)), forPod(draft));
    expect((draft.spec.volumes ?? []).length > 0).toBe(mounted);
  });

  it('refuses an account that does not exist', async () => {
    expect(await admit(plugin(), forPod(pod({ serviceAccountName: 'no' })))).toBe(
      'pods "web" is forbidden: error looking up service account default/no: serviceaccount "no" not found',
    );
  });

  it('waits for the default account of a new namespace', async () => {
    const stores = new FakeStores({ '/serviceaccounts': [] });
    const clock = new FakeClock();
    const done = admit(new ServiceAccountAdmission(new ObjectLookup(stores), clock), forPod(pod()));
    await clock.advance(0);
    await clock.advance(200);
    stores.put('/serviceaccounts', account('default'));
    await clock.advance(200);
    expect(await done).toBeUndefined();
    const late = admit(
      new ServiceAccountAdmission(new ObjectLookup(new FakeStores({ '/serviceaccounts': [] })), clock),
      forPod(pod()),
    );
    await clock.advance(0);
    await clock.advance(5000);
    expect(await late).toMatch('serviceaccount "default" not found');
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    [{ serviceAccountName: 'a' }, 'a mirror pod may not reference service accounts'],
    [{ volumes: [{ name: 'v', secret: { secretName: 's' } }] }, 'a mirror pod may not reference secrets'],
    [
      { volumes: [{ name: 'v', projected: { sources: [{ serviceAccountToken: { path: 'p' } }] } }] },
      'a mirror pod may not use ServiceAccountToken volume projections',
    ],
  ])('a mirror pod refers to nothing: %j', async (spec, text) => {
    const draft = pod(spec, { annotations: { 'kubernetes.io/config.mirror': 'x' } });
    expect(await admit(plugin(), forPod(draft))).toBe(`pods "web" is forbidden: ${text}`);
  });

  it.each([
    [{ volumes: [{ name: 'v', secret: { secretName: 's' } }] }, 'volume with secret.secretName="s"', 'secret'],
    [
      { containers: [{ name: 'c', env: [{ name: 'E', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }] },
      'container c with envVar E referencing secret.secretName="s"',
      'secret',
    ],
    [{ imagePullSecrets: [{ name: 's' }] }, 'imagePullSecrets[0].name="s"', 'imagePullSecret'],
  ])('an account may forbid other secrets: %j', async (spec, what, kind) => {
    const strict = account('default', {
      metadata: { name: 'default', namespace: 'default', annotations: { 'kubernetes.io/enforce-mountable-secrets': 'true' } },
    });
    expect(await admit(plugin(strict), forPod(pod(spec)))).toBe(
      `pods "web" is forbidden: ${what} is not allowed because service account default does not reference that ${kind}`,
    );
  });
});

describe('Priority', () => {
  const high = { ...object('PriorityClass', 'high'), value: 9, preemptionPolicy: 'Never' };
  const base = { ...object('PriorityClass', 'base'), value: 3, globalDefault: true };
  const plugin = (...classes: object[]): Priority =>
    new Priority(new ObjectLookup(new FakeStores({ 'scheduling.k8s.io/priorityclasses': classes })));

  it.each([
    [[], {}, { priority: 0, preemptionPolicy: 'PreemptLowerPriority' }],
    [[high, base], {}, { priority: 3, priorityClassName: 'base' }],
    [[high, base], { priorityClassName: 'high' }, { priority: 9, preemptionPolicy: 'Never' }],
    [[high], { priorityClassName: 'high', priority: 9, preemptionPolicy: 'Never' }, { priority: 9 }],
  ])('resolves %j %j', async (classes, spec, expected) => {
    const draft = pod(spec);
    expect(await admit(plugin(...classes), forPod(draft))).toBeUndefined();
    expect(draft.spec).toMatchObject(expected);
  });

  it.each([
    [{ priorityClassName: 'no' }, 'no PriorityClass with name no was found'],
    [
      { priority: 5 },
      'the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
    ],
    [
      { priorityClassName: 'high', preemptionPolicy: 'PreemptLowerPriority' },
      'the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name',
    ],
  ])('refuses %j', async (spec, text) => {
    expect(await admit(plugin(high), forPod(pod(spec)))).toBe(`pods "web" is forbidden: ${text}`);
  });

  it('knows one default class', async () => {
    const given = { resource: 'priorityclasses', group: 'scheduling.k8s.io' };
    const second = attributesOf({ ...given, object: { ...base, metadata: { name: 'second' } } });
    expect(await admit(plugin(base), second)).toBe(
      'priorityclasses.scheduling.k8s.io "second" is forbidden: PriorityClass base is already marked as default. Only one default can exist',
    );
    expect(await admit(plugin(base), { ...second, operation: 'UPDATE', object: base as never })).toBeUndefined();
  });

  it('keeps the number through updates that leave it out', async () => {
    const draft = pod();
    await admit(plugin(), forPod(draft, { operation: 'UPDATE', oldObject: pod({ priority: 7, preemptionPolicy: 'Never' }) }));
    expect(draft.spec).toMatchObject({ priority: 7, preemptionPolicy: 'Never' });
  });
});

describe('DefaultTolerationSeconds', () => {
  const added = (key: string): object => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 });
  const [notReady, unreachable] = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
  it.each([
    [undefined, [added(notReady), added(unreachable)]],
    [[{ operator: 'Exists' }], [{ operator: 'Exists' }]],
    [[{ key: notReady, operator: 'Exists' }], [{ key: notReady, operator: 'Exists' }, added(unreachable)]],
    [[{ key: notReady, effect: 'NoSchedule' }], [{ key: notReady, effect: 'NoSchedule' }, added(notReady), added(unreachable)]],
  ])('%j', async (tolerations, expected) => {
    const draft = pod(tolerations ? { tolerations } : {});
    await admit(new DefaultTolerationSeconds(), forPod(draft));
    expect(draft.spec.tolerations).toEqual(expected);
  });
});

it('DefaultTolerationSeconds adds the seconds that it is told, also none', async () => {
  const draft = pod();
  await admit(new DefaultTolerationSeconds({ notReady: 0, unreachable: 9 }), forPod(draft));
  expect(draft.spec.tolerations).toMatchObject([{ tolerationSeconds: 0 }, { tolerationSeconds: 9 }]);
});

describe('RuntimeClass', () => {
  const runtime = {
    ...object('RuntimeClass', 'vm'),
    handler: 'vm',
    overhead: { podFixed: { cpu: '100m' } },
    scheduling: { nodeSelector: { vm: 'yes' }, tolerations: [{ key: 'vm', operator: 'Exists' }] },
  };
  const plugin = new RuntimeClassAdmission(new ObjectLookup(new FakeStores({ 'node.k8s.io/runtimeclasses': [runtime] })));

  it('adds what the class costs and where it runs', async () => {
    const draft = pod({
      runtimeClassName: 'vm',
      nodeSelector: { a: 'b' },
      tolerations: [{ key: 'vm', operator: 'Equal', value: 'x', effect: 'NoSchedule' }],
    });
    expect(await admit(plugin, forPod(draft))).toBeUndefined();
    expect(draft.spec).toMatchObject({
      overhead: { cpu: '100m' },
      nodeSelector: { a: 'b', vm: 'yes' },
      tolerations: [{ key: 'vm', operator: 'Exists' }],
    });
    expect(draft.spec.tolerations).toHaveLength(1);
  });

  it.each([
    [{ runtimeClassName: 'no' }, 'pod rejected: RuntimeClass "no" not found'],
    [{ overhead: { cpu: '1' } }, 'pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead'],
    [
      { runtimeClassName: 'vm', overhead: { cpu: '1' } },
      "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
    ],
    [
      { runtimeClassName: 'vm', nodeSelector: { vm: 'no' } },
      'conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no',
    ],
  ])('refuses %j', async (spec, text) => {
    expect(await admit(plugin, forPod(pod(spec)))).toBe(`pods "web" is forbidden: ${text}`);
  });
});

describe('LimitRanger', () => {
  const plugin = (...limits: object[]): LimitRanger =>
    new LimitRanger(new ObjectLookup(new FakeStores({ '/limitranges': [object('LimitRange', 'l', { spec: { limits } })] })));
  const container = (requests: object, limits: object = {}): object => ({
    containers: [{ name: 'c', resources: { requests, limits } }],
  });

  it('fills in what containers leave out, and says so', async () => {
    const draft = pod({ initContainers: [{ name: 'i', resources: { limits: { cpu: '1' } } }] });
    const range = { type: 'Container', default: { cpu: '2', memory: '1Gi' }, defaultRequest: { cpu: '1' } };
    expect(await admit(plugin(range), forPod(draft))).toBeUndefined();
    expect(draft.spec.containers[0]!.resources).toEqual({ requests: { cpu: '1' }, limits: { cpu: '2', memory: '1Gi' } });
    expect(draft.spec.initContainers![0]!.resources).toEqual({ requests: { cpu: '1' }, limits: { cpu: '1', memory: '1Gi' } });
    expect(draft.metadata.annotations!['kubernetes.io/limit-ranger']).toBe(
      'LimitRanger plugin set: cpu request for container c; cpu, memory limit for container c; cpu request for init container i; memory limit for init container i',
    );
  });

  it.each([
    [{ min: { cpu: '1' } }, container({}), 'minimum cpu usage per Container is 1.  No request is specified'],
    [{ min: { cpu: '1' } }, container({ cpu: '900m' }), 'minimum cpu usage per Container is 1, but request is 900m'],
    [{ min: { cpu: '1' } }, container({ cpu: '1' }, { cpu: '500m' }), 'minimum cpu usage per Container is 1, but limit is 500m'],
    [{ max: { memory: '1Gi' } }, container({}), 'maximum memory usage per Container is 1Gi.  No limit is specified'],
    [{ max: { memory: '1Gi' } }, container({}, { memory: '2Gi' }), 'maximum memory usage per Container is 1Gi, but limit is 2Gi'],
    [
      { maxLimitRequestRatio: { cpu: '2' } },
      container({ cpu: '100m' }, { cpu: '250m' }),
      'cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000',
    ],
    [
      { min: { cpu: '1' }, max: { cpu: '2' } },
      container({}),
      '[minimum cpu usage per Container is 1.  No request is specified, maximum cpu usage per Container is 2.  No limit is specified]',
    ],
  ])('%j refuses %j', async (bounds, spec, text) => {
    expect(await admit(plugin({ type: 'Container', ...bounds }), forPod(pod(spec)))).toBe(`pods "web" is forbidden: ${text}`);
  });

  it('counts the whole pod without its overhead', async () => {
    const spec = {
      containers: ['a', 'b'].map(name => ({ name, resources: { requests: { cpu: '1' }, limits: { cpu: '1' } } })),
      overhead: { cpu: '5' },
    };
    expect(await admit(plugin({ type: 'Pod', max: { cpu: '2' } }), forPod(pod(spec)))).toBeUndefined();
    expect(await admit(plugin({ type: 'Pod', max: { cpu: '1500m' } }), forPod(pod(spec)))).toMatch(
      'maximum cpu usage per Pod is 1500m, but limit is 2',
    );
  });

  it('bounds claims', async () => {
    const claim = object('PersistentVolumeClaim', 'data', { spec: { resources: { requests: { storage: '5Gi' } } } });
    const bounds = { type: 'PersistentVolumeClaim', max: { storage: '4Gi' } };
    expect(await admit(plugin(bounds), attributesOf({ resource: 'persistentvolumeclaims', object: claim }))).toBe(
      'persistentvolumeclaims "data" is forbidden: maximum storage usage per PersistentVolumeClaim is 4Gi, but request is 5Gi',
    );
  });
});

describe('PodTopologyLabels', () => {
  const labels = { 'topology.kubernetes.io/zone': 'z1', 'topology.kubernetes.io/region': 'r1', other: 'x' };
  const nodes = [
    { ...object('Node', 'n1', {}, ''), metadata: { name: 'n1', labels } },
    { ...object('Node', 'n2', {}, ''), metadata: { name: 'n2' } },
  ];
  const plugin = new PodTopologyLabels(new ObjectLookup(new FakeStores({ '/nodes': nodes })));
  const copied = { 'topology.kubernetes.io/zone': 'z1', 'topology.kubernetes.io/region': 'r1' };

  it('gives zone and region of the node to a pod that is bound, or created on it', async () => {
    const binding = object('Binding', 'web', { target: { kind: 'Node', name: 'n1' } });
    await admit(plugin, attributesOf({ resource: 'pods', subresource: 'binding', object: binding }));
    expect(binding.metadata.labels).toEqual(copied);
    const draft = pod({ nodeName: 'n1' }, { labels: { app: 'web', 'topology.kubernetes.io/zone': 'own' } });
    await admit(plugin, forPod(draft));
    expect(draft.metadata.labels).toEqual({ app: 'web', ...copied });
  });

  it.each([
    ['the node has none', { kind: 'Node', name: 'n2' }],
    ['the node is not known', { kind: 'Node', name: 'n3' }],
    ['the target is something else', { kind: 'Rack', name: 'n1' }],
  ])('adds nothing when %s', async (_what, target) => {
    const binding = object('Binding', 'web', { target });
    await admit(plugin, attributesOf({ resource: 'pods', subresource: 'binding', object: binding }));
    expect(binding.metadata.labels).toBeUndefined();
  });

  it('leaves pods without a node alone', async () => {
    const draft = pod();
    await admit(plugin, forPod(draft));
    expect(draft.metadata.labels).toBeUndefined();
  });
});

describe('PodResizeValidator', () => {
  const nodes = [
    { ...object('Node', 'n1', { status: { allocatable: { cpu: '2', memory: '1Gi' } } }, ''), metadata: { name: 'n1' } },
    { ...object('Node', 'w', {}, ''), metadata: { name: 'w', labels: { 'kubernetes.io/os': 'windows' } } },
  ];
  const plugin = new PodResizeValidator(new ObjectLookup(new FakeStores({ '/nodes': nodes })));
  const resize = (requests: object, nodeName = 'n1', generation = 2): Promise<string | undefined> => {
    const next = pod({ nodeName, containers: [{ name: 'c', resources: { requests } }] }, { generation });
    const oldObject = pod({ nodeName }, { generation: 1 }) as never;
    return admit(plugin, forPod(next, { operation: 'UPDATE', subresource: 'resize', oldObject }));
  };

  it('refuses what the node could never give', async () => {
    expect(await resize({ cpu: '2', memory: '1Gi' })).toBeUndefined();
    expect(await resize({ cpu: '2500m', memory: '2Gi' })).toBe(
      `pods "web" is forbidden: node didn't have enough allocatable resources: cpu, requested: 2500, allocatable: 2000; memory, requested: 2147483648, allocatable: 1073741824`,
    );
    expect(await resize({ cpu: '2500m' }, 'n1', 1)).toBeUndefined();
    expect(await resize({ cpu: '9' }, '')).toBeUndefined();
  });

  it('refuses nodes that cannot resize or are not known', async () => {
    expect(await resize({}, 'w')).toBe(
      'pods "web" is forbidden: pod resize is only supported on linux nodes, node "w" is "windows"',
    );
    expect(await resize({}, 'n9')).toBe('pods "web" is forbidden: node "n9" not found');
  });
});
