import type { Node, NodeSelectorTerm } from '../../api/generated/types.js';
import { preferredNodeAffinityScore, requiredNodeAffinityMatches } from '../../api/node-affinity.js';
import { ClusterAction } from '../../contracts/scheduler-plugin.js';
import type {
  CycleState,
  PluginEvent,
  PreFilterResult,
  SchedulerPlugin,
  SchedulingNode,
  SchedulingStatus,
} from '../../contracts/scheduler-plugin.js';
import type { PodInfo } from '../pod-info.js';
import { skip, unresolvable } from '../status.js';
import { normalizeByMaximum } from './normalize.js';

/** `nodeSelector` and node affinity. */
export class NodeAffinity implements SchedulerPlugin {
  readonly name = 'NodeAffinity';
  readonly weight = 2;
  readonly events: readonly PluginEvent[] = [
    {
      resource: 'Node',
      action: ClusterAction.Add | ClusterAction.UpdateNodeLabel,
      mayHelp: ({ pod }, previous, next) =>
        requiredNodeAffinityMatches(pod, next as Node) && (!previous || !requiredNodeAffinityMatches(pod, previous as Node)),
    },
  ];
  readonly #rejection = unresolvable(this.name, "node(s) didn't match Pod's node affinity/selector");

  preFilter(_state: CycleState, { pod }: PodInfo): PreFilterResult | undefined {
    const required = pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    if (!required) return pod.spec.nodeSelector ? undefined : { status: skip };
    const terms = required.nodeSelectorTerms ?? [];
    if (terms.length === 0) return undefined;
    // Where every term names its nodes, as a DaemonSet's pods do, no other node is worth a look.
    const names = new Set<string>();
    for (const term of terms) {
      const termNames = namedNodes(term);
      if (!termNames) return undefined;
      for (const name of termNames) names.add(name);
    }
    if (names.size === 0) return { status: unresolvable(this.name, 'pod affinity terms conflict') };
    return { nodeNames: names };
  }

  filter(_state: CycleState, { pod }: PodInfo, { node }: SchedulingNode): SchedulingStatus | undefined {
    return requiredNodeAffinityMatches(pod, node) ? undefined : this.#rejection;
  }

  preScore(_state: CycleState, { pod }: PodInfo): SchedulingStatus | undefined {
    return pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ? undefined : skip;
  }

  score(_state: CycleState, { pod }: PodInfo, { node }: SchedulingNode): number {
    return preferredNodeAffinityScore(
      pod.spec.affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [],
      node,
    );
  }

  normalizeScores(_state: CycleState, _pod: PodInfo, scores: number[]): void {
    normalizeByMaximum(scores, false);
  }
}

function namedNodes(term: NodeSelectorTerm): ReadonlySet<string> | undefined {
  let names: Set<string> | undefined;
  for (const { key, operator, values } of term.matchFields ?? []) {
    if (key !== 'metadata.name' || operator !== 'In') continue;
    const more = values ?? [];
    names = names ? new Set(more.filter(name => names!.has(name))) : new Set(more);
  }
  return names;
}
