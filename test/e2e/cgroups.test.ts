import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { fetchTestPackages } from '../support/box-image.js';
import { addNamespace, removeCgroups, removeNamespace } from '../support/containerd-node.js';
import { hostLeftovers } from '../support/host-leftovers.js';
import { RemoteCases } from '../support/remote-cases.js';
import { cgroupCases } from './cgroups-cases.js';
import type { NodeUnderTest } from './cgroups-child.js';

const mark = 'k3s-cg';
const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && (process.getuid?.() === 0 || required);

(runsHere ? describe : describe.skip)('a kubelet on containerd (needs root)', () => {
  const name = `${mark}-${process.pid}`;
  // Sockets have short paths.
  const directory = runsHere ? mkdtempSync(`/tmp/${mark}-`) : '';
  const child = fileURLToPath(new URL('./cgroups-child.js', import.meta.url));
  const remote = new RemoteCases(['nsenter', `--net=/run/netns/${name}`, '--', process.execPath, '--no-warnings', child]);

  beforeAll(async () => {
    expect(leftovers()).toEqual([]);
    await fetchTestPackages();
    await addNamespace(name);
    await remote.start({ K3S_TEST_DIRECTORY: directory, K3S_TEST_CGROUP: `/${name}` });
  }, 120_000);

  // The child cleans up; what it leaves is the last test's matter, and is removed all the same.
  afterAll(async () => {
    try {
      await remote.end();
    } finally {
      await removeNamespace(name);
      removeCgroups(name);
      rmSync(directory, { recursive: true, force: true });
    }
  }, 60_000);

  remote.define({ describe, it: (title, body) => it(title, body, 60_000) }, runner => cgroupCases(runner, never));

  it('leaves nothing on the host', async () => {
    await remote.end();
    await removeNamespace(name);
    expect(leftovers()).toEqual([]);
  }, 60_000);
});

/** Sockets of shims bear no mark: those of tests that run at the same time cannot be told from ours. */
function leftovers(): string[] {
  return hostLeftovers(mark).filter(line => !line.startsWith('socket '));
}

/** Cases are only named on this side. */
function never(): NodeUnderTest {
  throw new Error('cases run on the other side');
}
