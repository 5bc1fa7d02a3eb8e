import type { Container, Pod, PodStatus } from '../../api/generated/types.js';
import type { Refusal } from '../admission/admit-pod.js';
import type { DeviceManager } from '../devices/device-manager.js';
import type { DeviceOptions } from '../devices/pod-devices.js';

/** All that the kubelet has of the plugins of its node. */
export interface KubeletPlugins extends PodPlugins {
  readonly devices: Pick<DeviceManager, 'isNew' | 'resources'>;
  /** Before the Node says what it offers. */
  load(): Promise<void>;
  /** When the node is registered. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

/** What plugins of the node do for its pods. */
export interface PodPlugins {
  /** Gives the pod its devices; undefined when it has them. Before anything of it runs. */
  admit(pod: Pod): Promise<Refusal | undefined>;
  /** How many devices of each resource are held, when the pod holds any. */
  heldFor(pod: Pod): ReadonlyMap<string, number>;
  /** What the pod claims is made ready. Before its sandbox is made; rejects while that cannot be. */
  prepare(pod: Pod): Promise<void>;
  /** Undefined when no plugin has anything for it. */
  containerOptions(pod: Pod, container: Container): Promise<DeviceOptions | undefined>;
  decorate(pod: Pod, status: PodStatus): PodStatus;
  /** What the pod claims is given back. When nothing of it runs any more; rejects while that cannot be. */
  release(pod: Pod): Promise<void>;
}
