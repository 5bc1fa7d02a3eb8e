import type { Pod, PodStatus } from '../../api/generated/types.js';
import type { ProbeCount } from '../probes/probe-counts.js';
import type { PodRuntimeState } from '../runtime/pod-runtime-state.js';

/** What the kubelet knows of its pods, as it runs them, for its HTTPS API: static pods are found by their mirrors' names. */
export interface NodePods {
  list(): readonly Pod[];
  find(namespace: string, name: string): Pod | undefined;
  /** By what the API knows the pod: of a static pod its mirror's uid, while it has one. */
  apiUid(pod: Pod): string | undefined;
  /** Newer than the object's own. */
  status(pod: Pod): PodStatus | undefined;
  runtimeState(podUid: string): PodRuntimeState;
  /** On this host; none where the runtime is elsewhere. */
  processes(podUid: string): Promise<readonly number[]>;
  probeCounts(): Iterable<ProbeCount>;
}
