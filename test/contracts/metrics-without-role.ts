import { definePlugin } from '../../core/plugin-api/descriptor.js';
import { metricsServerManifests } from '../../plugins/metrics/metrics-server/metrics-server-manifests.js';
import { common } from './metrics-faults.js';

/** Ours, with nobody's right to read. */
export const plugin = definePlugin({
  ...common,
  id: 'metrics-without-role',
  manifests: metricsServerManifests.filter(({ metadata }) => metadata.name !== 'system:aggregated-metrics-reader'),
});
