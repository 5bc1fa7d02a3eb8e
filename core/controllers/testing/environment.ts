import * as generated from '../../api/generated/resources.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import type { CataloguedResource } from '../../contracts/resource-catalogue.js';
import type { ControllerEnvironment } from '../controller.js';

const verbs = ['get', 'list', 'watch', 'create', 'update', 'patch', 'delete', 'deletecollection'];
const notStored = /Reviews?$|^Bindings$|^ComponentStatuses$|^Metrics|V1$/;

/** Every built-in resource in its preferred version, or those given. */
export function fakeCatalogue(
  references: readonly ResourceReference[] = Object.entries(generated)
    .filter(([name]) => !notStored.test(name))
    .map(([, reference]) => reference as ResourceReference),
): CataloguedResource[] {
  return references.map(reference => ({ reference, verbs }));
}

export function fakeEnvironment(resources: readonly CataloguedResource[] = fakeCatalogue()): ControllerEnvironment {
  return {
    catalogue: { resources: () => resources },
    authority: {
      serverCaPem: 'CA',
      serviceAccountToken: ({ metadata }, secretName) => `TOKEN ${metadata.uid} ${secretName}`,
      inspect: () => ({ commonName: '', organizations: [], dnsNames: [], ipAddresses: [], otherNames: 0 }),
      sign: request => Promise.resolve(`SIGNED ${request.requestPem}`),
    },
    clusterCidrs: ['10.42.0.0/16'],
    serviceCidrs: ['10.43.0.0/16'],
  };
}
