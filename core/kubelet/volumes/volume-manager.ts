import type { Container, Pod } from '../../api/generated/types.js';
import type { Mount } from '../../contracts/container-runtime.js';

/**
 * Gets a pod's volumes ready before its containers start, and takes them away after its end. One implementation writes to the host;
 * where the runtime is not on the host, only what the volumes refer to is looked at.
 */
export interface VolumeManager {
  /** Begins to watch what the pod refers to. Cheap, may be called on every sync. */
  register(pod: Pod): void;
  /** Resolves when all volumes are mounted. Rejects VOLUME_NOT_READY with a cause for each; the manager wakes the pod on changes. */
  mount(pod: Pod): Promise<void>;
  /** What of the pod's volumes a container sees. After `mount`. */
  mountsFor(pod: Pod, container: Container): Promise<Mount[]>;
  /** Unmounts and removes everything of the pod. Twice is harmless. */
  unmount(podUid: string): Promise<void>;
  /** Pods of which something is left on the host, for the cleaning after a restart. */
  podUids(): Promise<string[]>;
  stop(): Promise<void>;
}
