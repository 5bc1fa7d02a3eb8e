import { SystemClock } from '../../core/base/clock.js';
import { silentLogger } from '../../core/base/logger.js';
import { TemplateServiceProxy } from '../../core/cli/templates/service-proxy/src/template-service-proxy.js';
import type { TemplateServiceProxyOptions } from '../../core/cli/templates/service-proxy/src/template-service-proxy.js';
import { ApiTransport } from '../../core/contracts/api-transport.js';
import { ClusterSettings } from '../../core/contracts/cluster-settings.js';
import type { EndpointSlice, Service } from '../../core/plugin-api/index.js';
import type { ServiceProxyUnderTest } from '../../core/testing/service-proxy-suite.js';
import { startServiceProxyUnderTest } from '../../core/testing/service-proxy-under-test.js';
import { MemoryLedger } from '../../plugins/cni/flannel/testing/memory-ledger.js';

type Plan = ReturnType<TemplateServiceProxy['plan']>;

export interface Fault {
  readonly name: string;
  /** All cases of the suite that notice it, in their order. */
  readonly noticedBy: readonly string[];
  readonly type: new (options: TemplateServiceProxyOptions) => TemplateServiceProxy;
}

/** A proxy of the template's kind beside a sandbox. In the network namespace of this process, which must be one of its own. */
export async function faultyProxy({ type }: Pick<Fault, 'type'>): Promise<ServiceProxyUnderTest> {
  const subject = await startServiceProxyUnderTest({
    arguments: [],
    async attach(cluster) {
      const proxy = new type({
        transport: cluster.get<ApiTransport>(ApiTransport),
        settings: cluster.get<ClusterSettings>(ClusterSettings),
        clock: new SystemClock(),
        logger: silentLogger,
        ledger: new MemoryLedger(),
      });
      await proxy.start(AbortSignal.timeout(10_000));
      return proxy;
    },
  });
  // What a fault keeps silent about is waited for in vain.
  return { ...subject, ...(type !== SoundProxy && { patienceMs: 2000 }) };
}

export const SoundProxy = TemplateServiceProxy;

/** Sees other Services and slices than there are, or plans something else for them. */
function faulty(alter: (plan: Given) => Plan): Fault['type'] {
  return class FaultyProxy extends TemplateServiceProxy {
    /** What a fault keeps in mind. */
    readonly #memory = new Map<string, unknown>();
    override plan(services: readonly Service[], slices: readonly EndpointSlice[]): Plan {
      const sound = (other: readonly Service[] = services, others: readonly EndpointSlice[] = slices): Plan =>
        super.plan(other, others);
      return alter({ services, slices, sound, memory: this.#memory });
    }
  };
}

interface Given {
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
  readonly memory: Map<string, unknown>;
  sound(services?: readonly Service[], slices?: readonly EndpointSlice[]): Plan;
}

const every = 'lead to every endpoint';
const everyInside = 'lead to every endpoint, from pods and from the node, also to the pod that asks';
const nobody = 'of a Service without endpoints refuse at once';
const nobodyInside = 'refuse at once where there are no endpoints, and on ports that the Service does not have';
const moving = 'follow endpoints that come and go';
const datagrams = 'carry datagrams, and move clients that keep their port';
const newStart = 'carries Services as they are then';

export const faults: readonly Fault[] = [
  {
    name: 'leads to one endpoint of many',
    noticedBy: [every, everyInside],
    type: faulty(({ sound }) => sound().map(plan => ({ ...plan, targets: plan.targets.slice(0, 1) }))),
  },
  {
    name: 'swallows what nobody answers',
    noticedBy: [nobody, nobodyInside],
    type: faulty(({ services, slices, sound }) => {
      const hole = [{ addresses: ['192.0.2.99'], conditions: { ready: true } }];
      const empty = services.filter(({ metadata }) => metadata.name === 'empty');
      const served = slices.some(({ metadata }) => metadata.name?.startsWith('empty-'));
      const holes = empty.map(
        ({ spec }) =>
          ({
            metadata: { namespace: 'default', labels: { 'kubernetes.io/service-name': 'empty' } },
            addressType: 'IPv4',
            endpoints: hole,
            ports: (spec.ports ?? []).map(() => ({ name: '', port: 9 })),
          }) as unknown as EndpointSlice,
      );
      return sound(services, served ? slices : [...slices, ...holes]);
    }),
  },
  {
    name: 'keeps the endpoints that it saw first',
    noticedBy: [moving, datagrams, newStart],
    type: faulty(({ sound, memory }) =>
      sound().map(plan => {
        const key = `${plan.protocol} ${plan.address} ${plan.port}`;
        if (!memory.has(key)) memory.set(key, plan);
        return memory.get(key) as Plan[number];
      }),
    ),
  },
  {
    name: 'takes endpoints that are not ready',
    noticedBy: ['leave out endpoints that are not ready, and take those that end when there are no others'],
    type: faulty(({ services, slices, sound }) =>
      sound(
        services,
        slices.map(slice => ({
          ...slice,
          endpoints: (slice.endpoints ?? []).map(endpoint => ({ ...endpoint, conditions: { ready: true } })),
        })),
      ),
    ),
  },
  {
    name: 'mixes up the ports of a Service',
    noticedBy: ['keep apart the ports of a Service, by their names'],
    type: faulty(({ services, slices, sound }) =>
      sound(
        services.map(service => ({
          ...service,
          spec: { ...service.spec, ports: (service.spec.ports ?? []).map(port => ({ ...port, name: '' })) },
        })),
        slices.map(slice => ({ ...slice, ports: (slice.ports ?? []).map(port => ({ ...port, name: '' })) })),
      ),
    ),
  },
  {
    name: 'carries no datagrams',
    noticedBy: [datagrams, 'carry datagrams'],
    type: faulty(({ sound }) => sound().filter(({ protocol }) => protocol !== 'UDP')),
  },
  {
    name: 'knows no session affinity',
    noticedBy: ['keep a client at its endpoint by sessionAffinity'],
    type: faulty(({ sound }) => sound().map(plan => ({ ...plan, affinityMs: 0 }))),
  },
  {
    name: 'keeps Services that are gone',
    noticedBy: ['answer no more when their Service is gone'],
    type: faulty(({ sound, memory }) => {
      for (const plan of sound()) if (plan.targets.length > 1) memory.set(`${plan.address} ${plan.port}`, plan);
      return [...sound(), ...(memory.values() as Iterable<Plan[number]>)];
    }),
  },
  {
    name: 'stumbles over Services without an address',
    noticedBy: ['of many Services that come together all answer, whatever else there is'],
    type: faulty(({ services, sound }) => {
      if (services.some(({ spec }) => spec.type === 'ExternalName')) throw new Error('stumbled');
      return sound();
    }),
  },
  {
    name: 'sends everybody to other nodes',
    noticedBy: ['stay on the node by internalTrafficPolicy'],
    type: faulty(({ services, slices, sound }) =>
      sound(
        services.map(service => ({ ...service, spec: { ...service.spec, internalTrafficPolicy: 'Cluster' } })),
        slices,
      ),
    ),
  },
  {
    name: 'knows no addresses of the outside',
    noticedBy: ['of the outside lead to endpoints too'],
    type: faulty(({ sound }) => sound().filter(({ address }) => !address.startsWith('198.51.100.'))),
  },
  {
    name: 'carries only what comes after its start',
    noticedBy: [newStart],
    type: faulty(({ services, slices, sound, memory }) => {
      if (!memory.has('old')) memory.set('old', new Set(services.map(({ metadata }) => metadata.uid)));
      const old = memory.get('old') as Set<string | undefined>;
      return sound(
        services.filter(({ metadata }) => !old.has(metadata.uid)),
        slices,
      );
    }),
  },
];
