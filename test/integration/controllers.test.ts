import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  ConfigMaps,
  Deployments,
  EndpointSlices,
  Endpoints,
  Namespaces,
  Nodes,
  PersistentVolumeClaims,
  PersistentVolumes,
  PodDisruptionBudgets,
  Pods,
  ReplicaSets,
  ResourceQuotas,
  ServiceAccounts,
  Services,
} from '../../core/api/generated/resources.js';
import type { ResourceReference } from '../../core/api/resource-reference.js';
import type { ResourceClient } from '../../core/client/client.js';
import { startCluster } from '../../core/testing/index.js';
import type { TestCluster } from '../../core/testing/index.js';

const timeoutMs = 20_000;

describe('the controllers with the rights that upstream gives them', () => {
  let cluster: TestCluster;
  const namespace = 'work';
  const labels = { app: 'web' };
  const resource = <T>(reference: ResourceReference<T>): ResourceClient<T> =>
    cluster.client.resource(reference, reference.namespaced ? namespace : undefined);
  const create = <T>(reference: ResourceReference<T>, object: object): Promise<T> => resource(reference).create(object as T);

  /** Follows a resource until one of its objects is as wanted. */
  async function seen<T>(reference: ResourceReference<T>, wanted: (object: T) => boolean): Promise<T> {
    for await (const event of resource(reference).watch({ signal: AbortSignal.timeout(timeoutMs) })) {
      if (event.type !== 'BOOKMARK' && event.type !== 'DELETED' && wanted(event.entry.object)) return event.entry.object;
    }
    throw new Error(`no ${reference.kind} came to be as wanted`);
  }

  /** Follows a resource until an object of this name is gone. */
  async function gone<T>(reference: ResourceReference<T>, name: string): Promise<void> {
    for await (const event of resource(reference).watch({ signal: AbortSignal.timeout(timeoutMs) })) {
      if (event.type === 'DELETED' && event.entry.name === name) return;
    }
    throw new Error(`${reference.kind} ${name} stayed`);
  }

  beforeAll(async () => {
    cluster = await startCluster();
    await create(Namespaces, { metadata: { name: namespace } });
    await create(Deployments, {
      metadata: { name: 'web' },
      spec: {
        replicas: 3,
        selector: { matchLabels: labels },
        template: {
          metadata: { labels },
          spec: { containers: [{ name: 'main', image: 'example.com/web:1', resources: { requests: { cpu: '10m' } } }] },
        },
      },
    });
  });
  afterAll(() => cluster.stop());

  it('give a namespace its service account and CA bundle, and a node its range', async () => {
    await seen(ServiceAccounts, account => account.metadata.name === 'default');
    const bundle = await seen(ConfigMaps, map => map.metadata.name === 'kube-root-ca.crt');
    expect(bundle.data?.['ca.crt']).toContain('BEGIN CERTIFICATE');
    expect((await seen(Nodes, node => node.spec.podCIDR !== undefined)).spec.podCIDR).toBe('10.42.0.0/24');
  });

  it('show the pods of a Service in slices and endpoints', async () => {
    await create(Services, { metadata: { name: 'web' }, spec: { selector: labels, ports: [{ port: 80, targetPort: 8080 }] } });
    const slice = await seen(
      EndpointSlices,
      ({ endpoints }) => endpoints?.filter(({ conditions }) => conditions.ready).length === 3,
    );
    expect(slice).toMatchObject({ addressType: 'IPv4', ports: [{ port: 8080, protocol: 'TCP' }] });
    await seen(Endpoints, ({ subsets }) => subsets?.[0]?.addresses?.length === 3);
  });

  it('count for budgets and quotas', async () => {
    await create(PodDisruptionBudgets, {
      metadata: { name: 'web' },
      spec: { minAvailable: 1, selector: { matchLabels: labels } },
    });
    await seen(PodDisruptionBudgets, ({ status }) => status.disruptionsAllowed === 2 && status.expectedPods === 3);
    const hard = { pods: '10', 'requests.cpu': '1', 'count/deployments.apps': '2' };
    await create(ResourceQuotas, { metadata: { name: 'all' }, spec: { hard } });
    const { status } = await seen(ResourceQuotas, quota => quota.status.used?.['pods'] === '3');
    expect(status).toEqual({ hard, used: { pods: '3', 'requests.cpu': '30m', 'count/deployments.apps': '1' } });
  });

  it('bind claims to volumes and protect both', async () => {
    await create(PersistentVolumes, {
      metadata: { name: 'disk' },
      spec: {
        capacity: { storage: '1Gi' },
        accessModes: ['ReadWriteOnce'],
        persistentVolumeReclaimPolicy: 'Retain',
        hostPath: { path: '/nowhere' },
      },
    });
    await create(PersistentVolumeClaims, {
      metadata: { name: 'data' },
      spec: { storageClassName: '', accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    });
    const claim = await seen(PersistentVolumeClaims, ({ status }) => status.phase === 'Bound');
    expect(claim).toMatchObject({ metadata: { finalizers: ['kubernetes.io/pvc-protection'] }, spec: { volumeName: 'disk' } });
    await resource(PersistentVolumeClaims).delete('data');
    await seen(PersistentVolumes, ({ status }) => status.phase === 'Released');
  });

  it('collect what a foreground deletion leaves, then empty the namespace', async () => {
    const deleted = gone(Deployments, 'web');
    await resource(Deployments).delete('web', { propagationPolicy: 'Foreground' });
    await deleted;
    expect(await resource(ReplicaSets).objects()).toEqual([]);
    expect((await resource(Pods).objects()).every(pod => pod.metadata.deletionTimestamp !== undefined)).toBe(true);
    const emptied = gone(Namespaces, namespace);
    await resource(Namespaces).delete(namespace);
    await emptied;
  });
});
