import type { EventRecorder, Service, ServiceSpec } from '../../core/plugin-api/index.js';

/** A load balancer that is sound, but sees or writes something else. */
export interface LoadBalancerFault {
  readonly name: string;
  /** The cases of the suite that must notice it. */
  readonly noticedBy: readonly string[];
  /** What it takes a Service for; undefined: it does not see it. */
  readonly sees?: (service: Service) => Service | undefined;
  /** What it writes instead of these addresses; undefined: nothing. `more` writes something else to the same object. */
  readonly writes?: (ingress: Ingress, service: Service, more: PatchMore) => Ingress | undefined | Promise<Ingress | undefined>;
  readonly missesDeletions?: boolean;
  readonly missesWhatWasThere?: boolean;
  readonly recorder?: EventRecorder;
}

export type Ingress = readonly { ip: string; ipMode?: string }[] | null;

type PatchMore = (patch: object, subresource?: string) => Promise<void>;

const withSpec = (service: Service, changes: Partial<ServiceSpec>): Service => ({
  ...service,
  spec: { ...service.spec, ...changes },
});
const withoutStatus = (service: Service): Service => ({ ...service, status: { loadBalancer: {} } });

let starts = 0;

/** Each start of a faulty load balancer takes one of these, for what it knows for one life only. */
export function makeFaults(): readonly LoadBalancerFault[] {
  const start = ++starts;
  const written = new Set<string>();
  const names = new Map<string, string>();
  let writes = 0;
  return [
    {
      name: 'gives no address at all',
      writes: () => undefined,
      noticedBy: ['a Service of type LoadBalancer gets addresses, of its families'],
    },
    {
      name: 'gives an address of another family',
      writes: ingress => ingress && [{ ip: '2001:db8::1' }],
      noticedBy: ['a Service of type LoadBalancer gets addresses, of its families'],
    },
    {
      name: 'serves every type',
      sees: service => withSpec(service, { type: 'LoadBalancer' }),
      noticedBy: [
        'Services of other types get none',
        'a Service that becomes one gets an address, and loses it when it is none any more',
      ],
    },
    {
      name: 'serves all classes',
      sees: service => withSpec(service, { loadBalancerClass: '' }),
      noticedBy: ['one of another loadBalancerClass is left alone'],
    },
    {
      name: "clears other classes' addresses",
      sees: service => (service.spec.loadBalancerClass ? withSpec(service, { type: 'ClusterIP' }) : service),
      noticedBy: ['one of another loadBalancerClass is left alone'],
    },
    {
      name: 'needs node ports',
      sees: service => (service.spec.allocateLoadBalancerNodePorts === false ? undefined : service),
      noticedBy: ['no node ports are needed'],
    },
    {
      name: 'knows ports by their numbers only',
      sees: service => withSpec(service, { ports: (service.spec.ports ?? []).map(port => ({ ...port, protocol: 'TCP' })) }),
      noticedBy: ['TCP and UDP on one number are two ports'],
    },
    {
      name: 'knows Services by their names only',
      writes: (ingress, { metadata: { name, namespace } }) => {
        if (!names.has(name!)) names.set(name!, namespace!);
        return names.get(name!) === namespace ? ingress : undefined;
      },
      noticedBy: ['Services of one name in two namespaces both get theirs'],
    },
    {
      name: 'leaves out those with the policy Local',
      sees: service => (service.spec.externalTrafficPolicy === 'Local' ? undefined : service),
      noticedBy: ['with externalTrafficPolicy Local there is one once an endpoint is ready'],
    },
    {
      name: 'gives a port to everybody',
      sees: service => withSpec(service, { ports: [] }),
      noticedBy: ['no address and port is given to two'],
    },
    {
      name: 'does not say why it cannot serve',
      recorder: { event: () => undefined },
      noticedBy: ['one that cannot be served says why, and is served when it can be'],
    },
    {
      name: 'never gives what it has given once',
      missesDeletions: true,
      noticedBy: [
        'one that cannot be served says why, and is served when it can be',
        'a deletion comes to its end, and what it held can be had again',
      ],
    },
    {
      name: 'holds a deletion up',
      writes: async (ingress, _, more) => {
        await more({ metadata: { finalizers: ['suite.example.com/held'] } });
        return ingress;
      },
      noticedBy: ['a deletion comes to its end, and what it held can be had again'],
    },
    {
      name: 'knows each Service from its first sight only',
      writes: (ingress, { metadata: { uid } }) => {
        if (ingress === null || written.has(uid!)) return undefined;
        written.add(uid!);
        return ingress;
      },
      noticedBy: [
        'a Service that becomes one gets an address, and loses it when it is none any more',
        'an address that somebody else wrote or removed is put right',
      ],
    },
    {
      name: 'makes addresses of ports',
      writes: (ingress, { spec }) => ingress && [{ ip: `203.0.113.${spec.ports![0]!.port % 250}` }],
      noticedBy: ['other ports keep the address'],
    },
    {
      name: 'writes the whole status',
      writes: async (ingress, _, more) => {
        await more({ status: { conditions: null } }, 'status');
        return ingress;
      },
      noticedBy: ['what others wrote in the object stays'],
    },
    {
      name: 'writes into the spec',
      writes: async (ingress, _, more) => {
        await more({ spec: { externalIPs: ['203.0.113.1'] } });
        return ingress;
      },
      noticedBy: ['what others wrote in the object stays'],
    },
    {
      name: 'writes again and again',
      sees: withoutStatus,
      writes: ingress => ingress?.map(({ ip }) => ({ ip, ipMode: ++writes % 2 ? 'VIP' : 'Proxy' })) ?? null,
      noticedBy: ['what is so already is not written again'],
    },
    {
      name: 'begins anew at each start',
      sees: service => (written.has(service.metadata.uid!) ? service : withoutStatus(service)),
      writes: (ingress, { metadata: { uid } }) => {
        written.add(uid!);
        return ingress && [{ ip: `203.0.113.${start % 250}` }];
      },
      noticedBy: ['addresses stay, without a moment in between'],
    },
    {
      name: 'sees only what comes while it runs',
      missesWhatWasThere: true,
      noticedBy: ['what came, went or changed meanwhile is seen'],
    },
  ];
}
