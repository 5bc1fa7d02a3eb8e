import { definePlugin } from '../../../core/plugin-api/descriptor.js';
import { contractToken } from '../../../core/plugin-api/slots.js';
import { metricsServerManifests } from './metrics-server-manifests.js';

export interface MetricsServerOptions {
  readonly resolutionSeconds: number;
}

export const metricsServer = definePlugin<MetricsServerOptions>({
  id: 'metrics-server',
  slot: 'metrics',
  contract: 1,
  requires: ['apiserver'],
  after: ['core', 'kubelet', 'metrics-sources'],
  provides: [contractToken({ id: 'api-groups', contract: 1 })],
  summary: 'metrics.k8s.io, for kubectl top and autoscalers',
  options: {
    resolutionSeconds: { default: 15, format: 'nat', doc: 'seconds between two measurements' },
  },
  manifests: metricsServerManifests,
  load: () => import('./metrics-server-module.js'),
});
