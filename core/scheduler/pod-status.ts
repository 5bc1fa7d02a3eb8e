import { Pods } from '../api/generated/resources.js';
import type { Pod, PodCondition } from '../api/generated/types.js';
import type { Clock } from '../base/clock.js';
import type { Client } from '../client/client.js';

export interface PodStatusChange {
  readonly condition?: {
    readonly type: string;
    readonly status: 'True' | 'False';
    readonly reason: string;
    readonly message: string;
  };
  /** '' takes the nomination back; absent leaves it. */
  readonly nominatedNodeName?: string;
}

/** The smallest strategic merge patch that makes the change; undefined when the pod is so already. */
export function podStatusPatch(pod: Pod, { condition, nominatedNodeName }: PodStatusChange, nowMs: number): object | undefined {
  const status: { conditions?: Partial<PodCondition>[]; nominatedNodeName?: string | null } = {};
  if (nominatedNodeName !== undefined && nominatedNodeName !== (pod.status.nominatedNodeName ?? '')) {
    status.nominatedNodeName = nominatedNodeName || null;
  }
  if (condition) {
    const known = pod.status.conditions?.find(({ type }) => type === condition.type);
    const isSame = known?.status === condition.status && known.reason === condition.reason && known.message === condition.message;
    if (!isSame) {
      const timestamp = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
      const lastTransitionTime = known?.status === condition.status ? known.lastTransitionTime : timestamp;
      const { generation } = pod.metadata;
      // The order of keys is that of the type, so that a dump reads as upstream's.
      status.conditions = [
        {
          type: condition.type,
          ...(generation === undefined ? {} : { observedGeneration: generation }),
          status: condition.status,
          lastProbeTime: null,
          lastTransitionTime,
          reason: condition.reason,
          message: condition.message,
        },
      ];
    }
  }
  if (Object.keys(status).length === 0) return undefined;
  // The uid keeps the patch off a later pod of the same name.
  return { metadata: { uid: pod.metadata.uid }, status };
}

/** Writes the change; nothing where there is none. Throws the API's errors. */
export async function patchPodStatus(client: Client, clock: Clock, pod: Pod, change: PodStatusChange): Promise<void> {
  const patch = podStatusPatch(pod, change, clock.now());
  if (!patch) return;
  await client.resource(Pods, pod.metadata.namespace).subresource<Pod>('status').patch(pod.metadata.name, 'strategic', patch);
}
