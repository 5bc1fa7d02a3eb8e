import type { Preset } from './preset.js';

export type { Preset } from './preset.js';

const openSlots = {
  admission: '*',
  'api-groups': '*',
  authentication: '*',
  authorization: '*',
  'cli-commands': '*',
  controllers: '*',
  core: '*',
  'exposed-metrics': '*',
  'http-routes': '*',
  'metrics-sources': '*',
  'scheduler-plugins': '*',
  volumes: '*',
} as const;

const controlPlane = { apiserver: 'apiserver', scheduler: 'default-scheduler', kubelet: 'kubelet' } as const;

const batteries = {
  'cluster-dns': 'coredns',
  helm: 'helm-controller',
  ingress: 'traefik',
  'load-balancer': 'servicelb',
  metrics: 'metrics-server',
  'network-policy': 'network-policy',
  storage: 'local-storage',
} as const;

const node = { 'container-runtime': 'containerd', cni: 'flannel', 'service-proxy': 'nftables' } as const;

/** All presets by id. */
export const presets: Readonly<Record<string, Preset>> = {
  ci: {
    id: 'ci',
    summary: 'real containers, objects in memory, a free port',
    slots: { ...openSlots, ...controlPlane, ...node, ...batteries, datastore: 'memory' },
    flags: { 'https-listen-port': 0 },
  },
  default: {
    id: 'default',
    summary: 'what K3s runs',
    slots: { ...openSlots, ...controlPlane, ...node, ...batteries, datastore: 'sqlite' },
  },
  edge: {
    id: 'edge',
    summary: 'small: no ingress, load balancer, metrics or Helm',
    slots: {
      ...openSlots,
      ...controlPlane,
      ...node,
      ...batteries,
      datastore: 'sqlite',
      helm: 'none',
      ingress: 'none',
      'load-balancer': 'none',
      metrics: 'none',
    },
  },
  ha: {
    id: 'ha',
    summary: 'one of several servers on an external datastore (--datastore-endpoint)',
    slots: { ...openSlots, ...controlPlane, ...node, ...batteries, datastore: 'etcd' },
  },
  sandbox: {
    id: 'sandbox',
    summary: 'everything simulated: no root, a free port, nothing left behind',
    slots: {
      ...openSlots,
      ...controlPlane,
      'container-runtime': 'simulated',
      datastore: 'memory',
      helm: 'helm-controller',
      metrics: 'metrics-server',
    },
    flags: { 'bind-address': '127.0.0.1', 'https-listen-port': 0 },
    temporary: true,
  },
};
