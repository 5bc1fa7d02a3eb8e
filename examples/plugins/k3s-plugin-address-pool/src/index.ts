import { definePlugin } from 'k3s-ts/plugin';
import { readPools } from './address-pools.js';

export interface AddressPoolOptions {
  readonly pools: readonly string[];
  readonly classOnly: boolean;
}

export const plugin = definePlugin<AddressPoolOptions>({
  id: 'address-pool',
  slot: 'load-balancer',
  contract: 1,
  side: 'server',
  requires: ['apiserver'],
  summary: 'gives Services of type LoadBalancer addresses of pools',
  options: {
    pools: {
      doc: 'pools as [NAME=]RANGE[,RANGE ...]; a range is FIRST-LAST, a CIDR or one address',
      // Throws what is wrong.
      format: (value: unknown) => void readPools(value),
      default: [],
    },
    classOnly: { doc: 'serve only Services that name the class', format: Boolean, default: false },
  },
  flags: {
    'address-pool': {
      option: 'pools',
      kind: 'list',
      // A pool has ranges between commas.
      whole: true,
      summary: 'pool of addresses, [NAME=]RANGE[,RANGE ...]',
      command: 'server',
    },
    'address-pool-class-only': {
      option: 'classOnly',
      kind: 'boolean',
      summary: 'leave Services without loadBalancerClass alone',
      command: 'server',
    },
  },
  load: () => import('./address-pool-module.js'),
});
