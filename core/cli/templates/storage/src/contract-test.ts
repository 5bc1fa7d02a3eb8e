import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { storageCluster, storageSuite } from 'k3s-ts/testing';

const packageDirectory = fileURLToPath(new URL('..', import.meta.url));

/** Every promise of the slot, each in a new cluster with this package as its only storage. */
void describe('template-storage', () => {
  storageSuite({ describe, it }, () => storageCluster({ id: 'template-storage', package: packageDirectory }));
});
