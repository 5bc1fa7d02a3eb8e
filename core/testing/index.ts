/** The testing kit, `k3s-ts/testing`: clusters in the process, and the suites that plugins of a slot must pass. */
export { FakeClock } from '../base/fake-clock.js';
export { silentLogger } from '../plugin-api/index.js';
export { hasOwnNetwork } from './cni-pods.js';
export * from './cni-suite.js';
export { startCniUnderTest } from './cni-under-test.js';
export * from './container-runtime-suite.js';
export * from './datastore-suite.js';
export * from './load-balancer-suite.js';
export { checkPlugin } from './plugin-check.js';
export type { CheckOptions, PromiseOutcome } from './plugin-check.js';
export { startRestartableCluster } from './restartable-cluster.js';
export type { RestartableCluster } from './restartable-cluster.js';
export { startCluster } from './start-cluster.js';
export type { TestCluster, TestClusterOptions } from './start-cluster.js';
export { casesOf } from './test-runner.js';
export type { Suite, SuiteCase, TestRunner } from './test-runner.js';
export { until } from './until.js';
