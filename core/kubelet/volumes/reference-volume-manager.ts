import { CodedError, errorText } from '../../base/errors.js';
import { ConfigMaps, Secrets } from '../../api/generated/resources.js';
import type { Container, Pod, Volume } from '../../api/generated/types.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import type { Mount } from '../../contracts/container-runtime.js';
import { isStatusError } from '../../machinery/status-error.js';
import type { KubeletContext } from '../kubelet-context.js';
import { boundClaim, claimName } from './persistent-claim.js';
import { allContainers, usedVolumes } from './pod-containers.js';
import type { ReferencedObjects } from './referenced-objects.js';
import { subPathOf } from './sub-path.js';
import { isReadOnly, volumeNotReady, volumesNotReady } from './volume-manager.js';
import type { VolumeManager } from './volume-manager.js';

export interface VolumeReference {
  readonly resource: ResourceReference<unknown>;
  readonly name: string;
  readonly optional: boolean;
  /** Keys that must be there. */
  readonly keys: readonly string[];
}

/** The config maps and secrets that a volume is made of. */
export function volumeReferences(volume: Volume): VolumeReference[] {
  const keys = (items: readonly { key: string }[] | undefined): string[] => (items ?? []).map(({ key }) => key);
  const found: VolumeReference[] = [];
  const configMap = (source: { name?: string; optional?: boolean; items?: { key: string }[] }): void => {
    found.push({ resource: ConfigMaps, name: source.name ?? '', optional: source.optional ?? false, keys: keys(source.items) });
  };
  const secret = (source: { optional?: boolean; items?: { key: string }[] }, name: string | undefined): void => {
    found.push({ resource: Secrets, name: name ?? '', optional: source.optional ?? false, keys: keys(source.items) });
  };
  if (volume.configMap) configMap(volume.configMap);
  if (volume.secret) secret(volume.secret, volume.secret.secretName);
  for (const source of volume.projected?.sources ?? []) {
    if (source.configMap) configMap(source.configMap);
    if (source.secret) secret(source.secret, source.secret.name);
  }
  return found;
}

/** Everything of the API that a pod's containers and volumes refer to by name. */
export function podReferences(pod: Pod): VolumeReference[] {
  const found = usedVolumes(pod).flatMap(volumeReferences);
  const add = (resource: ResourceReference<unknown>, name: string | undefined): void => {
    if (name) found.push({ resource, name, optional: true, keys: [] });
  };
  for (const container of allContainers(pod)) {
    for (const { configMapRef, secretRef } of container.envFrom ?? []) {
      add(ConfigMaps, configMapRef?.name);
      add(Secrets, secretRef?.name);
    }
    for (const { valueFrom } of container.env ?? []) {
      add(ConfigMaps, valueFrom?.configMapKeyRef?.name);
      add(Secrets, valueFrom?.secretKeyRef?.name);
    }
  }
  for (const { name } of pod.spec.imagePullSecrets ?? []) add(Secrets, name);
  return found;
}

/** Texts: pkg/volume/configmap, pkg/volume/secret. */
export function keyMissing(kind: string, key: string): Error {
  const text = kind === 'Secret' ? 'references non-existent secret key' : 'configmap references non-existent config key';
  return new CodedError('CONFIG_KEY_MISSING', `${text}: ${key}`);
}

const eventIntervalMs = 60_000;

/**
 * Volumes of a runtime that is not on this host: nothing is written, but a pod waits for what its volumes need, with the events that
 * users look for.
 */
export class ReferenceVolumeManager implements VolumeManager {
  readonly #context: KubeletContext;
  readonly #objects: ReferencedObjects;
  readonly #told = new Map<string, { message: string; atMs: number }>();

  constructor(context: KubeletContext, objects: ReferencedObjects) {
    this.#context = context;
    this.#objects = objects;
  }

  register(pod: Pod): void {
    const { uid = '', namespace = '' } = pod.metadata;
    for (const { resource, name } of podReferences(pod)) this.#objects.register(uid, resource, namespace, name);
  }

  async mount(pod: Pod): Promise<void> {
    const failures: Error[] = [];
    for (const volume of usedVolumes(pod)) {
      try {
        await this.#check(pod, volume);
      } catch (error) {
        this.tell(pod, volume, errorText(error));
        failures.push(volumeNotReady(volume, error));
      }
    }
    if (failures.length > 0) throw volumesNotReady(failures);
  }

  mountImage(): Promise<void> {
    return Promise.resolve();
  }

  imageIds(): Promise<string[]> {
    return Promise.resolve([]);
  }

  async mountsFor(pod: Pod, container: Container, environment: ReadonlyMap<string, string>): Promise<Mount[]> {
    return (container.volumeMounts ?? []).map(mount => {
      subPathOf(mount, environment);
      const volume = pod.spec.volumes?.find(({ name }) => name === mount.name);
      return {
        containerPath: mount.mountPath,
        hostPath: '',
        readOnly: (mount.readOnly ?? false) || (volume !== undefined && isReadOnly(volume)),
        propagation: 'private',
      };
    });
  }

  unmount(podUid: string): Promise<void> {
    for (const key of this.#told.keys()) if (key.startsWith(`${podUid}/`)) this.#told.delete(key);
    this.#objects.unregister(podUid);
    return Promise.resolve();
  }

  podUids(): Promise<string[]> {
    return Promise.resolve([]);
  }

  stop(): Promise<void> {
    this.#told.clear();
    return this.#objects.stop();
  }

  async #check(pod: Pod, volume: Volume): Promise<void> {
    const { namespace = '' } = pod.metadata;
    if (claimName(pod, volume) !== undefined) await boundClaim(this.#context.client, pod, volume);
    for (const { resource, name, optional, keys } of volumeReferences(volume)) {
      let object: { data?: Record<string, string>; binaryData?: Record<string, string> };
      try {
        object = (await this.#objects.get(resource, namespace, name)) as typeof object;
      } catch (error) {
        if (optional && isStatusError(error, 'NotFound')) continue;
        throw error;
      }
      const missing = optional ? undefined : keys.find(key => !hasKey(object.data, key) && !hasKey(object.binaryData, key));
      if (missing !== undefined) {
        throw keyMissing(resource.kind, missing);
      }
    }
  }

  /** The same trouble is told once a minute, not at every wake. */
  tell(pod: Pod, volume: Volume, message: string): void {
    const key = `${pod.metadata.uid}/${volume.name}`;
    const nowMs = this.#context.clock.now();
    const last = this.#told.get(key);
    if (last?.message === message && nowMs - last.atMs < eventIntervalMs) return;
    this.#told.set(key, { message, atMs: nowMs });
    const text = `MountVolume.SetUp failed for volume "${volume.name}" : ${message}`;
    this.#context.recorder.event(pod, 'Warning', 'FailedMount', text);
  }
}

function hasKey(data: Readonly<Record<string, string>> | undefined, key: string): boolean {
  return data !== undefined && Object.hasOwn(data, key);
}
