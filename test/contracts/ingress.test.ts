import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ingressSuite } from '../../core/testing/ingress-suite.js';
import { startRestartableCluster } from '../../core/testing/restartable-cluster.js';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ingress-'));
  const addresses = Object.values(networkInterfaces()).flat();
  const address = addresses.find(each => each?.family === 'IPv4' && !each.internal)?.address;
  // A listener that is named keeps the firewall of this machine out of it.
  const traefik = { webPort: 22_180, websecurePort: 22_443, listenAddresses: [address] };
  const config = { 'plugin-options': { traefik, dataplane: { mode: 'in-process' } } };
  await writeFile(join(directory, 'config.yaml'), JSON.stringify(config));
});
afterAll(() => rm(directory, { recursive: true }));

describe('traefik', () => {
  ingressSuite({ describe, it }, () =>
    startRestartableCluster(['--config', join(directory, 'config.yaml'), '--slot', 'ingress=traefik']),
  );
});
