import { Pods } from '../api/generated/resources.js';
import type { Pod, PodCondition } from '../api/generated/types.js';
import { podCondition } from '../api/pods.js';
import { nowTime } from '../api/time.js';
import type { ControllerContext } from './controller.js';

export interface PodStatusChange {
  readonly condition?: Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;
  readonly phase?: string;
}

/** Writes one condition, and a phase, of this very pod. Does nothing where they are there already. */
export async function patchPodStatus(context: ControllerContext, pod: Pod, { condition, phase }: PodStatusChange): Promise<void> {
  const { namespace, name, uid } = pod.metadata;
  const status: { phase?: string; conditions?: object[] } = {};
  if (phase !== undefined && pod.status?.phase !== phase) status.phase = phase;
  if (condition) {
    const known = podCondition(pod, condition.type);
    const changed = known?.status !== condition.status;
    if (changed || known.reason !== condition.reason || known.message !== condition.message) {
      const observedGeneration = known?.observedGeneration === undefined ? undefined : pod.metadata.generation;
      status.conditions = [
        { ...condition, observedGeneration, ...(changed ? { lastTransitionTime: nowTime(context.clock) } : {}) },
      ];
    }
  }
  if (Object.keys(status).length === 0) return;
  await context.client.resource(Pods, namespace).subresource('status').patch(name, 'strategic', { metadata: { uid }, status });
}
