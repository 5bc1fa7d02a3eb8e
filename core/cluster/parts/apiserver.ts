import { ApiTransport } from '../../contracts/api-transport.js';
import { ClusterAuthority } from '../../contracts/cluster-authority.js';
import { NodeCredentials } from '../../contracts/node-credentials.js';
import { ResourceCatalogue } from '../../contracts/resource-catalogue.js';
import { definePlugin } from '../../plugin-api/descriptor.js';
import type { ArgumentOptions } from './argument-options.js';

export const apiserver = definePlugin<ArgumentOptions>({
  id: 'apiserver',
  slot: 'apiserver',
  contract: 1,
  requires: ['datastore'],
  after: ['admission'],
  provides: [ApiTransport, ClusterAuthority, NodeCredentials, ResourceCatalogue],
  summary: 'the Kubernetes API on HTTPS and in process',
  options: { arguments: { default: [], format: Array, doc: 'arguments of kube-apiserver as name=value' } },
  flags: {
    'kube-apiserver-arg': { option: 'arguments', kind: 'list', summary: 'flag=value for the API server', command: 'server' },
  },
  load: () => import('./apiserver-module.js'),
});
