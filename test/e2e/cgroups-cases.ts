import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Pod, ResourceRequirements } from '../../core/api/generated/types.js';
import { Pods } from '../../core/api/generated/resources.js';
import type { TestRunner } from '../../core/testing/test-runner.js';
import { boxReference } from '../support/containerd-node.js';
import type { NodeUnderTest } from './cgroups-child.js';

const memoryRoot = existsSync('/sys/fs/cgroup/cgroup.controllers') ? '/sys/fs/cgroup' : '/sys/fs/cgroup/memory';
const memoryFile = memoryRoot.endsWith('memory') ? 'memory.limit_in_bytes' : 'memory.max';
const mebibyte = 1024 * 1024;

/** Limits of pods and of containers as the kernel keeps them. */
export function cgroupCases({ describe, it }: TestRunner, node: () => NodeUnderTest): void {
  describe('control groups', () => {
    it('hold a pod to its memory: OOMKilled, and nothing is left of the pod', async () => {
      const { client, root } = node();
      const limits = { cpu: '200m', memory: '48Mi' };
      const made = await create(node(), 'glutton', 'head -c 200000000 /dev/zero | tail', { requests: limits, limits });
      const ended = await until(node(), 'glutton', ({ status }) => status.phase === 'Failed');
      assert.equal(ended.status.containerStatuses?.[0]?.state.terminated?.reason, 'OOMKilled');
      await client.resource(Pods, 'default').delete('glutton', { gracePeriodSeconds: 0 });
      const folder = join(memoryRoot, root, 'kubepods', `pod${made.metadata.uid}`);
      await eventually(() => !existsSync(folder), `${folder} is still there`);
    });

    it("have the pod's limits at the pod's level, with the containers below", async () => {
      const { client, root } = node();
      const resources = { requests: { cpu: '100m', memory: '16Mi' }, limits: { memory: '64Mi' } };
      const made = await create(node(), 'modest', 'sleep 1000', resources);
      const running = await until(node(), 'modest', ({ status }) => status.phase === 'Running');
      const folder = join(memoryRoot, root, 'kubepods/burstable', `pod${made.metadata.uid}`);
      assert.equal(readFileSync(join(folder, memoryFile), 'utf8').trim(), String(64 * mebibyte));
      const containerId = running.status.containerStatuses?.[0]?.containerID?.split('//')[1] ?? '';
      assert.ok(readdirSync(folder).includes(containerId));
      if (memoryFile === 'memory.max') {
        assert.equal(readFileSync(join(folder, containerId, 'memory.oom.group'), 'utf8').trim(), '1');
      }
      // A resize reaches both levels, the pod's first where it grows.
      const pods = client.resource(Pods, 'default');
      for (const mebibytes of [128, 32]) {
        const known = await pods.get('modest');
        const changed = { ...resources, limits: { memory: `${mebibytes}Mi` } };
        const containers = known.spec.containers.map(own => ({ ...own, resources: changed }));
        await pods.update('modest', { ...known, spec: { ...known.spec, containers } });
        const limitOf = (place: string): string => readFileSync(join(place, memoryFile), 'utf8').trim();
        const text = String(mebibytes * mebibyte);
        await eventually(() => limitOf(folder) === text && limitOf(join(folder, containerId)) === text, 'not resized');
        await until(
          node(),
          'modest',
          ({ status }) => status.containerStatuses?.[0]?.resources?.limits?.['memory'] === `${mebibytes}Mi`,
        );
      }
      await pods.delete('modest', { gracePeriodSeconds: 0 });
      await eventually(() => !existsSync(folder), `${folder} is still there`);
    });

    it('of pods that nobody knows go at the next start, and all of them when no pod is left', async () => {
      const { root } = node();
      const orphan = join(memoryRoot, root, 'kubepods/besteffort/pod11111111-2222-3333-4444-555555555555');
      mkdirSync(join(orphan, 'container'), { recursive: true });
      await node().restart();
      await eventually(() => !existsSync(orphan), 'the orphan is still there');
      await node().stop();
      assert.equal(existsSync(join(memoryRoot, root)), false);
    });
  });
}

async function create({ client, nodeName }: NodeUnderTest, name: string, script: string, resources: ResourceRequirements) {
  const container = { name: 'box', image: boxReference, imagePullPolicy: 'Never', command: ['sh', '-c', script], resources };
  const spec = { nodeName, restartPolicy: 'Never', terminationGracePeriodSeconds: 1, containers: [container] };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name, namespace: 'default' }, spec } as unknown as Pod;
  return client.resource(Pods, 'default').create(pod);
}

async function until({ client }: NodeUnderTest, name: string, wanted: (pod: Pod) => boolean): Promise<Pod> {
  let pod: Pod | undefined;
  const look = async (): Promise<boolean> => {
    pod = await client.resource(Pods, 'default').get(name);
    return wanted(pod);
  };
  await eventually(look, () => JSON.stringify(pod?.status));
  return pod!;
}

async function eventually(done: () => boolean | Promise<boolean>, message: string | (() => string)): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await done()) return;
    await wait(50);
  }
  assert.fail(typeof message === 'string' ? message : message());
}
