import type { Pod } from '../../api/generated/types.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingStatus,
} from '../../contracts/scheduler-plugin.js';
import { HostPorts } from '../node-info.js';
import type { NodeInfo } from '../node-info.js';
import { PodInfo } from '../pod-info.js';
import { skip, unschedulable } from '../status.js';

/** Host ports can be had once per node, protocol and address. */
export class NodePorts implements SchedulerPlugin {
  readonly name = 'NodePorts';
  readonly events: readonly PluginEvent[] = [
    { resource: 'Pod', action: ClusterAction.Delete, mayHelp: (pod, previous) => freesPort(pod as PodInfo, previous as Pod) },
    { resource: 'Node', action: ClusterAction.Add },
  ];
  readonly #rejection = unschedulable(this.name, "node(s) didn't have free ports for the requested pod ports");

  preFilter(_state: CycleState, pod: PodInfo): PreFilterResult | undefined {
    return pod.hostPorts.length === 0 ? { status: skip } : undefined;
  }

  filter(_state: CycleState, pod: PodInfo, node: NodeInfo): SchedulingStatus | undefined {
    for (const port of pod.hostPorts) if (node.ports.conflicts(port)) return this.#rejection;
    return undefined;
  }
}

function freesPort(pod: PodInfo, deleted: Pod): boolean {
  if (!deleted.spec.nodeName && !deleted.status.nominatedNodeName) return false;
  const freed = new HostPorts();
  for (const port of new PodInfo({ object: deleted }).hostPorts) freed.add(port);
  return pod.hostPorts.some(port => freed.conflicts(port));
}
