import type { Pod } from '../../api/generated/types.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type { PluginEvent, SchedulerPlugin, SchedulingStatus } from '../../contracts/scheduler-plugin.js';
import { unresolvable } from '../status.js';

/** Holds back pods that still have scheduling gates. Source: KEP-3521. */
export class SchedulingGates implements SchedulerPlugin {
  readonly name = 'SchedulingGates';
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'Pod',
      action: ClusterAction.UpdatePodSchedulingGatesEliminated,
      mayHelp: (pod, _previous, next) => (next as Pod).metadata.uid === pod.pod.metadata.uid,
    },
  ];

  preEnqueue(pod: Pod): SchedulingStatus | undefined {
    const gates = pod.spec.schedulingGates ?? [];
    if (gates.length === 0) return undefined;
    return unresolvable(this.name, `waiting for scheduling gates: [${gates.map(gate => gate.name).join(' ')}]`);
  }
}
