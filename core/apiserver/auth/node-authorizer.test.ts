import { describe, expect, it } from '@jest/globals';
import { generatedData } from '../../api/schema-data.js';
import type { PersistentVolume, Pod } from '../../api/generated/types.js';
import type { Attributes } from './authorizer.js';
import { pathAttributes, resourceAttributes } from './authorizer.js';
import type { BootstrapPolicyData } from './bootstrap-policy.js';
import { CompiledRules } from './compiled-rules.js';
import { NodeAuthorizer } from './node-authorizer.js';
import { NodeGraph } from './node-graph.js';
import { podReferences, volumeSecrets } from '../../api/object-references.js';
import type { UserInfo } from './user-info.js';

const nodeRole = generatedData<BootstrapPolicyData>('bootstrap-rbac').clusterRoles.find(role => role.name === 'system:node');
const node = (name: string): UserInfo => ({ name: `system:node:${name}`, groups: ['system:nodes'], extra: {} });

function podOn(nodeName: string, name: string, spec: Partial<Pod['spec']> = {}, more: Partial<Pod> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'ns', name, uid: `${name}-uid`, ...more.metadata },
    spec: { containers: [{ name: 'c' }], nodeName, ...spec },
    ...(more.status ? { status: more.status } : {}),
  } as Pod;
}

function setUp(...pods: Pod[]): {
  graph: NodeGraph;
  may: (who: UserInfo, verb: string, what: string, name?: string, more?: Partial<Attributes>) => boolean;
} {
  const graph = new NodeGraph();
  for (const pod of pods) graph.upsertPod(pod);
  const authorizer = new NodeAuthorizer(graph, new CompiledRules(nodeRole?.rules ?? []));
  const clusterWide = new Set(['nodes', 'persistentvolumes', 'volumeattachments', 'csinodes', 'resourceslices']);
  const may = (user: UserInfo, verb: string, what: string, name = '', more: Partial<Attributes> = {}): boolean => {
    const [path = '', subresource = ''] = what.split(':');
    const [resource = '', group = ''] = path.split('.', 1).concat(path.includes('.') ? path.slice(path.indexOf('.') + 1) : '');
    const namespace = clusterWide.has(resource) ? '' : 'ns';
    const attributes = resourceAttributes({ user, verb, group, resource, subresource, namespace, name, ...more });
    return authorizer.authorize(attributes).decision === 'allow';
  };
  return { graph, may };
}

const onNode = (name: string): Partial<Attributes> => ({
  fieldSelector: [{ field: 'spec.nodeName', operator: '=', value: name }],
});

describe('NodeAuthorizer', () => {
  it('has the static rules of the generated data', () => expect(nodeRole?.rules?.length).toBeGreaterThan(10));

  it('opens to a node what its pods refer to, and to no other node', () => {
    const { graph, may } = setUp(
      podOn('n1', 'web', {
        serviceAccountName: 'sa',
        imagePullSecrets: [{ name: 'pull' }],
        volumes: [
          { name: 's', secret: { secretName: 'secret' } },
          { name: 'p', projected: { sources: [{ configMap: { name: 'projected' } }] } },
          { name: 'c', persistentVolumeClaim: { claimName: 'data' } },
          { name: 'e', ephemeral: {} },
        ],
        containers: [{ name: 'c', resources: {}, envFrom: [{ configMapRef: { name: 'env' } }] }],
      }),
    );
    graph.upsertPersistentVolume({
      metadata: { name: 'pv' },
      spec: {
        claimRef: { namespace: 'ns', name: 'data' },
        csi: { driver: 'd', volumeHandle: 'h', nodeStageSecretRef: { namespace: 'ns', name: 'stage' } },
      },
    } as PersistentVolume);
    graph.upsertNodeBound('volumeattachment', { namespace: '', name: 'va', nodeName: 'n1' });
    const own: [string, string, string][] = [
      ['get', 'secrets', 'pull'],
      ['watch', 'secrets', 'secret'],
      ['get', 'secrets', 'stage'],
      ['list', 'configmaps', 'projected'],
      ['get', 'configmaps', 'env'],
      ['get', 'persistentvolumeclaims', 'data'],
      ['get', 'persistentvolumeclaims', 'web-e'],
      ['patch', 'persistentvolumeclaims:status', 'data'],
      ['get', 'persistentvolumes', 'pv'],
      ['get', 'serviceaccounts', 'sa'],
      ['create', 'serviceaccounts:token', 'sa'],
      ['get', 'pods', 'web'],
      ['get', 'volumeattachments.storage.k8s.io', 'va'],
    ];
    for (const [verb, what, name] of own) {
      expect([verb, what, name, may(node('n1'), verb, what, name)]).toEqual([verb, what, name, true]);
      expect([verb, what, name, may(node('n2'), verb, what, name)]).toEqual([verb, what, name, false]);
    }
    const never: [string, string, string][] = [
      ['get', 'secrets', 'other'],
      ['list', 'secrets', ''],
      ['update', 'secrets', 'secret'],
      ['delete', 'configmaps', 'env'],
      ['list', 'persistentvolumeclaims', 'data'],
      ['update', 'persistentvolumeclaims', 'data'],
      ['get', 'persistentvolumeclaims:status', 'data'],
      ['create', 'serviceaccounts:token', ''],
      ['create', 'serviceaccounts', 'sa'],
      ['get', 'persistentvolumes', 'other'],
    ];
    for (const [verb, what, name] of never)
      expect([verb, what, name, may(node('n1'), verb, what, name)]).toEqual([verb, what, name, false]);
    expect(may(node('n1'), 'get', 'secrets', 'secret', { namespace: 'elsewhere' })).toBe(false);
    expect(may(node('n1'), 'list', 'secrets', 'secret', { namespace: '' })).toBe(false);
  });

  it('takes back what the last pod took with it', () => {
    const withSecret = { volumes: [{ name: 's', secret: { secretName: 'secret' } }] };
    const { graph, may } = setUp(podOn('n1', 'a', withSecret), podOn('n1', 'b', withSecret));
    graph.deletePod('ns', 'a');
    expect(may(node('n1'), 'get', 'secrets', 'secret')).toBe(true);
    graph.upsertPod({ ...podOn('n2', 'b', withSecret), metadata: { namespace: 'ns', name: 'b', uid: 'another' } });
    expect(may(node('n1'), 'get', 'secrets', 'secret')).toBe(false);
    expect(may(node('n2'), 'get', 'secrets', 'secret')).toBe(true);
    graph.deletePod('ns', 'b');
    graph.deletePod('ns', 'b');
    expect(may(node('n2'), 'get', 'secrets', 'secret')).toBe(false);
  });

  it('follows ephemeral containers and resource claims made later', () => {
    const claims = { resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 't' }] };
    const { graph, may } = setUp(podOn('n1', 'a', claims));
    expect(may(node('n1'), 'get', 'resourceclaims.resource.k8s.io', 'a-gpu-x')).toBe(false);
    const status = { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'a-gpu-x' }] };
    const env = [{ name: 'E', valueFrom: { secretKeyRef: { name: 'debug', key: 'k' } } }];
    graph.upsertPod(podOn('n1', 'a', { ...claims, ephemeralContainers: [{ name: 'd', resources: {}, env }] }, { status }));
    expect(may(node('n1'), 'get', 'resourceclaims.resource.k8s.io', 'a-gpu-x')).toBe(true);
    expect(may(node('n1'), 'get', 'secrets', 'debug')).toBe(true);
  });

  it('opens nothing for mirror pods, which nodes make themselves', () => {
    const annotations = { 'kubernetes.io/config.mirror': 'x' };
    const volumes = [{ name: 's', secret: { secretName: 'secret' } }];
    const { may } = setUp(podOn('n1', 'm', { volumes }, { metadata: { namespace: 'ns', name: 'm', uid: 'm', annotations } }));
    expect(may(node('n1'), 'get', 'pods', 'm')).toBe(true);
    expect(may(node('n1'), 'get', 'secrets', 'secret')).toBe(false);
  });

  it.each<[string, string, string, Partial<Attributes>, boolean]>([
    ['get', 'nodes', 'n1', {}, true],
    ['get', 'nodes', 'n2', {}, false],
    ['list', 'nodes', '', {}, false],
    ['watch', 'nodes', 'n1', {}, true],
    ['create', 'nodes', '', {}, true],
    ['patch', 'nodes:status', 'n1', {}, true],
    ['delete', 'nodes', 'n1', {}, false],
    ['get', 'nodes:proxy', 'n1', {}, false],
    ['list', 'pods', '', {}, false],
    ['list', 'pods', '', onNode('n1'), true],
    ['watch', 'pods', '', onNode('n2'), false],
    ['update', 'pods', 'p', {}, false],
    ['create', 'pods', '', {}, true],
    ['delete', 'pods', 'p', {}, true],
    ['deletecollection', 'pods', '', onNode('n1'), false],
    ['patch', 'pods:status', 'p', {}, true],
    ['create', 'pods:eviction', 'p', {}, true],
    ['create', 'pods:exec', 'p', {}, false],
    ['create', 'pods:binding', 'p', {}, false],
    ['get', 'leases.coordination.k8s.io', 'n1', { namespace: 'kube-node-lease' }, true],
    ['get', 'leases.coordination.k8s.io', 'n2', { namespace: 'kube-node-lease' }, false],
    ['create', 'leases.coordination.k8s.io', '', { namespace: 'kube-node-lease' }, true],
    ['list', 'leases.coordination.k8s.io', '', { namespace: 'kube-node-lease' }, false],
    ['get', 'leases.coordination.k8s.io', 'n1', { namespace: 'kube-system' }, false],
    ['update', 'csinodes.storage.k8s.io', 'n1', {}, true],
    ['update', 'csinodes.storage.k8s.io', 'n2', {}, false],
    ['list', 'resourceslices.resource.k8s.io', '', onNode('n1'), true],
    ['list', 'resourceslices.resource.k8s.io', '', {}, false],
    ['list', 'services', '', { namespace: '' }, true],
    ['create', 'events', '', {}, true],
    ['delete', 'events', 'e', {}, false],
    ['create', 'deployments.apps', '', {}, false],
    ['list', 'clusterroles.rbac.authorization.k8s.io', '', {}, false],
  ])('%s %s %s %j: %s', (verb, what, name, more, allowed) => {
    expect(setUp().may(node('n1'), verb, what, name, more)).toBe(allowed);
  });

  it('is for nodes only, and says why it refuses', () => {
    const authorizer = new NodeAuthorizer(new NodeGraph(), new CompiledRules([]));
    const ask = (user: UserInfo): unknown =>
      authorizer.authorize(resourceAttributes({ user, verb: 'get', resource: 'secrets', namespace: 'ns', name: 's' }));
    expect(ask({ name: 'system:node:n1', groups: [] })).toEqual({ decision: 'no-opinion', reason: '' });
    expect(ask({ name: 'alice', groups: ['system:nodes'] })).toEqual({ decision: 'no-opinion', reason: '' });
    expect(ask({ name: 'system:node:', groups: ['system:nodes'] })).toMatchObject({
      reason: 'unknown node for user "system:node:"',
    });
    expect(ask(node('n1'))).toMatchObject({ reason: "no relationship found between node 'n1' and this object" });
    expect(authorizer.authorize(pathAttributes(node('n1'), 'get', '/metrics')).decision).toBe('no-opinion');
    expect(authorizer.rulesFor(node('n1'))).toMatchObject({ incomplete: true });
  });
});

describe('references', () => {
  it('are found in every place that a pod has for them', () => {
    const references = podReferences(
      podOn('n', 'p', {
        initContainers: [{ name: 'i', resources: {}, envFrom: [{ secretRef: { name: 'a' } }] }],
        volumes: [
          { name: '1', csi: { driver: 'd', nodePublishSecretRef: { name: 'b' } } },
          { name: '2', projected: { sources: [{ secret: { name: 'c' } }] } },
          { name: '3', iscsi: { secretRef: { name: 'd' } } as never },
          { name: '4', azureFile: { secretName: 'e', shareName: 's' } },
          { name: '5', secret: {} },
        ],
      }),
    );
    expect([...references.secrets].sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('of volumes leave out what only controllers need', () => {
    const csi = { driver: 'd', volumeHandle: 'h', controllerPublishSecretRef: { namespace: 'x', name: 'y' } };
    const volume = { metadata: {}, spec: { claimRef: { namespace: 'ns' }, csi, rbd: { secretRef: { name: 'r' } } } };
    expect(volumeSecrets(volume as unknown as PersistentVolume)).toEqual(['ns/r']);
  });
});
