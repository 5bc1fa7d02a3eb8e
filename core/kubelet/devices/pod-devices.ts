import type { ContainerSpec, Mount } from '../../contracts/container-runtime.js';
import type { DeviceContainerAllocateResponse } from '../extensions/generated/wire-tables.js';

/** Devices that have a place in no memory node. */
export const withoutNode = -1;

/** What a container was given of one resource. */
export interface DeviceAllocation {
  /** By the node of the machine's memory that they are near to. */
  readonly devices: ReadonlyMap<number, readonly string[]>;
  /** What the plugin says that a container with these devices needs. */
  readonly response: DeviceContainerAllocateResponse;
}

export function devicesOf({ devices }: DeviceAllocation): Set<string> {
  return new Set([...devices.values()].flat());
}

const none: ReadonlyMap<string, DeviceAllocation> = new Map();

/** Which containers hold which devices: by pod, container and resource. */
export class PodDevices {
  readonly #pods = new Map<string, Map<string, Map<string, DeviceAllocation>>>();

  has(podUid: string): boolean {
    return this.#pods.has(podUid);
  }

  set(podUid: string, container: string, resource: string, allocation: DeviceAllocation): void {
    const containers = this.#pods.get(podUid) ?? new Map<string, Map<string, DeviceAllocation>>();
    const resources = containers.get(container) ?? new Map<string, DeviceAllocation>();
    this.#pods.set(podUid, containers.set(container, resources.set(resource, allocation)));
  }

  delete(podUid: string): void {
    this.#pods.delete(podUid);
  }

  podUids(): string[] {
    return [...this.#pods.keys()];
  }

  /** By resource. */
  container(podUid: string, container: string): ReadonlyMap<string, DeviceAllocation> {
    return this.#pods.get(podUid)?.get(container) ?? none;
  }

  *all(): Generator<{ podUid: string; container: string; resource: string; allocation: DeviceAllocation }> {
    for (const [podUid, containers] of this.#pods) {
      for (const [container, resources] of containers) {
        for (const [resource, allocation] of resources) yield { podUid, container, resource, allocation };
      }
    }
  }

  /** All that are held, by resource. */
  allocated(): Map<string, Set<string>> {
    const held = new Map<string, Set<string>>();
    for (const { resource, allocation } of this.all()) {
      const ids = held.get(resource) ?? new Set();
      for (const id of devicesOf(allocation)) ids.add(id);
      held.set(resource, ids);
    }
    return held;
  }

  /** Pods that hold one of the devices. */
  holders(resource: string, ids: ReadonlySet<string>): Set<string> {
    const holders = new Set<string>();
    for (const entry of this.all()) {
      if (entry.resource !== resource) continue;
      for (const id of devicesOf(entry.allocation)) if (ids.has(id)) holders.add(entry.podUid);
    }
    return holders;
  }
}

/** What devices add to a container. */
export interface DeviceOptions {
  readonly environment: ReadonlyMap<string, string>;
  readonly mounts: readonly Mount[];
  readonly devices: ContainerSpec['devices'];
  readonly annotations: Readonly<Record<string, string>>;
  /** Fully qualified names of the Container Device Interface, `vendor.com/class=name`. */
  readonly cdiDevices: readonly string[];
}

/** Together, of all resources of a container. What two of them say differently is told of, and the first one's holds. */
export function deviceOptions(
  allocations: ReadonlyMap<string, DeviceAllocation>,
  conflict: (what: string, name: string) => void,
): DeviceOptions {
  const environment = new Map<string, string>();
  const mounts = new Map<string, Mount>();
  const devices = new Map<string, ContainerSpec['devices'][number]>();
  const annotations = new Map<string, string>();
  const cdiDevices = new Set<string>();
  const add = <T>(map: Map<string, T>, what: string, name: string, value: T, same: (before: T) => boolean): void => {
    const before = map.get(name);
    if (before === undefined) map.set(name, value);
    else if (!same(before)) conflict(what, name);
  };
  for (const [, { response }] of [...allocations].sort(([a], [b]) => (a < b ? -1 : 1))) {
    for (const [name, value] of Object.entries(response.envs ?? {})) {
      add(environment, 'environment variable', name, value, before => before === value);
    }
    for (const { containerPath = '', hostPath = '', permissions = '' } of response.devices ?? []) {
      const device = { containerPath, hostPath, permissions };
      add(devices, 'device', containerPath, device, before => before.hostPath === hostPath);
    }
    for (const { containerPath = '', hostPath = '', readOnly = false } of response.mounts ?? []) {
      const mount: Mount = { containerPath, hostPath, readOnly, propagation: 'private' };
      add(mounts, 'mount', containerPath, mount, before => before.hostPath === hostPath);
    }
    for (const [name, value] of Object.entries(response.annotations ?? {})) {
      add(annotations, 'annotation', name, value, before => before === value);
    }
    for (const { name = '' } of response.cdiDevices ?? []) cdiDevices.add(name);
  }
  return {
    environment,
    mounts: [...mounts.values()],
    devices: [...devices.values()],
    annotations: Object.fromEntries(annotations),
    cdiDevices: [...cdiDevices],
  };
}
