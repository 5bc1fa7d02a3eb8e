import { ApiTransport } from '../../contracts/api-transport.js';
import { ClusterAuthority } from '../../contracts/cluster-authority.js';
import { NodeCredentials } from '../../contracts/node-credentials.js';
import { ResourceCatalogue } from '../../contracts/resource-catalogue.js';
import { definePlugin } from '../../plugin-api/descriptor.js';

export const apiserver = definePlugin({
  id: 'apiserver',
  slot: 'apiserver',
  contract: 1,
  requires: ['datastore'],
  after: ['admission'],
  provides: [ApiTransport, ClusterAuthority, NodeCredentials, ResourceCatalogue],
  summary: 'the Kubernetes API on HTTPS and in process',
  load: () => import('./apiserver-module.js'),
});
