import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ControllerRevisions, DaemonSets, Nodes, Pods } from '../api/generated/resources.js';
import type { DaemonSet, Node } from '../api/generated/types.js';
import { daemonsetController } from './daemonset-controller.js';
import { targetNode } from './daemonset-model.js';
import { ControllerHarness } from './testing/harness.js';
import { PodDriver } from './testing/pods.js';

const template = (image: string, spec: object = {}) => ({
  metadata: { labels: { app: 'agent' } },
  spec: { containers: [{ name: 'main', image }], ...spec },
});

const daemonSet = (extra: object = {}): DaemonSet =>
  ({
    metadata: { name: 'agent' },
    spec: {
      selector: { matchLabels: { app: 'agent' } },
      template: template('one'),
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      revisionHistoryLimit: 10,
      ...extra,
    },
  }) as unknown as DaemonSet;

describe('DaemonSet controller', () => {
  let harness: ControllerHarness;
  let driver: PodDriver;
  const sets = () => harness.resource(DaemonSets);
  const addNode = (name: string, labels: Record<string, string> = {}, spec: object = {}) =>
    harness.resource(Nodes).create({ metadata: { name, labels }, spec } as unknown as Node);
  const create = async (extra: object = {}) => {
    await sets().create(daemonSet(extra));
    await harness.settle();
  };
  const patch = async (spec: object) => {
    await sets().patch('agent', 'merge', { spec });
    await harness.settle();
  };
  const nodesWithPods = async () => (await driver.pods()).map(targetNode).sort();
  const status = async () => (await sets().get('agent')).status;
  /** The scheduler puts pods where they are pinned. */
  const bind = async () => {
    for (const pod of await driver.pods()) {
      if (pod.spec.nodeName) continue;
      await harness.resource(Pods).patch(pod.metadata.name, 'merge', { spec: { nodeName: targetNode(pod) } });
    }
    await driver.run();
  };
  const converge = async () => {
    for (let round = 0; round < 12; round++) {
      await bind();
      await driver.reap();
    }
  };
  const images = async () => (await driver.pods()).map(pod => pod.spec.containers[0]!.image).sort();

  beforeEach(async () => {
    harness = new ControllerHarness();
    driver = new PodDriver(harness);
    await addNode('a');
    await addNode('b');
    await addNode('c', { disk: 'ssd' });
    await harness.start(daemonsetController);
  });
  afterEach(() => harness.stop());

  it('pins one pod to every node, with the tolerations of daemons', async () => {
    await create();
    expect(await nodesWithPods()).toEqual(['a', 'b', 'c']);
    const [pod] = await driver.pods();
    expect(pod!.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms).toEqual([
      { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] },
    ]);
    expect(pod!.spec.tolerations?.map(toleration => toleration.key)).toEqual([
      'node.kubernetes.io/not-ready',
      'node.kubernetes.io/unreachable',
      'node.kubernetes.io/disk-pressure',
      'node.kubernetes.io/memory-pressure',
      'node.kubernetes.io/pid-pressure',
      'node.kubernetes.io/unschedulable',
    ]);
    await bind();
    expect(await status()).toEqual({
      currentNumberScheduled: 3,
      desiredNumberScheduled: 3,
      numberMisscheduled: 0,
      numberReady: 3,
      numberAvailable: 3,
      updatedNumberScheduled: 3,
      observedGeneration: 1,
    });
  });

  it('follows nodes as they come, change and go', async () => {
    await create({ template: template('one', { nodeSelector: { disk: 'ssd' } }) });
    expect(await nodesWithPods()).toEqual(['c']);
    await addNode('d', { disk: 'ssd' });
    await harness.settle();
    expect(await nodesWithPods()).toEqual(['c', 'd']);
    await harness.resource(Nodes).patch('c', 'merge', { metadata: { labels: { disk: null } } });
    await harness.settle();
    expect(await nodesWithPods()).toEqual(['d']);
    await harness.resource(Nodes).delete('d');
    await harness.settle();
    expect(await nodesWithPods()).toEqual([]);
  });

  it('avoids tainted nodes, leaves pods under NoSchedule and removes them under NoExecute', async () => {
    await create();
    await bind();
    const taint = async (effect: string) => {
      await harness.resource(Nodes).patch('a', 'merge', { spec: { taints: [{ key: 'own', effect }] } });
      await harness.settle();
      await driver.reap();
    };
    await taint('NoSchedule');
    expect(await nodesWithPods()).toEqual(['a', 'b', 'c']);
    expect(await status()).toMatchObject({ desiredNumberScheduled: 2, numberMisscheduled: 1 });
    await taint('NoExecute');
    expect(await nodesWithPods()).toEqual(['b', 'c']);
  });

  it('replaces failed pods, with growing waits', async () => {
    await create({ template: template('one', { nodeSelector: { disk: 'ssd' } }) });
    await bind();
    const fail = async () => {
      const [name] = await driver.names();
      await driver.finish(name!, 1);
      await driver.reap();
      await bind();
      return (await driver.names())[0] !== name;
    };
    expect(await fail()).toBe(true);
    expect(await fail()).toBe(false);
    await harness.advance(1000);
    await driver.reap();
    expect((await driver.pods())[0]!.status.phase).toBe('Pending');
    expect(harness.events('FailedDaemonPod')).toHaveLength(2);
  });

  it('replaces one pod at a time', async () => {
    await create();
    await converge();
    await patch({ template: template('two') });
    expect((await driver.pods()).filter(pod => pod.metadata.deletionTimestamp)).toHaveLength(1);
    await driver.reap();
    await harness.settle();
    expect(await images()).toEqual(['one', 'one', 'two']);
    expect((await driver.pods()).filter(pod => pod.metadata.deletionTimestamp)).toHaveLength(0);
    await converge();
    expect(await images()).toEqual(['two', 'two', 'two']);
    expect((await harness.resource(ControllerRevisions).objects()).map(revision => revision.revision)).toEqual([1, 2]);
    expect(await status()).toMatchObject({ updatedNumberScheduled: 3, numberAvailable: 3 });
  });

  it('surges: the old pod goes when the new one is available', async () => {
    await create({ updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } } });
    await converge();
    await patch({ template: template('two') });
    expect(await driver.pods()).toHaveLength(4);
    expect((await driver.pods()).filter(pod => pod.metadata.deletionTimestamp)).toHaveLength(0);
    await bind();
    expect((await driver.pods()).filter(pod => pod.metadata.deletionTimestamp)).toHaveLength(1);
    await converge();
    expect(await images()).toEqual(['two', 'two', 'two']);
  });

  it('leaves updates to the user with OnDelete', async () => {
    await create({ updateStrategy: { type: 'OnDelete' } });
    await converge();
    await patch({ template: template('two') });
    await converge();
    expect(await images()).toEqual(['one', 'one', 'one']);
    await harness.resource(Pods).delete((await driver.names())[0]!);
    await converge();
    expect(await images()).toEqual(['one', 'one', 'two']);
  });

  it('goes back to an earlier revision and forgets old ones', async () => {
    await create({ revisionHistoryLimit: 1 });
    await converge();
    for (const image of ['two', 'three', 'two']) {
      await patch({ template: template(image) });
      await converge();
    }
    const revisions = await harness.resource(ControllerRevisions).objects();
    expect(revisions.map(revision => revision.revision).sort()).toEqual([3, 4]);
    expect(await images()).toEqual(['two', 'two', 'two']);
  });
});
