import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { containerRuntimeSuite } from '../../core/testing/container-runtime-suite.js';
import type { ContainerdNode } from '../support/containerd-node.js';
import { fetchTestPackages } from '../support/box-image.js';
import { addNamespace, removeCgroups, removeNamespace, testMark } from '../support/containerd-node.js';
import { hostLeftovers } from '../support/host-leftovers.js';
import { RemoteCases } from '../support/remote-cases.js';
import { containerdCases } from './containerd-cases.js';

const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && (process.getuid?.() === 0 || required);

/** containerd's streaming server listens in its own network namespace only, so the cases run in there too. */
(runsHere ? describe : describe.skip)('containerd (needs root)', () => {
  const namespace = `${testMark}-${process.pid}`;
  // Sockets have short paths.
  const directory = runsHere ? mkdtempSync(`/tmp/${testMark}-`) : '';
  const child = fileURLToPath(new URL('./containerd-child.js', import.meta.url));
  const remote = new RemoteCases(['nsenter', `--net=/run/netns/${namespace}`, '--', process.execPath, '--no-warnings', child]);

  beforeAll(async () => {
    expect(hostLeftovers(testMark)).toEqual([]);
    await fetchTestPackages();
    await addNamespace(namespace);
    await remote.start({ K3S_TEST_DIRECTORY: directory });
  }, 120_000);

  // The child cleans up; what it leaves is the last test's matter, and is removed all the same.
  afterAll(async () => {
    await remote.end();
    await removeNamespace(namespace);
    removeCgroups(testMark);
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  remote.define({ describe, it: (name, body) => it(name, body, 60_000) }, runner => {
    runner.describe('contract', () => containerRuntimeSuite(runner, never));
    runner.describe('containerd', () => containerdCases(runner, never));
  });

  it('leaves nothing on the host', async () => {
    await remote.end();
    await removeNamespace(namespace);
    expect(hostLeftovers(testMark)).toEqual([]);
  }, 60_000);
});

/** Cases are only named on this side. */
function never(): ContainerdNode & ReturnType<Parameters<typeof containerRuntimeSuite>[1]> {
  throw new Error('cases run on the other side');
}
