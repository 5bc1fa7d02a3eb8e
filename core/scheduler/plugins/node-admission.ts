import type { Node } from '../../api/generated/types.js';
import { firstUntoleratedTaint, isTolerated, keepsPodsAway, taintNodeUnschedulable } from '../../api/taints.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  SchedulerPlugin,
  SchedulingNode,
  SchedulingStatus,
} from '../../contracts/scheduler-plugin.js';
import type { Pod } from '../../api/generated/types.js';
import type { PodInfo } from '../pod-info.js';
import { unresolvable } from '../status.js';
import { normalizeByMaximum } from './normalize.js';

/** A pod that names its node goes there or nowhere. */
export class NodeName implements SchedulerPlugin {
  readonly name = 'NodeName';
  readonly events: readonly PluginEvent[] = [{ resource: 'Node', action: ClusterAction.Add }];
  readonly #rejection = unresolvable(this.name, "node(s) didn't match the requested node name");

  filter(_state: CycleState, { pod }: PodInfo, node: SchedulingNode): SchedulingStatus | undefined {
    return !pod.spec.nodeName || pod.spec.nodeName === node.name ? undefined : this.#rejection;
  }
}

/** Cordoned nodes take only pods that tolerate `node.kubernetes.io/unschedulable`. */
export class NodeUnschedulable implements SchedulerPlugin {
  readonly name = 'NodeUnschedulable';
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'Node',
      action: ClusterAction.Add | ClusterAction.UpdateNodeTaint,
      mayHelp: (_pod, previous, next) =>
        !(next as Node).spec.unschedulable && (!previous || Boolean((previous as Node).spec.unschedulable)),
    },
    {
      resource: 'Pod',
      action: ClusterAction.UpdatePodToleration,
      mayHelp: ({ pod }, _previous, next) => isSamePod(pod, next) && toleratesUnschedulable(next as Pod),
    },
  ];
  readonly #rejection = unresolvable(this.name, 'node(s) were unschedulable');

  filter(_state: CycleState, { pod }: PodInfo, { node }: SchedulingNode): SchedulingStatus | undefined {
    return !node.spec.unschedulable || toleratesUnschedulable(pod) ? undefined : this.#rejection;
  }
}

/** Taints keep pods away (NoSchedule, NoExecute) or count against the node (PreferNoSchedule). */
export class TaintToleration implements SchedulerPlugin {
  readonly name = 'TaintToleration';
  readonly weight = 3;
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'Node',
      action: ClusterAction.Add | ClusterAction.UpdateNodeTaint,
      mayHelp: ({ pod }, previous, next) => (!previous || !isAdmitted(pod, previous as Node)) && isAdmitted(pod, next as Node),
    },
    {
      resource: 'Pod',
      action: ClusterAction.UpdatePodToleration,
      mayHelp: ({ pod }, _previous, next) => isSamePod(pod, next),
    },
  ];
  readonly #rejection = unresolvable(this.name, 'node(s) had untolerated taint(s)');

  filter(_state: CycleState, { pod }: PodInfo, { node }: SchedulingNode): SchedulingStatus | undefined {
    return isAdmitted(pod, node) ? undefined : this.#rejection;
  }

  /** How many soft taints the pod does not tolerate. */
  score(_state: CycleState, { pod }: PodInfo, { node }: SchedulingNode): number {
    let count = 0;
    for (const taint of node.spec.taints ?? []) {
      if (taint.effect === 'PreferNoSchedule' && !isTolerated(taint, pod.spec.tolerations)) count++;
    }
    return count;
  }

  normalizeScores(_state: CycleState, _pod: PodInfo, scores: number[]): void {
    normalizeByMaximum(scores, true);
  }
}

function isAdmitted(pod: Pod, node: Node): boolean {
  return firstUntoleratedTaint(node.spec.taints, pod.spec.tolerations, keepsPodsAway) === undefined;
}

function toleratesUnschedulable(pod: Pod): boolean {
  return isTolerated({ key: taintNodeUnschedulable, effect: 'NoSchedule' }, pod.spec.tolerations);
}

function isSamePod(pod: Pod, other: unknown): boolean {
  return (other as Pod).metadata.uid === pod.metadata.uid;
}
