import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../base/fake-clock.js';
import { SinkLogger } from '../../base/logger.js';
import { Pods } from '../../api/generated/resources.js';
import type { Node, Pod } from '../../api/generated/types.js';
import { Client } from '../../client/client.js';
import { FakeRecorder } from '../../client/testing/fake-recorder.js';
import { FakeTransport } from '../../client/testing/fake-transport.js';
import { forbidden } from '../../machinery/status-error.js';
import { mirroredUid } from './static-pod.js';
import { StaticPods } from './static-pods.js';

const node = { metadata: { name: 'node-a', uid: 'node-uid' } } as Node;
const manifest = (name: string, image: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\nspec:\n  containers:\n  - name: c\n    image: ${image}\n`;

describe('static pods', () => {
  let clock: FakeClock;
  let transport: FakeTransport;
  let recorder: FakeRecorder;
  let warnings: string[];
  let directory: string;
  let client: Client;
  let known: Pod[] | undefined;
  let running: Pod[];
  let ending: Pod[];
  let mirrored: [string, string | undefined][];
  let statics: StaticPods;

  beforeEach(async () => {
    clock = new FakeClock();
    directory = await mkdtemp(join(tmpdir(), 'static-'));
    transport = new FakeTransport(clock);
    client = new Client(transport, { name: 'system:node:node-a', groups: ['system:nodes'] });
    recorder = new FakeRecorder();
    [known, running, ending, mirrored, warnings] = [[], [], [], [], []];
    statics = newStatics(directory);
  });
  afterEach(async () => {
    await statics.stop();
    await rm(directory, { recursive: true, force: true });
    expect(clock.pendingTimers).toBe(0);
  });

  function newStatics(folder: string | undefined): StaticPods {
    const logger = new SinkLogger(({ level, message }) => void (level === 'warn' && warnings.push(message)), 'debug');
    return new StaticPods({
      context: { client, clock, logger, recorder, settings: { nodeName: 'node-a' } },
      directory: folder,
      node: () => node,
      apiPods: () => known,
      mirrored: (uid, mirror) => mirrored.push([uid, mirror?.metadata.uid]),
      run: pod => running.push(pod),
      end: pod => ending.push(pod),
    });
  }

  const pods = () => client.resource(Pods, 'default');
  const inApi = async (): Promise<Pod[]> => (await pods().list()).entries.map(({ object }) => object);

  /** Rounds until the mirrors are what they stay. */
  async function sync(): Promise<Pod[]> {
    for (let round = 0; round < 2; round++) {
      known = await inApi();
      await statics.sync();
    }
    return inApi();
  }

  /** Nothing is left of those that were to end. */
  function ended(): void {
    for (const pod of ending.splice(0)) {
      running.splice(running.indexOf(pod), 1);
      statics.gone(pod);
    }
  }

  it('run from their files, and are shown by mirror pods of this node', async () => {
    await writeFile(join(directory, 'web.yaml'), manifest('web', 'nginx'));
    await writeFile(join(directory, '.web.yaml.swp'), 'no manifest');
    const [mirror, ...others] = await sync();
    expect(others).toEqual([]);
    expect(running).toHaveLength(1);
    const { metadata, spec } = running[0]!;
    const annotations = {
      'kubernetes.io/config.source': 'file',
      'kubernetes.io/config.hash': metadata.uid,
      'kubernetes.io/config.seen': '2026-01-01T00:00:00Z',
    };
    expect(metadata).toEqual({
      name: 'web-node-a',
      namespace: 'default',
      uid: expect.stringMatching(/^[0-9a-f]{32}$/),
      annotations,
    });
    expect(mirror!.metadata).toMatchObject({
      name: 'web-node-a',
      namespace: 'default',
      annotations: { ...annotations, 'kubernetes.io/config.mirror': metadata.uid },
      ownerReferences: [{ kind: 'Node', name: 'node-a', uid: 'node-uid', controller: true }],
    });
    expect(mirror!.metadata.uid).not.toBe(metadata.uid);
    for (const own of [spec, mirror!.spec]) {
      expect(own).toMatchObject({
        nodeName: 'node-a',
        tolerations: [{ operator: 'Exists', effect: 'NoExecute' }],
        // As the API server would.
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 30,
        containers: [{ imagePullPolicy: 'Always', terminationMessagePath: '/dev/termination-log' }],
      });
    }
  });

  it('run while the API is not there, and are shown when it is', async () => {
    known = undefined;
    await writeFile(join(directory, 'web.yaml'), manifest('web', 'nginx'));
    await statics.sync();
    expect(running).toHaveLength(1);
    expect(await inApi()).toEqual([]);
    expect(await sync()).toHaveLength(1);
    expect(running).toHaveLength(1);
  });

  it('get another mirror, and nothing else, when theirs is deleted in the API', async () => {
    await writeFile(join(directory, 'web.yaml'), manifest('web', 'nginx'));
    const [first] = await sync();
    const uid = running[0]!.metadata.uid!;
    statics.observe(first!, false);
    await pods().delete('web-node-a');
    const [going] = await inApi();
    expect(going!.metadata.deletionTimestamp).toBeDefined();
    const [second] = await sync();
    expect(second!.metadata.uid).not.toBe(first!.metadata.uid);
    expect(second!.metadata.deletionTimestamp).toBeUndefined();
    statics.observe(going!, true);
    statics.observe(second!, false);
    expect(mirrored).toEqual([
      [uid, first!.metadata.uid],
      [uid, undefined],
      [uid, second!.metadata.uid],
    ]);
    expect([running, ending]).toEqual([[expect.anything()], []]);
  });

  it('are another pod when their file changes, which waits for the end of the one before', async () => {
    const file = join(directory, 'web.yaml');
    await writeFile(file, manifest('web', 'nginx:1'));
    const [first] = await sync();
    // Only how it is written has changed.
    await writeFile(file, `# a comment\n${manifest('web', 'nginx:1')}`);
    await sync();
    expect([running.length, ending.length]).toEqual([1, 0]);

    await writeFile(file, manifest('web', 'nginx:2'));
    const [same] = await sync();
    expect([running.length, ending.length]).toEqual([1, 1]);
    expect(same!.metadata.uid).toBe(first!.metadata.uid);
    expect(statics.find('default', 'web-node-a')!.spec.containers[0]!.image).toBe('nginx:1');
    ended();
    expect(running.map(({ spec }) => spec.containers[0]!.image)).toEqual(['nginx:2']);
    const [changed] = await sync();
    expect(mirroredUid(changed!)).toBe(running[0]!.metadata.uid);

    await rm(file);
    const [still] = await sync();
    expect(still!.metadata.deletionTimestamp).toBeUndefined();
    ended();
    expect(await sync()).toEqual([]);
    expect(statics.list()).toEqual([]);
  });

  it('take up what an earlier kubelet knew of them, but not an end', async () => {
    const text = manifest('web', 'nginx');
    await writeFile(join(directory, 'web.yaml'), text);
    const [mirror] = await sync();
    for (const [phase, taken] of [
      ['Running', 'Running'],
      ['Failed', 'Pending'],
    ] as const) {
      await statics.stop();
      statics = newStatics(directory);
      running = [];
      known = [{ ...mirror!, status: { phase } }];
      await statics.start();
      expect(statics.loaded).toBe(true);
      expect(running.map(({ status }) => status.phase)).toEqual([taken]);
    }
  });

  it('go on when their file cannot be used any more, which is told once', async () => {
    const file = join(directory, 'web.yaml');
    await writeFile(file, manifest('web', 'nginx'));
    await sync();
    await writeFile(file, 'kind: Pod\nmetadata: [');
    expect(await sync()).toHaveLength(1);
    await rm(file);
    // A folder is no manifest, a link to one is a file that cannot be read.
    await mkdir(join(directory, 'folder'));
    await sync();
    expect(warnings).toEqual(['a manifest of a static pod cannot be used']);
    expect(ending).toHaveLength(1);
  });

  it.each([
    ['kind: Service\napiVersion: v1\nmetadata: {name: web}'],
    ['kind: Pod\napiVersion: v1\nmetadata: {}\nspec: {containers: [{name: c, image: i}]}'],
    ['kind: Pod\napiVersion: v1\nmetadata: {name: ../web}\nspec: {containers: [{name: c, image: i}]}'],
    ['kind: Pod\napiVersion: v1\nmetadata: {name: web, namespace: a/b}\nspec: {containers: [{name: c, image: i}]}'],
    ['kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {containers: []}'],
    ['kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {containers: [{name: c}]}'],
    ['kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {containers: [{name: .., image: i}]}'],
    ['kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {containers: [{name: c, image: i}, {name: c, image: i}]}'],
    ['kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {containers: [{name: c, image: i, ports: x}]}'],
    ['kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {containers: [{name: c, image: i}], volumes: [{name: ../x}]}'],
    [
      'kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {containers: [{name: c, image: i}], ephemeralContainers: [{name: e, image: i}]}',
    ],
    ['kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {serviceAccountName: a, containers: [{name: c, image: i}]}'],
  ])('are not made of %j', async text => {
    await writeFile(join(directory, 'web.yaml'), text);
    expect(await sync()).toEqual([]);
    expect(running).toEqual([]);
    expect(warnings).toEqual(['a manifest of a static pod cannot be used']);
  });

  it('are those of the first file where two have the same name', async () => {
    await writeFile(join(directory, 'a.yaml'), manifest('web', 'nginx:1'));
    await writeFile(join(directory, 'b.yaml'), manifest('web', 'nginx:2'));
    await sync();
    expect(running.map(({ spec }) => spec.containers[0]!.image)).toEqual(['nginx:1']);
    expect(recorder.lines()).toEqual([
      expect.stringMatching(
        /^FailedValidation Error validating pod web-node-a_default\([0-9a-f]{32}\) from file due to duplicate pod name "web-node-a", ignoring$/,
      ),
    ]);
  });

  it('never touch pods of others, and end mirrors of nobody', async () => {
    const other = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'other' }, spec: { containers: [] } } as unknown as Pod;
    const annotations = { 'kubernetes.io/config.mirror': 'x' };
    await pods().create(other);
    await pods().create({ ...other, metadata: { name: 'stale', annotations } });
    await statics.stop();
    statics = newStatics(undefined);
    await statics.start();
    expect((await sync()).map(({ metadata }) => metadata.name)).toEqual(['other']);
  });

  it('run without a mirror while the API takes none, which is told once', async () => {
    transport.reactors.push(({ verb }) => {
      if (verb === 'create') throw forbidden({ group: '', resource: 'pods', name: 'web-node-a' }, 'no');
    });
    await writeFile(join(directory, 'web.yaml'), manifest('web', 'nginx'));
    expect(await sync()).toEqual([]);
    expect(running).toHaveLength(1);
    expect(warnings).toEqual(['a static pod is not shown in the API']);
    transport.reactors.length = 0;
    expect(await sync()).toHaveLength(1);
  });

  it('follow their folder by themselves', async () => {
    await statics.start();
    await writeFile(join(directory, 'web.yaml'), manifest('web', 'nginx'));
    await clock.advance(20_000);
    await statics.sync();
    expect(running).toHaveLength(1);
  });

  it('end for nothing while their folder cannot be read', async () => {
    await writeFile(join(directory, 'web.yaml'), manifest('web', 'nginx'));
    await sync();
    await rm(directory, { recursive: true });
    await sync();
    expect(ending).toEqual([]);
    expect(warnings).toContain('static pods could not be brought up to date');
    await statics.stop();
    await writeFile(directory, 'a file');
    statics = newStatics(directory);
    await statics.start();
    expect(statics.loaded).toBe(false);
    expect(warnings).toContain('the folder of static pods is not watched');
  });
});
