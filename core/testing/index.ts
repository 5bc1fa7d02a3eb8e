/** The testing kit, `k3s-ts/testing`: clusters in the process, and the suites that plugins of a slot must pass. */
export * from './container-runtime-suite.js';
export * from './datastore-suite.js';
export { startCluster } from './start-cluster.js';
export type { TestCluster, TestClusterOptions } from './start-cluster.js';
