import { join } from 'node:path';
import type { Disposable } from '../../base/disposable.js';
import { CodedError, errorText } from '../../base/errors.js';
import { ResourceClaims } from '../../api/generated/resources.js';
import type { Container, Pod, PodResourceClaim, PodStatus, ResourceClaim, ResourceStatus } from '../../api/generated/types.js';
import { foreignClaimFault, isReservedFor, podClaimName } from '../../api/resource-claims.js';
import type { PodResourcesDynamicResource } from '../extensions/generated/wire-tables.js';
import type { PluginHandler } from '../extensions/plugin-registry.js';
import type { KubeletContext } from '../kubelet-context.js';
import { podUid } from '../kubelet-context.js';
import { readClaimCheckpoint, writeClaimCheckpoint } from './claim-checkpoint.js';
import type { ClaimDevice, KnownClaim } from './claim-checkpoint.js';
import { DeviceHealthTable } from './device-health.js';
import { DriverRegistry } from './driver-registry.js';

export interface ClaimManagerOptions {
  readonly context: KubeletContext;
  /** Pods that may use claims; undefined while they are not all known. */
  readonly activePods: () => ReadonlySet<string> | undefined;
  /** The health of a device of the pod has changed. */
  readonly wake: (podUid: string) => void;
}

const reconcileMs = 60_000;

/**
 * Makes the claims of pods ready by the drivers of their devices, and gives them back. Source: pkg/kubelet/cm/dra.
 */
export class ClaimManager {
  readonly #options: ClaimManagerOptions;
  readonly #claims = new Map<string, KnownClaim>();
  /** Of these the devices are known to be ready; what an earlier kubelet did is asked for anew. */
  readonly #prepared = new Set<KnownClaim>();
  readonly #drivers: DriverRegistry;
  readonly #health: DeviceHealthTable;
  /** What is done about a claim, in the order in which it was asked for. */
  readonly #busy = new Map<string, Promise<unknown>>();
  #writing: Promise<void> = Promise.resolve();
  #timer: Disposable | undefined;
  #stopped = false;

  constructor(options: ClaimManagerOptions) {
    this.#options = options;
    this.#health = new DeviceHealthTable(options.context.clock);
    this.#drivers = new DriverRegistry({
      context: options.context,
      health: (driver, devices) => {
        const changed = this.#health.update(driver, devices);
        if (changed.size > 0) this.#wakeUsers(driver, changed);
      },
    });
  }

  get drivers(): PluginHandler {
    return this.#drivers;
  }

  get #file(): string {
    return join(this.#options.context.settings.rootDir, 'dra_manager_state');
  }

  /** Learns which claims were ready before. */
  async start(): Promise<void> {
    try {
      for (const claim of await readClaimCheckpoint(this.#file)) this.#claims.set(keyOf(claim.namespace, claim.name), claim);
    } catch (error) {
      this.#options.context.logger.error('it is not known which claims of pods are ready', { error });
    }
    this.#drivers.start();
    this.#arm();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    void this.#timer?.dispose();
    await this.#drivers.stop();
    await Promise.all(this.#busy.values());
    await this.#writing;
  }

  #arm(): void {
    this.#timer = this.#options.context.clock.setTimer(reconcileMs, () => {
      void this.#giveBackUnused().then(() => {
        if (!this.#stopped) this.#arm();
      });
    });
  }

  /** Of pods that ended while there was no kubelet. Never rejects. */
  async #giveBackUnused(): Promise<void> {
    const active = this.#options.activePods();
    if (!active) return;
    for (const { namespace, name, pods } of [...this.#claims.values()]) {
      for (const uid of pods) {
        if (active.has(uid)) continue;
        await this.#unprepare(uid, namespace, [name]).catch(error =>
          this.#options.context.logger.warn('a claim could not be given back', { claim: keyOf(namespace, name), error }),
        );
      }
    }
  }

  /** Rejects while a claim is not the pod's to use or its driver does not make it ready. */
  async prepare(pod: Pod): Promise<void> {
    const entries = claimEntries(pod);
    if (entries.length === 0) return;
    try {
      const claims: ResourceClaim[] = [];
      for (const entry of entries) {
        const claim = await this.#allowedClaim(pod, entry);
        if (claim) claims.push(claim);
      }
      const namespace = pod.metadata.namespace ?? '';
      const keys = claims.map(({ metadata }) => keyOf(namespace, metadata.name));
      await this.#inTurn(keys, () => this.#prepareAll(podUid(pod), claims));
    } catch (error) {
      throw new CodedError('CLAIMS', `prepare dynamic resources: ${errorText(error)}`);
    }
  }

  /** Undefined when the pod needs none. */
  async #allowedClaim(pod: Pod, entry: PodResourceClaim): Promise<ResourceClaim | undefined> {
    const found = podClaimName(pod, entry);
    if ('fault' in found) throw new CodedError('CLAIMS', found.text);
    if (found.name === undefined) return undefined;
    const { metadata } = pod;
    let claim: ResourceClaim;
    try {
      claim = await this.#options.context.client.resource(ResourceClaims, metadata.namespace).get(found.name);
    } catch (error) {
      throw new CodedError('CLAIMS', `fetch ResourceClaim ${found.name}: ${errorText(error)}`);
    }
    const foreign = found.isGenerated ? foreignClaimFault(pod, claim) : undefined;
    if (foreign !== undefined) throw new CodedError('CLAIMS', foreign);
    if (!isReservedFor(claim, metadata.uid)) {
      const text = `pod ${metadata.name} (${metadata.uid}) is not allowed to use ResourceClaim ${found.name} (${claim.metadata.uid})`;
      throw new CodedError('CLAIMS', text);
    }
    if (!claim.status.allocation) throw new CodedError('CLAIMS', `ResourceClaim ${found.name}: not allocated`);
    // Before anything is noted: a driver that is not there has nothing to give back.
    for (const driver of driversOf(claim)) this.#drivers.get(driver);
    return claim;
  }

  async #prepareAll(podUid: string, claims: readonly ResourceClaim[]): Promise<void> {
    const pending = new Map<string, KnownClaim>();
    for (const claim of claims) {
      const { name, namespace = '', uid = '' } = claim.metadata;
      const key = keyOf(namespace, name);
      const known = this.#claims.get(key) ?? {
        uid,
        name,
        namespace,
        pods: new Set(),
        drivers: new Map(driversOf(claim).map(driver => [driver, []])),
      };
      if (known.uid !== uid) {
        const text = `old ResourceClaim with same name ${name} and different UID ${known.uid} still exists (previous pod force-deleted?!)`;
        throw new CodedError('CLAIMS', text);
      }
      this.#claims.set(key, known);
      known.pods.add(podUid);
      if (!this.#prepared.has(known)) pending.set(uid, known);
    }
    // A driver that was asked has to be asked to undo it, whatever comes between.
    await this.#write();
    for (const [driver, batch] of byDriver(pending.values())) {
      const ready = await this.#drivers.get(driver).prepare(batch.map(wireClaim));
      for (const [uid, devices] of ready) {
        const described = devices.map(({ poolName = '', deviceName = '', shareId, requestNames = [], cdiDeviceIds = [] }) => {
          return { pool: poolName, device: deviceName, shareId, requests: requestNames, cdiDevices: cdiDeviceIds };
        });
        pending.get(uid)!.drivers.set(driver, described);
      }
    }
    for (const known of pending.values()) this.#prepared.add(known);
    if (pending.size > 0) await this.#write();
  }

  /** Rejects while a driver does not take a claim back. */
  async release(pod: Pod): Promise<void> {
    // A claim that was never made, or that the pod never got, has not been made ready either.
    const names = claimEntries(pod).flatMap(entry => {
      const found = podClaimName(pod, entry);
      return 'fault' in found || found.name === undefined ? [] : [found.name];
    });
    try {
      await this.#unprepare(podUid(pod), pod.metadata.namespace ?? '', names);
    } catch (error) {
      throw new CodedError('CLAIMS', `unprepare dynamic resources: ${errorText(error)}`);
    }
  }

  async #unprepare(uid: string, namespace: string, names: readonly string[]): Promise<void> {
    const keys = names.map(name => keyOf(namespace, name));
    if (!keys.some(key => this.#claims.get(key)?.pods.has(uid))) return;
    await this.#inTurn(keys, async () => {
      const unused: KnownClaim[] = [];
      for (const key of keys) {
        const known = this.#claims.get(key);
        if (!known?.pods.has(uid)) continue;
        if (known.pods.size > 1) known.pods.delete(uid);
        else unused.push(known);
      }
      for (const [driver, batch] of byDriver(unused)) await this.#drivers.get(driver).unprepare(batch.map(wireClaim));
      for (const known of unused) {
        this.#claims.delete(keyOf(known.namespace, known.name));
        this.#prepared.delete(known);
      }
      await this.#write();
    });
  }

  /** Names of the Container Device Interface of all that the container is to get. Throws `CLAIMS` for what was not made ready. */
  cdiDevices(pod: Pod, container: Container): string[] {
    const names = this.#used(pod, container).flatMap(({ claimName, requests }) => {
      const known = this.#claims.get(keyOf(pod.metadata.namespace ?? '', claimName));
      if (!known) {
        const text = `internal error: unable to get claim info for ResourceClaim ${claimName} in namespace ${pod.metadata.namespace}`;
        throw new CodedError('CLAIMS', text);
      }
      const devices = [...known.drivers.values()].flat();
      return requests.flatMap(request => devices.filter(own => serves(own, request)).flatMap(({ cdiDevices }) => cdiDevices));
    });
    return [...new Set(names)];
  }

  /** The claims that the container uses, with the requests in them that it names; '' for all. */
  #used(pod: Pod, container: Container): { claimName: string; requests: string[] }[] {
    const used = (pod.spec.resourceClaims ?? []).flatMap(entry => {
      const requests = (container.resources?.claims ?? [])
        .filter(({ name }) => name === entry.name)
        .map(own => own.request ?? '');
      const found = podClaimName(pod, entry);
      if (requests.length === 0 || 'fault' in found || found.name === undefined) return [];
      return [{ claimName: found.name, requests }];
    });
    const extended = pod.status?.extendedResourceClaimStatus;
    const mapped = (extended?.requestMappings ?? []).filter(({ containerName }) => containerName === container.name);
    const requests = mapped.map(({ requestName }) => requestName);
    return extended && requests.length > 0 ? [...used, { claimName: extended.resourceClaimName, requests }] : used;
  }

  /** With the health of the devices of claims. */
  decorate(pod: Pod, status: PodStatus): PodStatus {
    if (!pod.spec.resourceClaims?.length) return status;
    const containerStatuses = (status.containerStatuses ?? []).map(own => {
      const container = pod.spec.containers.find(({ name }) => name === own.name);
      const resources = container ? this.#resourceStatuses(pod, container) : [];
      if (resources.length === 0) return own;
      return { ...own, allocatedResourcesStatus: [...(own.allocatedResourcesStatus ?? []), ...resources] };
    });
    return { ...status, containerStatuses };
  }

  #resourceStatuses(pod: Pod, container: Container): ResourceStatus[] {
    return (container.resources?.claims ?? []).flatMap(({ name, request = '' }) => {
      const entry = pod.spec.resourceClaims?.find(own => own.name === name);
      const found = entry && podClaimName(pod, entry);
      if (!found || 'fault' in found || found.name === undefined) return [];
      const known = this.#claims.get(keyOf(pod.metadata.namespace ?? '', found.name));
      const resources = new Map<string, { resourceID: string; health: string; message?: string }>();
      for (const [driver, devices] of known?.drivers ?? []) {
        // An alternative of a request, `request/alternative`, has the devices of the request.
        for (const device of devices.filter(own => serves(own, request.split('/')[0]!))) {
          const resourceID = device.cdiDevices[0] ?? `${driver}/${device.pool}/${device.device}`;
          const { health, message } = this.#health.get(driver, device.pool, device.device);
          if (!resources.has(resourceID)) resources.set(resourceID, { resourceID, health, ...(message ? { message } : {}) });
        }
      }
      if (resources.size === 0) return [];
      return [{ name: `claim:${name}${request ? `/${request}` : ''}`, resources: [...resources.values()] }];
    });
  }

  /** For the pod resources API. */
  held(pod: Pod, container: Container): PodResourcesDynamicResource[] {
    const claimNamespace = pod.metadata.namespace ?? '';
    return this.#used(pod, container).flatMap(({ claimName }) => {
      const known = this.#claims.get(keyOf(claimNamespace, claimName));
      if (!known) return [];
      const claimResources = Array.from(known.drivers).flatMap(([driverName, devices]) =>
        devices.map(({ pool: poolName, device: deviceName, shareId, cdiDevices }) => ({
          cdiDevices: cdiDevices.map(name => ({ name })),
          driverName,
          poolName,
          deviceName,
          ...(shareId === undefined ? {} : { shareId }),
        })),
      );
      return [{ claimName, claimNamespace, claimResources }];
    });
  }

  #wakeUsers(driver: string, changed: ReadonlySet<string>): void {
    for (const { drivers, pods } of this.#claims.values()) {
      const devices = drivers.get(driver) ?? [];
      if (!devices.some(({ pool, device }) => changed.has(`${pool}/${device}`))) continue;
      for (const uid of pods) this.#options.wake(uid);
    }
  }

  async #inTurn(keys: readonly string[], work: () => Promise<void>): Promise<void> {
    const before = Promise.all(keys.map(key => this.#busy.get(key) ?? Promise.resolve()));
    const done = before.then(work);
    const settled = done.catch(() => undefined);
    for (const key of keys) this.#busy.set(key, settled);
    try {
      await done;
    } finally {
      for (const key of keys) if (this.#busy.get(key) === settled) this.#busy.delete(key);
    }
  }

  /** What is there when its turn comes. */
  #write(): Promise<void> {
    const written = this.#writing.then(() => writeClaimCheckpoint(this.#file, this.#claims.values()));
    this.#writing = written.catch(() => undefined);
    return written;
  }
}

/** The pod's own, and the one that the scheduler made for its extended resources. */
function claimEntries({ spec, status }: Pod): readonly PodResourceClaim[] {
  const extended = status?.extendedResourceClaimStatus;
  const entries = spec.resourceClaims ?? [];
  return extended ? [...entries, { name: '', resourceClaimName: extended.resourceClaimName }] : entries;
}

function keyOf(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}

function driversOf({ status }: ResourceClaim): string[] {
  return [...new Set((status.allocation?.devices.results ?? []).map(({ driver }) => driver))];
}

function serves({ requests }: ClaimDevice, request: string): boolean {
  return request === '' || requests.length === 0 || requests.includes(request);
}

function wireClaim({ namespace, name, uid }: KnownClaim): { namespace: string; name: string; uid: string } {
  return { namespace, name, uid };
}

function byDriver(claims: Iterable<KnownClaim>): Map<string, KnownClaim[]> {
  const batches = new Map<string, KnownClaim[]>();
  for (const claim of claims) {
    for (const driver of claim.drivers.keys()) batches.set(driver, [...(batches.get(driver) ?? []), claim]);
  }
  return batches;
}
