export type Side = 'server' | 'node' | 'both';

/** `one`: must be filled; `optional`: one or none; `many`: an open slot, any number. */
export type Cardinality = 'one' | 'optional' | 'many';

/** A named hole that plugins fill. */
export interface SlotDefinition {
  readonly id: string;
  /** Major version of the contract. A plugin for another one is refused. */
  readonly contract: number;
  /** Where the slot exists. `one` counts on that side only. */
  readonly side: Side;
  readonly cardinality: Cardinality;
  /** Parts in it take the process down when they fail; others are restarted. */
  readonly vital: boolean;
  /** Whether a part must bind the slot's contract token, because others inject it. */
  readonly bindsContract: boolean;
  /** Plugin id that K3s users expect in it. */
  readonly default?: string;
  readonly summary: string;
  /** How K3s' command line names it, for messages. */
  readonly k3sName?: string;
}

const contractSlot = { contract: 1, vital: false, bindsContract: true } as const;
const runningSlot = { contract: 1, vital: false, bindsContract: false } as const;
const openSlot = { contract: 1, vital: false, bindsContract: true, cardinality: 'many' } as const;

/** All slots, one sorted line an entry. */
export const slots: readonly SlotDefinition[] = [
  { id: 'admission', ...openSlot, side: 'server', summary: 'admission plugins of the API server' },
  { id: 'api-groups', ...openSlot, side: 'server', summary: 'API groups served in process' },
  {
    id: 'apiserver',
    ...runningSlot,
    vital: true,
    cardinality: 'optional',
    side: 'server',
    default: 'apiserver',
    summary: 'the API server',
  },
  { id: 'authentication', ...openSlot, side: 'server', summary: 'authenticators of the API server' },
  { id: 'authorization', ...openSlot, side: 'server', summary: 'authorizers of the API server' },
  { id: 'cli-commands', ...openSlot, bindsContract: false, side: 'both', summary: 'further commands of k3s' },
  // Has Service kube-system/kube-dns at the cluster's DNS address, whose port 53 (UDP and TCP) has its listeners on nodes for endpoints.
  // That the address leads there is the service proxy's affair.
  {
    id: 'cluster-dns',
    ...runningSlot,
    cardinality: 'optional',
    side: 'both',
    default: 'coredns',
    summary: 'names of Services and pods',
    k3sName: '--disable coredns',
  },
  {
    id: 'cni',
    ...contractSlot,
    cardinality: 'optional',
    side: 'node',
    default: 'flannel',
    summary: 'pod network',
    k3sName: '--flannel-backend',
  },
  {
    id: 'container-runtime',
    ...contractSlot,
    cardinality: 'optional',
    side: 'node',
    default: 'containerd',
    summary: 'runs containers',
    k3sName: '--docker, --container-runtime-endpoint',
  },
  { id: 'controllers', ...runningSlot, cardinality: 'many', side: 'server', summary: 'control loops' },
  { id: 'core', ...runningSlot, cardinality: 'many', side: 'both', summary: 'parts of the house that have no slot of their own' },
  {
    id: 'datastore',
    ...contractSlot,
    vital: true,
    cardinality: 'one',
    side: 'server',
    default: 'sqlite',
    summary: 'where objects are kept',
    k3sName: '--datastore-endpoint, --cluster-init',
  },
  { id: 'exposed-metrics', ...openSlot, side: 'server', summary: "further lines of the API server's /metrics" },
  {
    id: 'helm',
    ...runningSlot,
    cardinality: 'optional',
    side: 'server',
    default: 'helm-controller',
    summary: 'HelmChart objects',
    k3sName: '--disable-helm-controller',
  },
  { id: 'http-routes', ...openSlot, side: 'server', summary: 'further routes of the HTTPS listener' },
  // Listens on nodes, has an IngressClass that is the default, and a Service of type LoadBalancer whose ports 80 and 443 have its
  // listeners for endpoints. That ports 80 and 443 of anything answer is the load balancer's affair.
  {
    id: 'ingress',
    ...runningSlot,
    cardinality: 'optional',
    side: 'both',
    default: 'traefik',
    summary: 'HTTP from outside',
    k3sName: '--disable traefik',
  },
  { id: 'kubelet', ...runningSlot, cardinality: 'optional', side: 'node', default: 'kubelet', summary: 'the node agent' },
  // Writes `status.loadBalancer` of Services of type LoadBalancer without a class it does not know, and nothing else of theirs. The
  // service proxy of each node takes those addresses for its own; how packets come to a node is the plugin's affair.
  {
    id: 'load-balancer',
    ...runningSlot,
    cardinality: 'optional',
    side: 'both',
    default: 'servicelb',
    summary: 'Services of type LoadBalancer',
    k3sName: '--disable servicelb',
  },
  {
    id: 'metrics',
    ...runningSlot,
    cardinality: 'optional',
    side: 'server',
    default: 'metrics-server',
    summary: 'metrics.k8s.io',
    k3sName: '--disable metrics-server',
  },
  { id: 'metrics-sources', ...openSlot, side: 'both', summary: 'what nodes and pods use, for metrics.k8s.io' },
  {
    id: 'network-policy',
    ...runningSlot,
    cardinality: 'optional',
    side: 'node',
    default: 'network-policy',
    summary: 'NetworkPolicy objects',
    k3sName: '--disable-network-policy',
  },
  {
    id: 'scheduler',
    ...runningSlot,
    cardinality: 'optional',
    side: 'server',
    default: 'default-scheduler',
    summary: 'chooses nodes for pods',
    k3sName: '--disable-scheduler',
  },
  { id: 'scheduler-plugins', ...openSlot, side: 'server', summary: 'filters and scores of the scheduler' },
  {
    id: 'service-proxy',
    ...runningSlot,
    cardinality: 'optional',
    side: 'node',
    default: 'nftables',
    summary: 'carries packets to Services',
    k3sName: '--disable-kube-proxy',
  },
  // Each serves the claims of its own StorageClasses' provisioner and leaves all others alone; the core binds claims and volumes.
  {
    id: 'storage',
    ...runningSlot,
    cardinality: 'many',
    side: 'both',
    default: 'local-storage',
    summary: 'persistent volumes',
    k3sName: '--disable local-storage',
  },
  { id: 'volumes', ...openSlot, side: 'node', summary: 'kinds of volumes that the kubelet mounts' },
];

/** The injection token of a slot's contract, `Symbol.for('k3s/<slot>@<major>')`. Equals the constant in the contract's file. */
export function contractToken(slot: Pick<SlotDefinition, 'id' | 'contract'>): symbol {
  return Symbol.for(`k3s/${slot.id}@${slot.contract}`);
}
