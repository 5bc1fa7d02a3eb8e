import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock } from '../../base/fake-clock.js';
import type { Pod } from '../../api/generated/types.js';
import { HostMeasures, parseInterfaces } from './host-measures.js';
import type { NodeUsage } from './node-stats.js';
import { kubeletMetrics, statsSummary } from './stats-documents.js';

const mebibyte = 1024 ** 2;

describe('the counters of interfaces', () => {
  it('are read as the kernel prints them', () => {
    const text = [
      'Inter-|   Receive                                                |  Transmit',
      ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
      '    lo:     100       2    0    0    0     0          0         0      100       2    0    0    0     0       0          0',
      '  eth0:9876543210   5    1    2    0     0          0         0      77       6    3    4    0     0       0          0',
      '',
    ].join('\n');
    expect(parseInterfaces(text)[1]).toEqual({
      name: 'eth0',
      rxBytes: 9876543210,
      rxPackets: 5,
      rxErrors: 1,
      rxDropped: 2,
      txBytes: 77,
      txPackets: 6,
      txErrors: 3,
      txDropped: 4,
    });
    expect(parseInterfaces(text)).toHaveLength(2);
  });
});

(process.platform === 'linux' ? describe : describe.skip)('what a node and its pods use', () => {
  let root: string;
  const clock = new FakeClock();
  let processes: number[];
  let measures: HostMeasures;
  const volumes = [
    { name: 'scratch', emptyDir: {} },
    { name: 'gone', emptyDir: {} },
    { name: 'data', persistentVolumeClaim: { claimName: 'claim' } },
    { name: 'image', image: { reference: 'i' } },
  ];
  const pod = (spec: object = {}): Pod =>
    ({ metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [{ name: 'c' }], volumes, ...spec } }) as never;

  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'measures-'));
    processes = [process.pid];
    measures = new HostMeasures({
      runtime: { imageFilesystem: () => Promise.resolve({ path: root, usedBytes: 1, usedInodes: 1 }) },
      clock,
      settings: { rootDir: root, podLogsDir: join(root, 'logs') },
      processes: () => Promise.resolve(processes),
    });
    const scratch = join(root, 'pods/u/volumes/kubernetes.io~empty-dir/scratch');
    await mkdir(scratch, { recursive: true });
    await writeFile(join(scratch, 'file'), Buffer.alloc(2 * mebibyte, 1));
    await mkdir(join(root, 'pods/u/volumes/kubernetes.io~local/data'), { recursive: true });
    await mkdir(join(root, 'pods/u/volumes/kubernetes.io~local/unknown'));
    await mkdir(join(root, 'pods/u/volumes/kubernetes.io~image/image'), { recursive: true });
    await symlink('/nowhere', join(root, 'pods/u/volumes/kubernetes.io~local/gone'));
    await mkdir(join(root, 'logs/n_p_u/c'), { recursive: true });
    await writeFile(join(root, 'logs/n_p_u/c/0.log'), Buffer.alloc(mebibyte, 1));
  });
  afterEach(() => rm(root, { recursive: true }));

  it('is measured: room, files of volumes and logs, traffic', async () => {
    const measured = await measures.read([pod()]);
    expect(measured.filesystem.capacityBytes).toBeGreaterThan(measured.filesystem.availableBytes);
    expect(measured.startTimeMs).toBeLessThan(clock.now());
    expect(measured.maximumThreads).toBeGreaterThan(measured.threads);
    const own = measured.pods.get('u')!;
    expect(own.volumes.map(({ name, claimName }) => [name, claimName])).toEqual([
      ['scratch', undefined],
      ['data', 'claim'],
    ]);
    expect(own.volumes[0]!.filesystem.usedBytes).toBeGreaterThanOrEqual(2 * mebibyte);
    expect(own.volumes[0]!.filesystem.usedBytes).toBeLessThan(3 * mebibyte);
    expect(own.logBytes.get('c')).toBeGreaterThanOrEqual(mebibyte);
    expect(own.interfaces.map(({ name }) => name)).not.toContain('lo');
  });

  it('has the files of volumes counted once a minute, of pods that are there', async () => {
    await measures.read([pod()]);
    await rm(join(root, 'pods/u'), { recursive: true });
    expect((await measures.read([pod()])).pods.get('u')!.volumes).toHaveLength(2);
    await clock.advance(60_000);
    expect((await measures.read([pod()])).pods.get('u')!.volumes).toHaveLength(0);
    expect((await measures.read([])).pods.size).toBe(0);
  });

  it("has no traffic of pods on the node's network, or without a process", async () => {
    expect((await measures.read([pod({ hostNetwork: true })])).pods.get('u')!.interfaces).toEqual([]);
    processes = [2 ** 22 + 1];
    expect((await measures.read([pod()])).pods.get('u')!.interfaces).toEqual([]);
  });

  it('stands in the summary and the metrics', async () => {
    const usage: NodeUsage = {
      nodeName: 'a',
      onHost: true,
      timeMs: clock.now(),
      pods: [
        {
          pod: pod(),
          containers: [
            {
              state: { name: 'c', createdAtMs: 1 } as never,
              stats: { timeMs: 1, writableLayerBytes: 10, memoryUsageBytes: 3, cpuUsageCoreNanos: 4 } as never,
              usageNanoCores: 5,
            },
          ],
        },
      ],
      containersRunning: 1,
      cpuUsageCoreNanos: 1,
      usageNanoCores: undefined,
      memoryWorkingSetBytes: 1,
      memoryAvailableBytes: 1,
      imageFilesystem: { usedBytes: 7, usedInodes: 8 },
    };
    const measured = await measures.read([pod()]);
    const { capacityBytes } = measured.filesystem;
    const summary = statsSummary(usage, measured) as { pods: { 'ephemeral-storage': { usedBytes: number } }[] };
    expect(summary).toMatchObject({
      node: {
        systemContainers: [{ name: 'kubelet' }, { name: 'pods', cpu: { usageNanoCores: 5, usageCoreNanoSeconds: 4 } }],
        fs: { capacityBytes },
        runtime: { imageFs: { capacityBytes, usedBytes: 7, inodesUsed: 8 } },
      },
      pods: [
        {
          containers: [
            { rootfs: { capacityBytes, usedBytes: 10 }, logs: { usedBytes: measured.pods.get('u')!.logBytes.get('c') } },
          ],
          volume: [{ name: 'scratch' }, { name: 'data', pvcRef: { name: 'claim', namespace: 'n' } }],
        },
      ],
    });
    // Layer, log and the directory that is on disk; the claim is no storage of the node's.
    expect(summary.pods[0]!['ephemeral-storage'].usedBytes).toBeLessThan(4 * mebibyte);
    expect(summary.pods[0]!['ephemeral-storage'].usedBytes).toBeGreaterThan(3 * mebibyte);
    expect(kubeletMetrics(usage, measured)).toMatch(
      /^kubelet_volume_stats_capacity_bytes\{namespace="n",persistentvolumeclaim="claim"\} [1-9]/m,
    );
    const simulated = statsSummary(usage, undefined) as { node: object };
    expect(Object.keys(simulated.node)).toEqual(['nodeName', 'cpu', 'memory', 'runtime']);
  });
});
