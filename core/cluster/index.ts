/** The composition root, `k3s-ts`: reads presets, configuration and the catalogue, builds and starts a kernel. */
export { builtInCatalogue, discardCluster, prepareCluster } from './prepare-cluster.js';
export type { PreparedCluster, PrepareOptions } from './prepare-cluster.js';
export { createKernel, runCluster } from './running-cluster.js';
export type { KernelParts, RunningCluster, StartOptions } from './running-cluster.js';
export { prepareSinglePlugin } from './single-plugin.js';
export type { SinglePlugin } from './single-plugin.js';
export { slotTable } from './slot-table.js';
export type { SlotRow } from './slot-table.js';
export { kubernetesVersion } from './version.js';
