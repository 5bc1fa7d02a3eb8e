import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { mayUseNamespaces } from '../../core/host/testing/network-namespace.js';
import { RemoteCases } from '../support/remote-cases.js';
import { defineServiceProxyCases } from './service-proxy-cases.js';

const real = mayUseNamespaces() || process.env['K3S_TEST_REQUIRE'] === '1' ? describe : describe.skip;

/** Services are carried in network namespaces that end with the processes in them; most of the time is spent in waiting. */
real('the service proxy (needs root, nft)', () => {
  const child = fileURLToPath(new URL('./service-proxy-child.js', import.meta.url));
  const remote = new RemoteCases(['unshare', '--net', '--', process.execPath, '--no-warnings', child], { processes: 3 });

  beforeAll(() => remote.start({}), 60_000);
  afterAll(() => remote.end(), 60_000);

  remote.define({ describe, it: (name, body) => it(name, body, 60_000) }, defineServiceProxyCases);
});
