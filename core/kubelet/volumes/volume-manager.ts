import { CodedError, errorText } from '../../base/errors.js';
import type { Container, Pod, Volume } from '../../api/generated/types.js';
import type { Mount } from '../../contracts/container-runtime.js';

/**
 * Gets a pod's volumes ready before its containers start, and takes them away after its end. One implementation writes to the host;
 * where the runtime is not on the host, only what the volumes refer to is looked at.
 */
export interface VolumeManager {
  /** Begins to watch what the pod refers to. Cheap, may be called on every sync. */
  register(pod: Pod): void;
  /**
   * Resolves when all volumes are mounted but those made of images, with content that is up to date where it can be had. Rejects VOLUME_NOT_READY with a cause
   * for each volume that never was; the manager wakes the pod on changes. May be called on every sync.
   */
  mount(pod: Pod): Promise<void>;
  /** Gets a volume ready that is made of an image, which the runtime has. Before the start of each container that mounts it. */
  mountImage(pod: Pod, volume: Volume, imageId: string): Promise<void>;
  /** Ids of the images that volumes are made of: these are in use. */
  imageIds(): Promise<string[]>;
  /** What of the pod's volumes a container sees, which may depend on its variables. After `mount`. */
  mountsFor(pod: Pod, container: Container, environment: ReadonlyMap<string, string>): Promise<Mount[]>;
  /** Unmounts and removes everything of the pod. Twice is harmless. */
  unmount(podUid: string): Promise<void>;
  /** Pods of which something is left on the host, for the cleaning after a restart. */
  podUids(): Promise<string[]>;
  stop(): Promise<void>;
}

export function volumeNotReady({ name }: Volume, cause: unknown): Error {
  return new CodedError('VOLUME_NOT_READY', `volume ${name}: ${errorText(cause)}`, { cause });
}

export function volumesNotReady(failures: readonly Error[]): Error {
  const cause = new AggregateError(failures);
  return new CodedError('VOLUME_NOT_READY', `${failures.length} volumes are not ready`, { cause });
}

/** Whether no container may write to a volume, whatever its mount says. */
export function isReadOnly({ configMap, secret, projected, downwardAPI, image, persistentVolumeClaim }: Volume): boolean {
  return !!(configMap ?? secret ?? projected ?? downwardAPI ?? image) || (persistentVolumeClaim?.readOnly ?? false);
}
