import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FakeClock } from '../../core/base/fake-clock.js';
import { silentLogger } from '../../core/base/logger.js';
import type { Pod } from '../../core/api/generated/types.js';
import { Namespaces, PodDisruptionBudgets, Pods, Services } from '../../core/api/generated/resources.js';
import type { ResourceReference } from '../../core/api/resource-reference.js';
import { ApiServer } from '../../core/apiserver/api-server.js';
import { MastersAuthorizer } from '../../core/apiserver/auth/authorizer.js';
import { coreDefinitions } from '../../core/apiserver/resources/core/index.js';
import { InMemoryServiceAllocator } from '../../core/apiserver/resources/core/service-allocator.js';
import { policyDefinitions } from '../../core/apiserver/resources/policy/index.js';
import type { ApiTransport } from '../../core/contracts/api-transport.js';
import type { JsonValue } from '../../core/machinery/object.js';
import { isStatusError } from '../../core/machinery/status-error.js';
import { CelRuleEngine } from '../../core/machinery/structural/rule-engine.js';
import { MemoryDatastore } from '../../plugins/datastore/memory/memory-datastore.js';

const caller = { name: 'admin', groups: ['system:masters'] };
const namespace = 'n';

describe('pods and services on a server', () => {
  let clock: FakeClock;
  let datastore: MemoryDatastore;
  let server: ApiServer;
  let transport: ApiTransport;

  beforeEach(async () => {
    clock = new FakeClock(Date.parse('2026-01-01T00:00:00Z'));
    datastore = new MemoryDatastore({ logger: silentLogger, clock });
    await datastore.open();
    const serviceAllocator = new InMemoryServiceAllocator({
      cidrs: ['10.43.0.0/16'],
      nodePorts: { first: 30000, last: 32767 },
      clock,
    });
    server = new ApiServer({
      datastore,
      definitions: [...coreDefinitions({ serviceAllocator }), ...policyDefinitions],
      ruleEngine: new CelRuleEngine(),
      authenticator: { authenticate: () => ({ kind: 'no-credentials' }) },
      authorizer: new MastersAuthorizer(),
      admission: () => [],
      clock,
      logger: silentLogger,
      version: { gitVersion: 'v1.36.0' },
    });
    await server.start();
    transport = server.transport;
    await post(Namespaces, { kind: 'Namespace', apiVersion: 'v1', metadata: { name: 'n' } });
  });

  afterEach(async () => {
    await server.stop();
    await datastore.close();
  });

  /** Objects as clients write them: without what the server fills in. */
  const post = async (
    resource: ResourceReference,
    object: object,
    at: { name?: string; subresource?: string } = {},
  ): Promise<unknown> => transport.create({ caller, resource, ...(resource.namespaced && { namespace }), ...at, object });
  const createPod = async (name: string): Promise<void> => {
    const metadata = { name, labels: { app: 'a' } };
    await post(Pods, { kind: 'Pod', apiVersion: 'v1', metadata, spec: { containers: [{ name: 'a', image: 'x' }] } });
  };
  const getPod = (name: string): Promise<Pod> => transport.get({ caller, resource: Pods, namespace, name });
  const bind = async (name: string, target: string, given: object = {}): Promise<void> => {
    const object = { kind: 'Binding', apiVersion: 'v1', metadata: { name, ...given }, target: { name: target } };
    await post(Pods, object, { name, subresource: 'binding' });
  };
  const evict = async (name: string): Promise<void> => {
    await post(Pods, { kind: 'Eviction', apiVersion: 'policy/v1', metadata: { name } }, { name, subresource: 'eviction' });
  };
  const patch = async (resource: ResourceReference, name: string, status: JsonValue): Promise<unknown> =>
    transport.patch({ caller, resource, namespace, name, subresource: 'status', type: 'merge', patch: { status } });
  const refusal = async (work: Promise<unknown>): Promise<{ code?: number; message?: string; causes?: unknown }> => {
    const error: unknown = await work.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    if (!isStatusError(error)) throw new Error(`no refusal but ${String(error)}`);
    const { code, message, details } = error.status;
    return { code, message, causes: details?.causes };
  };

  it('binds a pod once', async () => {
    await createPod('p');
    await bind('p', 'n1', { annotations: { by: 'us' } });
    const bound = await getPod('p');
    expect(bound.spec.nodeName).toBe('n1');
    expect(bound.metadata.annotations).toEqual({ by: 'us' });
    expect(bound.status?.conditions).toEqual([
      expect.objectContaining({ type: 'PodScheduled', status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' }),
    ]);
    const again = await refusal(bind('p', 'n2'));
    expect(again.code).toBe(409);
    expect(again.message).toContain('pod p is already assigned to node "n1"');
    expect(await refusal(bind('absent', 'n1'))).toMatchObject({ code: 404 });
  });

  it('deletes an unscheduled pod at once and a bound one gracefully', async () => {
    await createPod('p');
    await createPod('q');
    await bind('q', 'n1');
    await transport.delete({ caller, resource: Pods, namespace, name: 'p' });
    await transport.delete({ caller, resource: Pods, namespace, name: 'q' });
    expect(await refusal(getPod('p'))).toMatchObject({ code: 404 });
    expect((await getPod('q')).metadata).toMatchObject({
      deletionGracePeriodSeconds: 30,
      deletionTimestamp: '2026-01-01T00:00:30Z',
    });
  });

  it('evicts as the disruption budget allows', async () => {
    for (const name of ['p', 'q']) {
      await createPod(name);
      await bind(name, 'n1');
      await patch(Pods, name, { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] });
    }
    const budget = {
      kind: 'PodDisruptionBudget',
      apiVersion: 'policy/v1',
      metadata: { name: 'b' },
      spec: { minAvailable: 1, selector: { matchLabels: { app: 'a' } } },
    };
    await post(PodDisruptionBudgets, budget);
    const counts = { observedGeneration: 1, currentHealthy: 2, desiredHealthy: 1, expectedPods: 2 };
    await patch(PodDisruptionBudgets, 'b', { ...counts, disruptionsAllowed: 1 });

    await evict('p');
    expect((await getPod('p')).metadata.deletionTimestamp).toBeDefined();
    const stored = await transport.get({ caller, resource: PodDisruptionBudgets, namespace, name: 'b' });
    expect(stored.status).toMatchObject({ disruptionsAllowed: 0, disruptedPods: { p: '2026-01-01T00:00:00Z' } });

    expect(await refusal(evict('q'))).toEqual({
      code: 429,
      message: "Cannot evict pod as it would violate the pod's disruption budget.",
      causes: [{ reason: 'DisruptionBudget', message: 'The disruption budget b does not allow evicting pods currently' }],
    });
    expect((await getPod('q')).metadata.deletionTimestamp).toBeUndefined();
  });

  it('gives an address and a port of a deleted Service to another', async () => {
    const service = (name: string): object => ({
      kind: 'Service',
      apiVersion: 'v1',
      metadata: { name },
      spec: { type: 'NodePort', clusterIP: '10.43.0.7', ports: [{ port: 80, nodePort: 31000 }] },
    });
    const create = (name: string): Promise<unknown> => post(Services, service(name));
    await create('s');
    expect((await refusal(create('t'))).message).toContain('failed to allocate IP 10.43.0.7: provided IP is already allocated');
    await transport.delete({ caller, resource: Services, namespace, name: 's' });
    expect(await create('t')).toMatchObject({ spec: { clusterIP: '10.43.0.7', ports: [{ nodePort: 31000 }] } });
  });
});
