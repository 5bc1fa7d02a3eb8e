import type { Pod, PodStatus } from '../../api/generated/types.js';
import type { ProbeCount } from '../probes/probe-counts.js';
import type { PodRuntimeState } from '../runtime/pod-runtime-state.js';

/** What the kubelet knows of its pods, for its HTTPS API. */
export interface NodePods {
  list(): readonly Pod[];
  find(namespace: string, name: string): Pod | undefined;
  /** Newer than the object's own. */
  status(pod: Pod): PodStatus | undefined;
  runtimeState(podUid: string): PodRuntimeState;
  /** On this host; none where the runtime is elsewhere. */
  processes(podUid: string): Promise<readonly number[]>;
  probeCounts(): Iterable<ProbeCount>;
}
