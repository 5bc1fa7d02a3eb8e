import { formatTime } from '../../api/time.js';
import type { ContainerStats } from '../../contracts/container-runtime.js';
import type { ContainerUsage, NodeUsage, PodUsage } from './node-stats.js';

/** `/stats/summary`. Source: kubelet pkg/apis/stats/v1alpha1. */
export function statsSummary(node: NodeUsage): object {
  const time = formatTime(node.timeMs);
  return {
    node: {
      nodeName: node.nodeName,
      cpu: {
        time,
        ...(node.usageNanoCores === undefined ? {} : { usageNanoCores: node.usageNanoCores }),
        usageCoreNanoSeconds: node.cpuUsageCoreNanos,
      },
      memory: { time, availableBytes: node.memoryAvailableBytes, workingSetBytes: node.memoryWorkingSetBytes },
      runtime: {
        imageFs: { time, usedBytes: node.imageFilesystem.usedBytes, inodesUsed: node.imageFilesystem.usedInodes },
      },
    },
    pods: node.pods.map(usage => podSummary(usage, time)),
  };
}

function podSummary({ pod, containers }: PodUsage, time: string): object {
  const { name = '', namespace = '', uid = '', creationTimestamp } = pod.metadata;
  const nanoCores = containers.map(({ usageNanoCores }) => usageNanoCores).filter(value => value !== undefined);
  return {
    podRef: { name, namespace, uid },
    startTime: pod.status?.startTime ?? creationTimestamp ?? time,
    containers: containers.map(containerSummary),
    cpu: {
      time,
      ...(nanoCores.length === 0 ? {} : { usageNanoCores: nanoCores.reduce((total, value) => total + value, 0) }),
      usageCoreNanoSeconds: sum(containers, stats => stats.cpuUsageCoreNanos),
    },
    memory: {
      time,
      usageBytes: sum(containers, stats => stats.memoryUsageBytes),
      workingSetBytes: sum(containers, stats => stats.memoryWorkingSetBytes),
      rssBytes: sum(containers, stats => stats.memoryRssBytes),
      pageFaults: sum(containers, stats => stats.pageFaults),
      majorPageFaults: sum(containers, stats => stats.majorPageFaults),
    },
    'ephemeral-storage': { time, usedBytes: sum(containers, stats => stats.writableLayerBytes) },
  };
}

function containerSummary({ state, stats, usageNanoCores }: ContainerUsage): object {
  const time = formatTime(stats.timeMs);
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
    rootfs: { time, usedBytes: stats.writableLayerBytes, inodesUsed: stats.writableLayerInodes },
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
export function kubeletMetrics(node: NodeUsage): string {
  const page = new MetricsPage();
  page.family('kubelet_node_name', 'gauge', "The node's name. The count is always 1.");
  page.sample({ node: node.nodeName }, 1);
  page.family('kubelet_running_pods', 'gauge', 'Number of pods that have a running pod sandbox');
  page.sample({}, node.pods.filter(({ containers }) => containers.length > 0).length);
  page.family('kubelet_running_containers', 'gauge', 'Number of containers currently running');
  page.sample({ container_state: 'running' }, node.containersRunning);
  page.family('process_resident_memory_bytes', 'gauge', 'Resident memory size in bytes.');
  page.sample({}, process.memoryUsage.rss());
  const { user, system } = process.cpuUsage();
  page.family('process_cpu_seconds_total', 'counter', 'Total user and system CPU time spent in seconds.');
  page.sample({}, (user + system) / 1e6);
  return page.text;
}

/** Prometheus' text format, version 0.0.4. */
class MetricsPage {
  readonly #lines: string[] = [];
  #name = '';

  get text(): string {
    return `${this.#lines.join('\n')}\n`;
  }

  family(name: string, type: 'counter' | 'gauge', help: string): void {
    this.#name = name;
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  sample(labels: Readonly<Record<string, string>>, value: number, timeMs?: number): void {
    const pairs = Object.entries(labels).map(([name, text]) => `${name}="${text.replaceAll(/[\\"\n]/g, escaped)}"`);
    const list = pairs.length > 0 ? `{${pairs.join(',')}}` : '';
    this.#lines.push(`${this.#name}${list} ${value}${timeMs === undefined ? '' : ` ${Math.round(timeMs)}`}`);
  }
}

function escaped(character: string): string {
  return character === '\n' ? '\\n' : `\\${character}`;
}

function sum(containers: readonly ContainerUsage[], value: (stats: ContainerStats) => number): number {
  return containers.reduce((total, { stats }) => total + value(stats), 0);
}
