import { describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../base/fake-clock.js';
import type { AdmissionPlugin } from '../../contracts/admission.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { Authorizer } from '../auth/authorizer.js';
import { CertificateApproval } from './certificate-approval.js';
import { CertificateSigning } from './certificate-signing.js';
import { DefaultIngressClass } from './default-ingress-class.js';
import { DefaultStorageClass } from './default-storage-class.js';
import { NamespaceLifecycle } from './namespace-lifecycle.js';
import { NodeRestriction } from './node-restriction.js';
import { ObjectLookup } from './object-lookup.js';
import { PersistentVolumeClaimResize } from './persistent-volume-claim-resize.js';
import { StorageObjectInUseProtection } from './storage-object-in-use-protection.js';
import { TaintNodesByCondition } from './taint-nodes-by-condition.js';
import { FakeStores, admit, attributesOf, object } from './testing/admission-fixture.js';

const lookup = (objects: Record<string, object[]>): ObjectLookup => new ObjectLookup(new FakeStores(objects));

describe('NamespaceLifecycle', () => {
  const namespaces = [
    { metadata: { name: 'default' }, status: { phase: 'Active' } },
    { metadata: { name: 'going' }, status: { phase: 'Terminating' } },
  ];
  const plugin = new NamespaceLifecycle(lookup({ '/namespaces': namespaces }), new FakeClock());
  const configMap = (namespace: string): ReturnType<typeof attributesOf> =>
    attributesOf({ resource: 'configmaps', object: object('ConfigMap', 'a', {}, namespace) });

  it.each([
    ['creates in a namespace', configMap('default'), undefined],
    ['nothing in a missing one', configMap('no'), 'namespaces "no" not found'],
    [
      'nothing new in one that goes',
      configMap('going'),
      'configmaps "a" is forbidden: unable to create new content in namespace going because it is being terminated',
    ],
    ['updates in one that goes', { ...configMap('going'), operation: 'UPDATE' as const }, undefined],
    ['no updates in a missing one', { ...configMap('no'), operation: 'UPDATE' as const }, 'namespaces "no" not found'],
    ['deletes anywhere', { ...configMap('no'), operation: 'DELETE' as const }, undefined],
    [
      'access reviews everywhere',
      attributesOf({ resource: 'localsubjectaccessreviews', group: 'authorization.k8s.io', namespace: 'no' }),
      undefined,
    ],
    [
      'no deletion of the first namespaces',
      attributesOf({ resource: 'namespaces', name: 'kube-system', operation: 'DELETE' }),
      'namespaces "kube-system" is forbidden: this namespace may not be deleted',
    ],
    ['deletion of others', attributesOf({ resource: 'namespaces', name: 'mine', operation: 'DELETE' }), undefined],
  ])('%s', async (_name, attributes, message) => {
    expect(await admit(plugin, attributes)).toBe(message);
  });

  it('says why in a cause, so that garbage collectors understand', async () => {
    const error: unknown = await plugin.mutate(configMap('going')).catch((thrown: unknown) => thrown);
    expect(isStatusError(error) && error.status.details?.causes).toEqual([
      { reason: 'NamespaceTerminating', message: 'namespace going is being terminated', field: 'metadata.namespace' },
    ]);
  });
});

describe('classes', () => {
  const marked = (marker: string, name: string, creationTimestamp: string): object => ({
    metadata: { name, creationTimestamp, annotations: { [marker]: 'true' } },
  });

  it('claims get the newest default class', async () => {
    const marker = 'storageclass.kubernetes.io/is-default-class';
    const classes = [
      marked(marker, 'old', '2026-01-01T00:00:00Z'),
      marked('storageclass.beta.kubernetes.io/is-default-class', 'b', '2026-01-02T00:00:00Z'),
      marked(marker, 'a', '2026-01-02T00:00:00Z'),
      { metadata: { name: 'plain', creationTimestamp: '2026-01-03T00:00:00Z' } },
    ];
    const plugin = new DefaultStorageClass(lookup({ 'storage.k8s.io/storageclasses': classes }));
    const claim = (spec: object): ReturnType<typeof attributesOf> =>
      attributesOf({ resource: 'persistentvolumeclaims', object: object('PersistentVolumeClaim', 'c', { spec }) });
    const [none, empty] = [claim({}), claim({ storageClassName: '' })];
    await admit(plugin, none);
    await admit(plugin, empty);
    expect(none.object).toMatchObject({ spec: { storageClassName: 'a' } });
    expect(empty.object).toMatchObject({ spec: { storageClassName: '' } });
  });

  it('ingresses too, unless their annotation names one', async () => {
    const classes = [marked('ingressclass.kubernetes.io/is-default-class', 'traefik', '2026-01-01T00:00:00Z')];
    const plugin = new DefaultIngressClass(lookup({ 'networking.k8s.io/ingressclasses': classes }));
    const ingress = (annotations: object): ReturnType<typeof attributesOf> =>
      attributesOf({
        group: 'networking.k8s.io',
        resource: 'ingresses',
        object: object('Ingress', 'i', { metadata: { name: 'i', annotations }, spec: {} }),
      });
    const [none, annotated] = [ingress({}), ingress({ 'kubernetes.io/ingress.class': 'x' })];
    await admit(plugin, none);
    await admit(plugin, annotated);
    expect(none.object).toMatchObject({ spec: { ingressClassName: 'traefik' } });
    expect(annotated.object).toHaveProperty('spec', {});
  });
});

describe('storage', () => {
  it.each([
    ['', 'persistentvolumes', 'kubernetes.io/pv-protection'],
    ['', 'persistentvolumeclaims', 'kubernetes.io/pvc-protection'],
    ['storage.k8s.io', 'volumeattributesclasses', 'kubernetes.io/vac-protection'],
  ])('%s %s are protected', async (group, resource, finalizer) => {
    const attributes = attributesOf({ group, resource, object: object('Any', 'a') });
    await admit(new StorageObjectInUseProtection(), attributes);
    await admit(new StorageObjectInUseProtection(), attributes);
    expect(attributes.object!.metadata.finalizers).toEqual([finalizer]);
  });

  it.each([
    ['5Gi', 'Bound', 'grows', undefined],
    ['4Gi', 'Pending', 'fixed', undefined],
    ['5Gi', 'Pending', 'grows', 'Only bound persistent volume claims can be expanded'],
    [
      '5Gi',
      'Bound',
      'fixed',
      'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize',
    ],
  ])('a claim of 4Gi becomes %s, %s, of class %s', async (storage, phase, storageClassName, text) => {
    const classes = [{ metadata: { name: 'grows' }, allowVolumeExpansion: true }, { metadata: { name: 'fixed' } }];
    const claim = (amount: string): never =>
      object('PersistentVolumeClaim', 'c', {
        spec: { storageClassName, resources: { requests: { storage: amount } } },
        status: { phase },
      }) as never;
    const plugin = new PersistentVolumeClaimResize(lookup({ 'storage.k8s.io/storageclasses': classes }));
    const change = { operation: 'UPDATE' as const, object: claim(storage), oldObject: claim('4Gi') };
    expect(await admit(plugin, attributesOf({ resource: 'persistentvolumeclaims', ...change }))).toBe(
      text && `persistentvolumeclaims "c" is forbidden: ${text}`,
    );
  });
});

describe('certificates', () => {
  const allowing = (...names: string[]): Authorizer => ({
    authorize: ({ verb, resource, name }) => ({
      decision: resource === 'signers' && names.includes(`${verb} ${name}`) ? 'allow' : 'no-opinion',
      reason: '',
    }),
  });
  const request = (status: object): never =>
    ({ metadata: { name: 'r' }, spec: { signerName: 'example.com/s' }, status }) as never;
  const change = (subresource: string): ReturnType<typeof attributesOf> =>
    attributesOf({
      group: 'certificates.k8s.io',
      resource: 'certificatesigningrequests',
      subresource,
      operation: 'UPDATE',
      object: request({ certificate: 'x' }),
      oldObject: request({}),
    });
  const refused = (verb: string): string =>
    `certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to ${verb} requests with signerName "example.com/s"`;

  it.each<[string, AdmissionPlugin, string, string | undefined]>([
    ['approval by name', new CertificateApproval(allowing('approve example.com/s')), 'approval', undefined],
    ['approval by domain', new CertificateApproval(allowing('approve example.com/*')), 'approval', undefined],
    ['no approval', new CertificateApproval(allowing('sign example.com/s')), 'approval', refused('approve')],
    ['signing', new CertificateSigning(allowing('sign example.com/s')), 'status', undefined],
    ['no signing', new CertificateSigning(allowing()), 'status', refused('sign')],
  ])('%s', async (_name, plugin, subresource, message) => {
    expect(await admit(plugin, change(subresource))).toBe(message);
  });

  it('other changes of the status need no signer', async () => {
    const same = { ...change('status'), oldObject: request({ certificate: 'x' }) };
    expect(await admit(new CertificateSigning(allowing()), same)).toBeUndefined();
  });
});

describe('nodes', () => {
  it('begin with a taint', async () => {
    const attributes = attributesOf({ resource: 'nodes', object: object('Node', 'n') });
    await admit(new TaintNodesByCondition(), attributes);
    await admit(new TaintNodesByCondition(), attributes);
    expect(attributes.object).toHaveProperty('spec.taints', [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }]);
  });

  const caller = { name: 'system:node:n', groups: ['system:nodes', 'system:authenticated'] };
  const mirror = { 'kubernetes.io/config.mirror': 'x' };
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n', uid: 'u', controller: true };
  const pod = (metadata: object, spec: object): never =>
    ({ metadata: { name: 'p', namespace: 'default', ...metadata }, spec }) as never;
  const mine = pod(
    { uid: 'pu' },
    { nodeName: 'n', volumes: [{ projected: { sources: [{ serviceAccountToken: { audience: 'a' } }] } }] },
  );
  const theirs = pod({ name: 'q', uid: 'qu' }, { nodeName: 'm' });
  const nobody: Authorizer = { authorize: () => ({ decision: 'no-opinion', reason: '' }) };
  const plugin = new NodeRestriction(
    lookup({ '/pods': [mine, theirs], '/nodes': [{ metadata: { name: 'n', uid: 'u' } }] }),
    nobody,
  );
  const node = (name: string, labels: object, spec: object = {}): never => ({ metadata: { name, labels }, spec }) as never;
  const update = { operation: 'UPDATE' as const };
  const token = (boundObjectRef: object | undefined, audiences: string[]): object => ({
    resource: 'serviceaccounts',
    subresource: 'token',
    namespace: 'default',
    name: 'sa',
    object: { metadata: {}, spec: { boundObjectRef, audiences } },
  });
  const bound = { apiVersion: 'v1', kind: 'Pod', name: 'p', uid: 'pu' };

  it.each<[string, object, string | undefined]>([
    ['its own node', { resource: 'nodes', object: node('n', { 'kubernetes.io/hostname': 'n', mine: 'x' }) }, undefined],
    [
      'another node',
      { resource: 'nodes', object: node('m', {}) },
      'nodes "m" is forbidden: node "n" is not allowed to modify node "m"',
    ],
    [
      'labels that steer pods',
      {
        resource: 'nodes',
        object: node('n', { 'node-restriction.kubernetes.io/a': 'x', 'node-role.kubernetes.io/control-plane': '' }),
      },
      'nodes "n" is forbidden: node "n" is not allowed to set the following labels: node-restriction.kubernetes.io/a, node-role.kubernetes.io/control-plane',
    ],
    [
      'a label that it takes away',
      { resource: 'nodes', ...update, object: node('n', {}), oldObject: node('n', { 'foo.k8s.io/a': 'x' }) },
      'nodes "n" is forbidden: is not allowed to modify labels: foo.k8s.io/a',
    ],
    [
      'its taints',
      { resource: 'nodes', ...update, object: node('n', {}), oldObject: node('n', {}, { taints: [{ key: 'a' }] }) },
      'nodes "n" is forbidden: node "n" is not allowed to modify taints',
    ],
    [
      'a mirror pod',
      { resource: 'pods', object: pod({ name: 'new', annotations: mirror, ownerReferences: [owner] }, { nodeName: 'n' }) },
      undefined,
    ],
    [
      'any other pod',
      { resource: 'pods', object: pod({}, { nodeName: 'n' }) },
      'pods "p" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n" can only create mirror pods',
    ],
    [
      'a mirror pod of nobody',
      { resource: 'pods', object: pod({ annotations: mirror }, { nodeName: 'n' }) },
      'pods "p" is forbidden: node "n" can only create pods with an owner reference set to itself',
    ],
    [
      'a mirror pod with a secret',
      {
        resource: 'pods',
        object: pod(
          { annotations: mirror, ownerReferences: [owner] },
          { nodeName: 'n', volumes: [{ name: 'v', projected: { sources: [{ secret: { name: 's' } }] } }] },
        ),
      },
      'pods "p" is forbidden: node "n" can not create pods that reference secrets',
    ],
    ['deletes its pod', { resource: 'pods', operation: 'DELETE', oldObject: mine }, undefined],
    [
      'deletes another pod',
      { resource: 'pods', operation: 'DELETE', oldObject: theirs },
      'pods "q" is forbidden: node "n" can only delete pods with spec.nodeName set to itself',
    ],
    [
      'the status of another pod',
      { resource: 'pods', subresource: 'status', ...update, object: theirs, oldObject: theirs },
      'pods "q" is forbidden: node "n" can only update pod status for pods with spec.nodeName set to itself',
    ],
    [
      'its lease',
      { group: 'coordination.k8s.io', resource: 'leases', object: object('Lease', 'n', {}, 'kube-node-lease') },
      undefined,
    ],
    [
      'another lease',
      { group: 'coordination.k8s.io', resource: 'leases', object: object('Lease', 'm', {}, 'kube-node-lease') },
      'leases.coordination.k8s.io "m" is forbidden: can only access node lease with the same name as the requesting node',
    ],
    ['a token for its pod', token(bound, ['a']), undefined],
    ['a token for nobody', token(undefined, []), 'serviceaccounts "sa" is forbidden: node requested token not bound to a pod'],
    [
      'a token for another audience',
      token(bound, ['b']),
      'serviceaccounts "sa" is forbidden: audience "b" not found in pod spec volume, system:node:n is not authorized to request tokens for this audience',
    ],
    [
      "a token for another node's pod",
      token({ ...bound, name: 'q', uid: 'qu' }, []),
      'serviceaccounts "sa" is forbidden: node requested token bound to a pod scheduled on a different node',
    ],
  ])('%s', async (_name, given, message) => {
    const attributes = attributesOf({ resource: '', caller, ...given } as Parameters<typeof attributesOf>[0]);
    expect(await admit(plugin, attributes)).toBe(message);
  });

  it('others are left alone', async () => {
    expect(await admit(plugin, attributesOf({ resource: 'nodes', object: node('m', {}) }))).toBeUndefined();
  });
});
