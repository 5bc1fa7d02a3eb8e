import type { PartDescriptor } from '../core/plugin-api/descriptor.js';
import { coredns } from './cluster-dns/coredns/index.js';
import { flannel } from './cni/flannel/index.js';
import { containerdRuntime } from './container-runtime/containerd/index.js';
import { simulatedRuntime } from './container-runtime/simulated/index.js';
import { addons } from './core-parts/addons/index.js';
import { memoryDatastore } from './datastore/memory/index.js';
import { sqliteDatastore } from './datastore/sqlite/index.js';
import { traefik } from './ingress/traefik/index.js';
import { servicelb } from './load-balancer/servicelb/index.js';
import { metricsServer } from './metrics/metrics-server/index.js';
import { nftablesServiceProxy } from './service-proxy/nftables/index.js';
import { localPathStorage } from './storage/local-path/index.js';

/** Every plugin that comes with k3s, one sorted line an entry. Descriptors only: nothing is loaded by being listed. */
export const catalogue: readonly PartDescriptor[] = [
  addons,
  containerdRuntime,
  coredns,
  flannel,
  localPathStorage,
  memoryDatastore,
  metricsServer,
  nftablesServiceProxy,
  servicelb,
  simulatedRuntime,
  sqliteDatastore,
  traefik,
];
