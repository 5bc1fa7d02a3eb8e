import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Events, Nodes, PodDisruptionBudgets, Pods } from '../../core/api/generated/resources.js';
import type { Node, Pod, PodDisruptionBudget } from '../../core/api/generated/types.js';
import { SystemClock } from '../../core/base/clock.js';
import { silentLogger } from '../../core/base/logger.js';
import { Client } from '../../core/client/client.js';
import { SchedulerPart } from '../../core/scheduler/scheduler-part.js';
import type { ResourceReference } from '../../core/api/resource-reference.js';
import { FakeTransport } from '../../core/client/testing/fake-transport.js';
import type { ApiTransport, ResourceRequest } from '../../core/contracts/api-transport.js';
import type { ResourceCatalogue } from '../../core/contracts/resource-catalogue.js';
import { startApiServer } from '../support/api-server.js';
import type { RunningApiServer } from '../support/api-server.js';

const everything: ResourceCatalogue = {
  resources: () => [Events, Nodes, PodDisruptionBudgets, Pods].map(reference => ({ reference, verbs: [] })),
};

/** A server built without a group of resources keeps them in memory here, so that the rest is tried against the real one. */
function withMemory(real: ApiTransport, catalogue: ResourceCatalogue): ApiTransport {
  const memory: ApiTransport = new FakeTransport(new SystemClock());
  const served = new Set(catalogue.resources().map(({ reference }) => keyOf(reference)));
  const route =
    (verb: keyof ApiTransport) =>
    (request: ResourceRequest<unknown>): unknown =>
      (served.has(keyOf(request.resource)) ? real : memory)[verb](request as never);
  return new Proxy(real, { get: (_target, verb) => route(verb as keyof ApiTransport) });
}

const keyOf = ({ group, resource }: ResourceReference): string => `${group}/${resource}`;

/** The scheduler against the API server of the house: what the fake transport of its unit tests takes for granted. */
describe('scheduler and API server', () => {
  let server: RunningApiServer;
  let part: SchedulerPart;
  let admin: Client;

  beforeAll(async () => {
    // As in upstream's own tests: no controllers run here that make accounts, clear taints, and the pods say their priority themselves.
    server = await startApiServer({ disabledAdmission: ['ServiceAccount', 'TaintNodesByCondition', 'Priority'] });
    const transport = withMemory(server.part.transport, server.part.catalogue);
    admin = new Client(transport, { name: 'admin', groups: ['system:masters', 'system:authenticated'] });
    part = new SchedulerPart({ transport, catalogue: everything, clock: new SystemClock(), logger: silentLogger });
    part.start();
    await part.ready(AbortSignal.timeout(10_000));
  });
  afterAll(async () => {
    await part.stop();
    await server.stop();
  });

  const createNode = async (name: string, cpu: string): Promise<void> => {
    const nodes = admin.resource(Nodes);
    await nodes.create({ apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: {}, status: {} } as unknown as Node);
    const allocatable = { cpu, memory: '1Gi', pods: '10' };
    await nodes.subresource<Node>('status').patch(name, 'merge', { status: { capacity: allocatable, allocatable } });
    // Admission taints new nodes where it runs; the lifecycle controller would take that away.
    await nodes.patch(name, 'merge', { spec: { taints: null } });
  };
  const createPod = async (name: string, cpu: string, spec: object = {}): Promise<void> => {
    const containers = [{ name: 'main', image: 'busybox', resources: { requests: { cpu } } }];
    const metadata = { name, labels: { app: name } };
    await admin
      .resource(Pods, 'default')
      .create({ apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers, ...spec } } as unknown as Pod);
  };
  const eventually = async (name: string, isSo: (pod: Pod) => boolean): Promise<Pod> => {
    const signal = AbortSignal.timeout(10_000);
    const pods = admin.resource(Pods, 'default');
    for await (const event of pods.watch({ fieldSelector: `metadata.name=${name}`, signal })) {
      if (event.type !== 'BOOKMARK' && event.type !== 'DELETED' && isSo(event.entry.object)) return event.entry.object;
    }
    throw new Error(`${name} never came to be so: ${JSON.stringify((await pods.get(name)).status)}`);
  };

  it('binds, reports, preempts', async () => {
    await createPod('low', '800m');
    const waiting = await eventually('low', ({ status }) => Boolean(status.conditions?.length));
    expect(waiting.status.conditions).toEqual([
      expect.objectContaining({
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        message: 'no nodes available to schedule pods',
      }),
    ]);
    await createNode('n1', '1');
    const bound = await eventually('low', ({ spec }) => spec.nodeName === 'n1');
    expect(bound.status.conditions).toEqual([expect.objectContaining({ type: 'PodScheduled', status: 'True' })]);

    const budget = {
      apiVersion: 'policy/v1',
      kind: 'PodDisruptionBudget',
      metadata: { name: 'b' },
      spec: { minAvailable: 1, selector: { matchLabels: { app: 'low' } } },
    };
    await admin.resource(PodDisruptionBudgets, 'default').create(budget as unknown as PodDisruptionBudget);
    await createPod('equal', '800m');
    const refused = await eventually('equal', ({ status }) => Boolean(status.conditions?.length));
    expect(refused.status.conditions?.[0]?.message).toBe(
      '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
    );

    await createPod('high', '900m', { priority: 1000 });
    const victim = await eventually('low', ({ metadata }) => metadata.deletionTimestamp !== undefined);
    expect(victim.status.conditions).toContainEqual(
      expect.objectContaining({ type: 'DisruptionTarget', reason: 'PreemptionByScheduler' }),
    );
    expect((await eventually('high', ({ status }) => Boolean(status.nominatedNodeName))).status.nominatedNodeName).toBe('n1');
    await admin.resource(Pods, 'default').delete('low', { gracePeriodSeconds: 0 });
    await eventually('high', ({ spec }) => spec.nodeName === 'n1');
  });

  it('leaves events behind', async () => {
    await part.stop();
    const events = await admin.resource(Events, 'default').objects();
    const lines = events.map(({ type, reason, message, source }) => [type, source.component, reason, message].join(' '));
    expect(lines).toContain('Normal default-scheduler Scheduled Successfully assigned default/high to n1');
    expect(lines).toContain('Warning default-scheduler FailedScheduling no nodes available to schedule pods');
    expect(lines.some(line => /^Normal default-scheduler Preempted Preempted by pod \S+ on node n1$/.test(line))).toBe(true);
  });
});
