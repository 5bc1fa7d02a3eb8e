/** The testing kit, `k3s-ts/testing`: clusters in the process, and the suites that plugins of a slot must pass. */
export { FakeClock } from '../base/fake-clock.js';
export { silentLogger } from '../plugin-api/index.js';
export type { ContainerSelector, ExecHandler, ProbeHandler, SimulatedControl, SimulatedUsage } from '../plugin-api/index.js';
export * from './container-runtime-suite.js';
export * from './datastore-suite.js';
export * from './metrics-suite.js';
export * from './scheduler-suite.js';
export { metricsCluster, schedulerCluster } from './suite-cluster.js';
export type { PluginChoice } from './suite-cluster.js';
export { checkPlugin } from './plugin-check.js';
export type { PromiseOutcome } from './plugin-check.js';
export { startCluster } from './start-cluster.js';
export type { TestCluster, TestClusterOptions } from './start-cluster.js';
export { casesOf } from './test-runner.js';
export type { Suite, SuiteCase, TestRunner } from './test-runner.js';
export { until } from './until.js';
