import { definePlugin } from '../../../core/plugin-api/descriptor.js';

export interface ServiceLbOptions {
  readonly namespace: string;
}

export const servicelb = definePlugin<ServiceLbOptions>({
  id: 'servicelb',
  slot: 'load-balancer',
  contract: 1,
  side: 'server',
  aliases: ['klipper-lb'],
  requires: ['apiserver'],
  summary: "Services of type LoadBalancer on the nodes' own addresses",
  options: {
    namespace: {
      default: 'kube-system',
      format: String,
      doc: "namespace of the load balancer's objects, of which there are none",
    },
  },
  flags: {
    'servicelb-namespace': {
      option: 'namespace',
      kind: 'string',
      summary: "namespace of the load balancer's objects",
      command: 'server',
    },
  },
  load: () => import('./servicelb-module.js'),
});
