import { cpus, totalmem } from 'node:os';
import type { Pod } from '../../api/generated/types.js';
import type { ContainerStats } from '../../contracts/container-runtime.js';
import { linuxResources } from '../runtime/runtime-specs.js';
import type { InterfaceMeasure, NodeMeasure } from './host-measures.js';
import { MetricsPage } from './metrics-page.js';
import type { ContainerUsage, NodeUsage } from './node-stats.js';

type Labels = Readonly<Record<string, string>>;

/** By cAdvisor's names, what the runtime and the host tell of containers. Nothing is filled in that was not measured. */
export function cadvisorMetrics(node: NodeUsage, measured: NodeMeasure | undefined): string {
  const page = new MetricsPage();
  page.family('machine_cpu_cores', 'gauge', 'Number of logical CPU cores.');
  page.sample({}, cpus().length);
  page.family('machine_memory_bytes', 'gauge', 'Amount of memory installed on the machine.');
  page.sample({}, totalmem());
  const containers = node.pods.flatMap(({ pod, containers: own }) => own.map(usage => ({ pod, usage })));
  const family = (
    name: string,
    type: 'counter' | 'gauge',
    help: string,
    value: (usage: ContainerUsage, pod: Pod) => number | undefined,
    more: Labels = {},
  ): void => {
    page.family(name, type, help);
    for (const { pod, usage } of containers) {
      const number = value(usage, pod);
      if (number !== undefined) page.sample({ ...containerLabels(pod, usage), ...more }, number, usage.stats.timeMs);
    }
  };
  const ofStats =
    (value: (stats: ContainerStats) => number) =>
    ({ stats }: ContainerUsage) =>
      value(stats);
  const cpu = { cpu: 'total' };
  family(
    'container_cpu_usage_seconds_total',
    'counter',
    'Cumulative cpu time consumed in seconds.',
    ofStats(s => s.cpuUsageCoreNanos / 1e9),
    cpu,
  );
  family(
    'container_memory_usage_bytes',
    'gauge',
    'Current memory usage in bytes, including all memory regardless of when it was accessed.',
    ofStats(s => s.memoryUsageBytes),
  );
  family(
    'container_memory_working_set_bytes',
    'gauge',
    'Current working set in bytes.',
    ofStats(s => s.memoryWorkingSetBytes),
  );
  family(
    'container_memory_rss',
    'gauge',
    'Size of RSS in bytes.',
    ofStats(s => s.memoryRssBytes),
  );
  family(
    'container_fs_usage_bytes',
    'gauge',
    'Number of bytes that are consumed by the container on this filesystem.',
    ofStats(s => s.writableLayerBytes),
  );
  family(
    'container_fs_inodes_total',
    'gauge',
    'Number of inodes of the container on this filesystem.',
    ofStats(s => s.writableLayerInodes),
  );
  family(
    'container_last_seen',
    'gauge',
    'Last time a container was seen by the exporter.',
    ofStats(s => Math.floor(s.timeMs / 1000)),
  );
  family('container_start_time_seconds', 'gauge', 'Start time of the container since unix epoch in seconds.', ({ state }) =>
    Math.floor((state.startedAtMs ?? state.createdAtMs) / 1000),
  );
  const resources = (pod: Pod, { state }: ContainerUsage) => {
    const { containers: own, initContainers = [] } = pod.spec;
    const container = [...own, ...initContainers].find(({ name }) => name === state.name);
    return container ? linuxResources(pod, container, totalmem()) : {};
  };
  family(
    'container_spec_cpu_period',
    'gauge',
    'CPU period of the container.',
    (usage, pod) => resources(pod, usage).cpuPeriodMicros,
  );
  family(
    'container_spec_cpu_quota',
    'gauge',
    'CPU quota of the container.',
    (usage, pod) => resources(pod, usage).cpuQuotaMicros,
  );
  family('container_spec_cpu_shares', 'gauge', 'CPU share of the container.', (usage, pod) => resources(pod, usage).cpuShares);
  family(
    'container_spec_memory_limit_bytes',
    'gauge',
    'Memory limit for the container.',
    (usage, pod) => resources(pod, usage).memoryLimitBytes ?? 0,
  );
  if (measured) networkFamilies(page, node, measured);
  return page.text;
}

const networkValues: readonly (readonly [string, string, keyof Omit<InterfaceMeasure, 'name'>])[] = [
  ['receive_bytes', 'bytes received', 'rxBytes'],
  ['receive_errors', 'errors encountered while receiving', 'rxErrors'],
  ['receive_packets', 'packets received', 'rxPackets'],
  ['receive_packets_dropped', 'packets dropped while receiving', 'rxDropped'],
  ['transmit_bytes', 'bytes transmitted', 'txBytes'],
  ['transmit_errors', 'errors encountered while transmitting', 'txErrors'],
  ['transmit_packets', 'packets transmitted', 'txPackets'],
  ['transmit_packets_dropped', 'packets dropped while transmitting', 'txDropped'],
];

/** Of the pod as a whole: its containers share one network. */
function networkFamilies(page: MetricsPage, node: NodeUsage, measured: NodeMeasure): void {
  for (const [name, words, key] of networkValues) {
    page.family(`container_network_${name}_total`, 'counter', `Cumulative count of ${words}`);
    for (const { pod } of node.pods) {
      for (const own of measured.pods.get(pod.metadata.uid ?? '')?.interfaces ?? []) {
        const { name: podName = '', namespace = '' } = pod.metadata;
        page.sample({ container: '', image: '', interface: own.name, namespace, pod: podName }, own[key], node.timeMs);
      }
    }
  }
}

function containerLabels(pod: Pod, { state }: ContainerUsage): Labels {
  const { name = '', namespace = '' } = pod.metadata;
  return { container: state.name, id: state.id, image: state.imageReference, name: state.id, namespace, pod: name };
}
