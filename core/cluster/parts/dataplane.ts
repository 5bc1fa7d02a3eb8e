import { Dataplane } from '../../contracts/dataplane.js';
import { definePlugin } from '../../plugin-api/descriptor.js';

export interface DataplaneOptions {
  readonly mode: 'child' | 'in-process';
}

export const dataplane = definePlugin<DataplaneOptions>({
  id: 'dataplane',
  slot: 'core',
  contract: 1,
  provides: [Dataplane],
  summary: 'the process that listens for DNS and Ingress and outlives this one',
  options: {
    mode: { default: 'child', format: ['child', 'in-process'], doc: 'in-process: its listeners stop with the server' },
  },
  load: () => import('./dataplane-module.js'),
});
