import { formatTime } from '../../api/time.js';
import type { Volume } from '../../api/generated/types.js';
import type { ContainerStats } from '../../contracts/container-runtime.js';
import type { ProbeCount } from '../probes/probe-counts.js';
import type { FilesystemMeasure, InterfaceMeasure, NodeMeasure, PodMeasure } from './host-measures.js';
import { MetricsPage } from './metrics-page.js';
import type { ContainerUsage, NodeUsage, PodUsage } from './node-stats.js';

/** `/stats/summary`. Without `measured`, for a simulated node, of what the runtime tells only. Source: kubelet pkg/apis/stats/v1alpha1. */
export function statsSummary(node: NodeUsage, measured: NodeMeasure | undefined): object {
  const time = formatTime(node.timeMs);
  const { imageFilesystem } = node;
  const imageFs = { usedBytes: imageFilesystem.usedBytes, inodesUsed: imageFilesystem.usedInodes };
  return {
    node: {
      nodeName: node.nodeName,
      ...(measured
        ? { systemContainers: systemContainers(node, measured, time), startTime: formatTime(measured.startTimeMs) }
        : {}),
      cpu: {
        time,
        ...(node.usageNanoCores === undefined ? {} : { usageNanoCores: node.usageNanoCores }),
        usageCoreNanoSeconds: node.cpuUsageCoreNanos,
      },
      memory: { time, availableBytes: node.memoryAvailableBytes, workingSetBytes: node.memoryWorkingSetBytes },
      ...(measured
        ? {
            network: networkStats(measured.interfaces, measured.defaultInterface, time),
            fs: { time, ...measured.filesystem },
            rlimit: { time, maxpid: measured.maximumThreads, curproc: measured.threads },
          }
        : {}),
      // Of the filesystem the room, of the images what they take.
      runtime: { imageFs: { time, ...measured?.imageFilesystem, ...imageFs } },
    },
    pods: node.pods.map(usage => podSummary(usage, measured, time)),
  };
}

/** This process, which is the kubelet among others, and all pods together. */
function systemContainers(node: NodeUsage, measured: NodeMeasure, time: string): object[] {
  const all = node.pods.flatMap(({ containers }) => containers);
  const { user, system } = process.cpuUsage();
  const memory = process.memoryUsage.rss();
  return [
    {
      name: 'kubelet',
      startTime: formatTime(node.timeMs - Math.floor(process.uptime() * 1000)),
      cpu: { time, usageCoreNanoSeconds: (user + system) * 1000 },
      memory: { time, usageBytes: memory, workingSetBytes: memory, rssBytes: memory },
    },
    {
      name: 'pods',
      startTime: formatTime(measured.startTimeMs),
      cpu: { time, ...nanoCores(all), usageCoreNanoSeconds: sum(all, stats => stats.cpuUsageCoreNanos) },
      memory: memoryStats(all, time),
    },
  ];
}

function networkStats(interfaces: readonly InterfaceMeasure[], defaultName: string, time: string): object {
  const list = interfaces.map(({ name, rxBytes, rxErrors, txBytes, txErrors }) => ({
    name,
    rxBytes,
    rxErrors,
    txBytes,
    txErrors,
  }));
  return { time, ...list.find(({ name }) => name === defaultName), interfaces: list };
}

function podSummary({ pod, containers }: PodUsage, measured: NodeMeasure | undefined, time: string): object {
  const { name = '', namespace = '', uid = '', creationTimestamp } = pod.metadata;
  const own = measured?.pods.get(uid);
  const written = new Set((pod.spec.volumes ?? []).filter(isOnDisk).map(volume => volume.name));
  const volumeBytes = (own?.volumes ?? []).filter(volume => written.has(volume.name));
  const logBytes = [...(own?.logBytes.values() ?? [])];
  const usedBytes =
    sum(containers, stats => stats.writableLayerBytes) +
    logBytes.reduce((total, bytes) => total + bytes, 0) +
    volumeBytes.reduce((total, { filesystem }) => total + filesystem.usedBytes, 0);
  return {
    podRef: { name, namespace, uid },
    startTime: pod.status?.startTime ?? creationTimestamp ?? time,
    containers: containers.map(usage => containerSummary(usage, measured, own)),
    cpu: { time, ...nanoCores(containers), usageCoreNanoSeconds: sum(containers, stats => stats.cpuUsageCoreNanos) },
    memory: memoryStats(containers, time),
    ...(own && own.interfaces.length > 0 ? { network: networkStats(own.interfaces, 'eth0', time) } : {}),
    ...(own && own.volumes.length > 0
      ? {
          volume: own.volumes.map(volume => ({
            time,
            ...volume.filesystem,
            name: volume.name,
            ...(volume.claimName === undefined ? {} : { pvcRef: { name: volume.claimName, namespace } }),
          })),
        }
      : {}),
    'ephemeral-storage': { time, ...room(measured?.filesystem), usedBytes },
  };
}

const isOnDisk = ({ emptyDir }: Volume): boolean => emptyDir !== undefined && emptyDir.medium !== 'Memory';

function containerSummary(
  { state, stats, usageNanoCores }: ContainerUsage,
  node: NodeMeasure | undefined,
  pod: PodMeasure | undefined,
): object {
  const time = formatTime(stats.timeMs);
  const logBytes = pod?.logBytes.get(state.name);
  return {
    name: state.name,
    startTime: formatTime(state.startedAtMs ?? state.createdAtMs),
    cpu: {
      time,
      ...(usageNanoCores === undefined ? {} : { usageNanoCores }),
      usageCoreNanoSeconds: stats.cpuUsageCoreNanos,
    },
    memory: {
      time,
      usageBytes: stats.memoryUsageBytes,
      workingSetBytes: stats.memoryWorkingSetBytes,
      rssBytes: stats.memoryRssBytes,
      pageFaults: stats.pageFaults,
      majorPageFaults: stats.majorPageFaults,
    },
    rootfs: {
      time,
      ...room(node?.imageFilesystem),
      usedBytes: stats.writableLayerBytes,
      inodesUsed: stats.writableLayerInodes,
    },
    ...(logBytes === undefined ? {} : { logs: { time, ...room(node?.filesystem), usedBytes: logBytes } }),
  };
}

/** What is around something that uses only a part of it. */
function room(filesystem: FilesystemMeasure | undefined): object {
  if (!filesystem) return {};
  const { availableBytes, capacityBytes, inodes, inodesFree } = filesystem;
  return { availableBytes, capacityBytes, inodes, inodesFree };
}

function nanoCores(containers: readonly ContainerUsage[]): { usageNanoCores?: number } {
  const known = containers.map(({ usageNanoCores }) => usageNanoCores).filter(value => value !== undefined);
  return known.length === 0 ? {} : { usageNanoCores: known.reduce((total, value) => total + value, 0) };
}

function memoryStats(containers: readonly ContainerUsage[], time: string): object {
  return {
    time,
    usageBytes: sum(containers, stats => stats.memoryUsageBytes),
    workingSetBytes: sum(containers, stats => stats.memoryWorkingSetBytes),
    rssBytes: sum(containers, stats => stats.memoryRssBytes),
    pageFaults: sum(containers, stats => stats.pageFaults),
    majorPageFaults: sum(containers, stats => stats.majorPageFaults),
  };
}

/** `/metrics/resource`, what the metrics API is made of. Source: pkg/kubelet/metrics/collectors/resource_metrics.go. */
export function resourceMetrics(node: NodeUsage): string {
  const page = new MetricsPage();
  const containers = node.pods.flatMap(({ pod, containers: own }) => own.map(usage => ({ pod, ...usage })));
  const labels = (pod: PodUsage['pod']): Record<string, string> => ({
    namespace: pod.metadata.namespace ?? '',
    pod: pod.metadata.name ?? '',
  });
  page.family('container_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the container in core-seconds');
  for (const { pod, state, stats } of containers) {
    page.sample({ container: state.name, ...labels(pod) }, stats.cpuUsageCoreNanos / 1e9, stats.timeMs);
  }
  page.family('container_memory_working_set_bytes', 'gauge', 'Current working set of the container in bytes');
  for (const { pod, state, stats } of containers) {
    page.sample({ container: state.name, ...labels(pod) }, stats.memoryWorkingSetBytes, stats.timeMs);
  }
  page.family('container_start_time_seconds', 'gauge', 'Start time of the container since unix epoch in seconds');
  for (const { pod, state } of containers) {
    page.sample({ container: state.name, ...labels(pod) }, (state.startedAtMs ?? state.createdAtMs) / 1000);
  }
  page.family('node_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the node in core-seconds');
  page.sample({}, node.cpuUsageCoreNanos / 1e9, node.timeMs);
  page.family('node_memory_working_set_bytes', 'gauge', 'Current working set of the node in bytes');
  page.sample({}, node.memoryWorkingSetBytes, node.timeMs);
  const used = node.pods.filter(({ containers: own }) => own.length > 0);
  page.family('pod_cpu_usage_seconds_total', 'counter', 'Cumulative cpu time consumed by the pod in core-seconds');
  for (const { pod, containers: own } of used) {
    page.sample(labels(pod), sum(own, stats => stats.cpuUsageCoreNanos) / 1e9, own[0]!.stats.timeMs);
  }
  page.family('pod_memory_working_set_bytes', 'gauge', 'Current working set of the pod in bytes');
  for (const { pod, containers: own } of used) {
    page.sample(
      labels(pod),
      sum(own, stats => stats.memoryWorkingSetBytes),
      own[0]!.stats.timeMs,
    );
  }
  page.family('resource_scrape_error', 'gauge', '1 if there was an error while getting container metrics, 0 otherwise');
  page.sample({}, 0);
  return page.text;
}

/** `/metrics`. */
export function kubeletMetrics(node: NodeUsage, measured: NodeMeasure | undefined): string {
  const page = new MetricsPage();
  page.family('kubelet_node_name', 'gauge', "The node's name. The count is always 1.");
  page.sample({ node: node.nodeName }, 1);
  page.family('kubelet_running_pods', 'gauge', 'Number of pods that have a running pod sandbox');
  page.sample({}, node.pods.filter(({ containers }) => containers.length > 0).length);
  page.family('kubelet_running_containers', 'gauge', 'Number of containers currently running');
  page.sample({ container_state: 'running' }, node.containersRunning);
  if (measured) claimFamilies(page, node, measured);
  page.family('process_start_time_seconds', 'gauge', 'Start time of the process since unix epoch in seconds.');
  page.sample({}, Math.floor(node.timeMs / 1000 - process.uptime()));
  page.family('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.');
  page.sample({}, process.memoryUsage.rss());
  const { user, system } = process.cpuUsage();
  page.family('process_cpu_seconds_total', 'counter', 'Total user and system CPU time spent in seconds.');
  page.sample({}, (user + system) / 1e6);
  return page.text;
}

/** Of volumes that a claim stands for. */
function claimFamilies(page: MetricsPage, node: NodeUsage, measured: NodeMeasure): void {
  const claims = node.pods.flatMap(({ pod }) =>
    (measured.pods.get(pod.metadata.uid ?? '')?.volumes ?? []).flatMap(({ claimName, filesystem }) =>
      claimName === undefined
        ? []
        : [{ labels: { namespace: pod.metadata.namespace ?? '', persistentvolumeclaim: claimName }, filesystem }],
    ),
  );
  const values: readonly (readonly [string, string, keyof FilesystemMeasure])[] = [
    ['available_bytes', 'Number of available bytes in the volume', 'availableBytes'],
    ['capacity_bytes', 'Capacity in bytes of the volume', 'capacityBytes'],
    ['inodes', 'Maximum number of inodes in the volume', 'inodes'],
    ['inodes_free', 'Number of free inodes in the volume', 'inodesFree'],
    ['inodes_used', 'Number of used inodes in the volume', 'inodesUsed'],
    ['used_bytes', 'Number of used bytes in the volume', 'usedBytes'],
  ];
  for (const [name, help, key] of values) {
    page.family(`kubelet_volume_stats_${name}`, 'gauge', help);
    for (const { labels, filesystem } of claims) page.sample(labels, filesystem[key]);
  }
}

/** `/metrics/probes`. Source: pkg/kubelet/prober. */
export function probeMetrics(counts: Iterable<ProbeCount>): string {
  const page = new MetricsPage();
  page.family(
    'prober_probe_total',
    'counter',
    'Cumulative number of a liveness, readiness or startup probe for a container by result.',
  );
  for (const { labels, count } of counts) page.sample(labels, count);
  return page.text;
}

function sum(containers: readonly ContainerUsage[], value: (stats: ContainerStats) => number): number {
  return containers.reduce((total, { stats }) => total + value(stats), 0);
}
