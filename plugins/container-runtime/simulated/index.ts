import { definePlugin } from '../../../core/plugin-api/descriptor.js';

export const simulatedRuntime = definePlugin({
  id: 'simulated',
  slot: 'container-runtime',
  contract: 1,
  summary: 'containers that exist in memory only, for sandboxes and tests',
  options: {
    cpu: { default: '32', format: String, doc: 'CPUs that the node offers' },
    memory: { default: '256Gi', format: String, doc: 'memory that the node offers' },
    pods: { default: 250, format: 'nat', doc: 'pods that the node takes; a range of 24 bits has addresses for 253' },
    'pod-cidr': {
      default: '',
      format: String,
      doc: 'range of pod addresses until the Node has one; empty: derived from the node name',
    },
  },
  load: () => import('./simulated-module.js'),
});
