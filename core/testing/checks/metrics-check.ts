import { metricsSuite } from '../metrics-suite.js';
import { metricsCluster } from '../suite-cluster.js';
import type { SlotCheck } from './slot-check.js';

export const checkMetrics: SlotCheck = async ({ descriptor }, { directory }) => {
  return runner => metricsSuite(runner, () => metricsCluster({ id: descriptor.id, package: directory }));
};
