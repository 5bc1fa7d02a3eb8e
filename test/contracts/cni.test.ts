import { afterAll, beforeAll, describe, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import { mayUseNamespaces } from '../../core/host/testing/network-namespace.js';
import { fetchTestPackages } from '../support/box-image.js';
import { RemoteCases } from '../support/remote-cases.js';
import { defineCniCases } from './cni-cases.js';

const real = mayUseNamespaces() || process.env['K3S_TEST_REQUIRE'] === '1' ? describe : describe.skip;

/** Pods are wired in network namespaces that end with the processes in them; most of the time is spent in waiting. */
real('the pod network (needs root)', () => {
  const child = fileURLToPath(new URL('./cni-child.js', import.meta.url));
  const remote = new RemoteCases(['unshare', '--net', '--', process.execPath, '--no-warnings', child], { processes: 3 });

  beforeAll(async () => {
    await fetchTestPackages();
    await remote.start({});
  }, 120_000);
  afterAll(() => remote.end(), 60_000);

  remote.define({ describe, it: (name, body) => it(name, body, 60_000) }, runner => defineCniCases(runner, ''));
});
