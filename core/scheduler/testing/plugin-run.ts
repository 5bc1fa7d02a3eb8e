import type { Node, Pod } from '../../api/generated/types.js';
import type { SchedulerPlugin, SchedulingStatus } from '../../contracts/scheduler-plugin.js';
import { SchedulerCache } from '../cache.js';
import { Framework } from '../framework.js';
import { PodInfo } from '../pod-info.js';
import { Nominator } from '../queue/nominator.js';
import { AttemptState } from '../status.js';

/** A cache with these nodes and the pods that name one of them. */
export function cacheOf(nodes: readonly Node[], pods: readonly Pod[] = []): SchedulerCache {
  const cache = new SchedulerCache();
  for (const node of nodes) cache.setNode(node);
  for (const pod of pods) cache.setPod(pod);
  return cache;
}

function text(status: SchedulingStatus | undefined): string {
  if (!status) return 'yes';
  const mark = status.code === 'UnschedulableAndUnresolvable' ? '!' : status.code === 'Unschedulable' ? '' : `${status.code}: `;
  return mark + status.reasons.join(', ');
}

/**
 * What one plugin's filter says of each node: `yes`, or its reasons (with a `!` before those that preemption cannot help). A
 * rejection of all nodes at once is given under `*`.
 */
export function filterAll(plugin: SchedulerPlugin, cache: SchedulerCache, pod: Pod): Record<string, string> {
  const framework = new Framework([plugin], new Nominator());
  const state = new AttemptState();
  const info = new PodInfo({ object: pod });
  const { status, nodeNames } = framework.preFilter(state, info, cache.nodes);
  if (status) return { '*': text(status) };
  const nodes = nodeNames ? cache.nodes.filter(({ name }) => nodeNames.has(name)) : cache.nodes;
  return Object.fromEntries(nodes.map(node => [node.name, text(framework.filter(state, info, node))]));
}

/** One plugin's scores after normalizing, without its weight; all 0 where it has nothing to say. */
export function scoreAll(plugin: SchedulerPlugin, cache: SchedulerCache, pod: Pod): Record<string, number> {
  const framework = new Framework([plugin], new Nominator());
  const scores = framework.score(new AttemptState(), new PodInfo({ object: pod }), cache.nodes);
  return Object.fromEntries(cache.nodes.map(({ name }, index) => [name, scores[index]! / (plugin.weight ?? 1)]));
}

/** Whether an event would bring the pod back, by the plugin's own word. */
export function mayHelp(plugin: SchedulerPlugin, index: number, pod: Pod, previous: unknown, next: unknown): boolean {
  return plugin.events![index]!.mayHelp?.(new PodInfo({ object: pod }), previous, next) ?? true;
}
