import type { PartDescriptor } from '../core/plugin-api/descriptor.js';
import { coredns } from './cluster-dns/coredns/index.js';
import { containerdRuntime } from './container-runtime/containerd/index.js';
import { simulatedRuntime } from './container-runtime/simulated/index.js';
import { memoryDatastore } from './datastore/memory/index.js';
import { sqliteDatastore } from './datastore/sqlite/index.js';
import { traefik } from './ingress/traefik/index.js';

/** Every plugin that comes with k3s, one sorted line an entry. Descriptors only: nothing is loaded by being listed. */
export const catalogue: readonly PartDescriptor[] = [
  containerdRuntime,
  coredns,
  memoryDatastore,
  simulatedRuntime,
  sqliteDatastore,
  traefik,
];
