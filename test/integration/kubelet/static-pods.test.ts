import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Pods } from '../../../core/api/generated/resources.js';
import type { Pod } from '../../../core/api/generated/types.js';
import { KubeletFixture } from '../../support/kubelet-fixture.js';

const manifest = (image: string, more = ''): string =>
  `{kind: Pod, apiVersion: v1, metadata: {name: web}, spec: {containers: [{name: c, image: ${image}}]${more}}}`;

describe('a static pod on a node', () => {
  let directory: string;
  let fixture: KubeletFixture;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'static-'));
    fixture = new KubeletFixture('node-a', directory);
  });
  afterEach(async () => {
    await fixture.stop();
    await rm(directory, { recursive: true });
  });

  const write = (text: string) => writeFile(join(directory, 'web.yaml'), text);
  const containers = async () => (await fixture.runtime.listContainers()).map(({ id, state }) => ({ id, state }));
  const mirror = (): Promise<Pod | undefined> => fixture.pod('web-node-a').catch(() => undefined);

  /** Files are read in real time; everything else waits for the clock. */
  async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
    for (const endMs = Date.now() + 10_000; Date.now() < endMs;) {
      const found = await look();
      if (found) return found;
      await fixture.advance(1);
    }
    throw new Error(`it did not come to that: ${JSON.stringify([await mirror(), await containers()])}`);
  }
  const shown = (wanted: (pod: Pod) => boolean): Promise<Pod> =>
    until(async () => {
      const pod = await mirror();
      return pod && wanted(pod) && pod;
    });
  const runs = ({ status }: Pod): boolean => status.phase === 'Running' && status.containerStatuses?.[0]?.ready === true;

  it('outlives its mirror, whose next one has its status and is found by its name', async () => {
    await write(manifest('nginx'));
    await fixture.start();
    const first = await shown(runs);
    const before = await containers();
    await fixture.deletePod('web-node-a');
    const second = await shown(pod => pod.metadata.uid !== first.metadata.uid && runs(pod));
    expect(second.metadata.deletionTimestamp).toBeUndefined();
    expect(second.status).toEqual(first.status);
    expect(await containers()).toEqual(before);

    const { nodePods, connector } = fixture.kubelet;
    const found = nodePods!.find('default', 'web-node-a')!;
    expect(found.metadata.uid).toBe(second.metadata.annotations!['kubernetes.io/config.hash']);
    expect(nodePods!.apiUid(found)).toBe(second.metadata.uid);
    expect(nodePods!.list()).toEqual([found]);
    expect(nodePods!.status(found)).toMatchObject({ phase: 'Running' });
    const log = connector!.logs(second, 'c');
    expect(await log.next()).toMatchObject({ done: expect.any(Boolean) });
    await log.return(undefined);
  });

  it('starts while pods cannot be listed', async () => {
    fixture.transport.reactors.push(({ verb, resource }) => {
      if (resource === 'pods' && (verb === 'list' || verb === 'watch')) throw new Error('not there');
    });
    await write(manifest('nginx'));
    await fixture.start();
    await until(async () => (await containers()).some(({ state }) => state === 'running'));
    expect(await mirror()).toBeUndefined();
    const before = await containers();
    fixture.transport.reactors.length = 0;
    await shown(runs);
    expect(await containers()).toEqual(before);
  });

  it('is adopted by the next kubelet, and goes with its file', async () => {
    await write(manifest('nginx', ', terminationGracePeriodSeconds: 1'));
    await fixture.start();
    const first = await shown(runs);
    const before = await containers();
    await fixture.kubelet.stop();
    fixture.kubelet = fixture.newKubelet();
    await fixture.start();
    await until(async () => fixture.kubelet.nodePods?.find('default', 'web-node-a'));
    await fixture.advance(60);
    expect((await mirror())!.metadata.uid).toBe(first.metadata.uid);
    expect(await containers()).toEqual(before);
    await rm(join(directory, 'web.yaml'));
    await until(async () => (await containers()).length === 0 && !(await mirror()));
  });

  it('is replaced when its file changes, once it has ended', async () => {
    await write(manifest('nginx:1', ', terminationGracePeriodSeconds: 1'));
    await fixture.start();
    const first = await shown(runs);
    await write(manifest('nginx:2', ', terminationGracePeriodSeconds: 1'));
    const second = await shown(pod => pod.metadata.uid !== first.metadata.uid && runs(pod));
    expect(second.spec.containers[0]!.image).toBe('nginx:2');
    expect(await containers()).toHaveLength(1);
  });

  it('shows that it crashes again and again, also by a mirror made anew', async () => {
    await write(manifest('nginx'));
    await fixture.start();
    await shown(runs);
    for (let crash = 0; crash < 2; crash++) {
      fixture.runtime.control.exit({ pod: 'web-node-a' }, 1);
      await fixture.advance(1);
    }
    const waits = ({ status }: Pod): boolean => status.containerStatuses?.[0]?.state.waiting?.reason === 'CrashLoopBackOff';
    const { metadata } = await shown(waits);
    await fixture.client.resource(Pods, 'default').delete('web-node-a', { gracePeriodSeconds: 0 });
    const again = await shown(pod => pod.metadata.uid !== metadata.uid && pod.status.phase === 'Running');
    expect(again.status.containerStatuses![0]!.restartCount).toBeGreaterThan(0);
  });

  it('that has come to its end shows it by a mirror made anew, and runs no more', async () => {
    await write(manifest('nginx', ', restartPolicy: Never'));
    await fixture.start();
    await shown(runs);
    fixture.runtime.control.exit({ pod: 'web-node-a' }, 0);
    const { metadata } = await shown(({ status }) => status.phase === 'Succeeded');
    const before = await containers();
    await fixture.deletePod('web-node-a');
    await shown(pod => pod.metadata.uid !== metadata.uid && pod.status.phase === 'Succeeded');
    expect(await containers()).toEqual(before);
  });
});
