import type { IPAddress, ServiceCIDR } from '../api/generated/types.js';
import { IPAddresses, ServiceCIDRs } from '../api/generated/resources.js';
import type { Clock } from '../base/clock.js';
import type { Disposable } from '../base/disposable.js';
import { DisposableStore } from '../base/disposable.js';
import { CodedError, errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { Reservation, ServiceAllocator, ServiceClaim, ServiceFamily } from '../contracts/service-allocator.js';
import { parseAddress } from '../machinery/names.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ApiServer } from './api-server.js';
import { apiServerIdentity } from './bootstrap.js';
import { feedFrom } from './cache-feed.js';
import type { InMemoryServiceAllocator } from './resources/core/service-allocator.js';

const managedByLabel = 'ipaddress.kubernetes.io/managed-by';
const familyLabel = 'ipaddress.kubernetes.io/ip-family';
const manager = 'ipallocator.k8s.io';
/** An IPAddress is written before its Service: so long it may wait for it. */
const orphanGraceMs = 60_000;
const repairEveryMs = 5 * 60_000;
/** After an IPAddress was deleted under its Service. */
const repairSoonMs = 1000;
const repairsAtOnce = 32;

/**
 * Addresses of Services as IPAddress objects, out of the ranges that ServiceCIDR objects name. Memory picks; the object, which only
 * one writer can create, decides, also between servers that share a datastore. What a crash left behind is repaired.
 * Source: pkg/registry/core/service/ipallocator, KEP-1880.
 */
export class ServiceAddresses implements ServiceAllocator {
  readonly #memory: InMemoryServiceAllocator;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #server: ApiServer | undefined;
  #repairing: Promise<void> | undefined;

  constructor(memory: InMemoryServiceAllocator, clock: Clock, logger: Logger) {
    this.#memory = memory;
    this.#clock = clock;
    this.#logger = logger;
  }

  get families(): readonly ServiceFamily[] {
    return this.#memory.families;
  }

  suggestAddress(family: ServiceFamily, dryRun: boolean): string {
    return this.#memory.suggestAddress(family, dryRun);
  }

  suggestPort(dryRun: boolean): number {
    return this.#memory.suggestPort(dryRun);
  }

  addressProblem(address: string): string | undefined {
    return this.#memory.addressProblem(address);
  }

  portProblem(port: number): string | undefined {
    return this.#memory.portProblem(port);
  }

  clear(): void {
    this.#memory.clear();
  }

  async reserve(claim: ServiceClaim): Promise<Reservation> {
    const undo = this.#memory.reserve(claim);
    const created: IPAddress[] = [];
    const rollback = async (): Promise<void> => {
      await Promise.all(created.map(object => this.#delete(object)));
      undo();
    };
    try {
      for (const address of claim.addresses) created.push(await this.#create(claim.service, address));
    } catch (error) {
      await rollback();
      if (!isStatusError(error, 'AlreadyExists')) throw error;
      throw new CodedError('ALREADY_ALLOCATED', 'provided IP is already allocated', { cause: error });
    }
    return rollback;
  }

  /** The Service has gone: so do its objects. What fails here is left to the repair. */
  async release(claim: ServiceClaim): Promise<void> {
    this.#memory.release(claim);
    await Promise.all(claim.addresses.map(address => this.#releaseObject(claim.service, canonical(address))));
  }

  record(claim: ServiceClaim): void {
    const before = this.#memory.claim(claim.service);
    this.#memory.record(claim);
    // A Service that went on without an address; one that was deleted is released by who deleted it.
    if (!before || (claim.addresses.length === 0 && claim.ports.length === 0 && !this.#isStored(claim.service))) return;
    const kept = new Set(claim.addresses.map(canonical));
    for (const address of before.addresses) if (!kept.has(address)) void this.#releaseObject(claim.service, address);
  }

  /** Follows the objects of a server that is about to start. */
  attach(server: ApiServer): Disposable {
    this.#server = server;
    const held = new DisposableStore();
    const ranges = (): void => {
      const cidrs = this.#readyRanges();
      if (cidrs) this.#memory.setRanges(cidrs);
    };
    held.add(feedFrom(server, ServiceCIDRs, { upsert: ranges, delete: ranges }));
    held.add(
      feedFrom(server, IPAddresses, {
        upsert: object => this.#memory.setObject(object.metadata.name!, true),
        delete: (_namespace, name) => {
          this.#memory.setObject(name, false);
          if (this.#memory.isTaken(name)) arm(repairSoonMs);
        },
      }),
    );
    let timer: Disposable | undefined;
    let stopped = false;
    const arm = (waitMs: number): void => {
      void timer?.dispose();
      if (stopped) return;
      timer = this.#clock.setTimer(waitMs, () => {
        void this.repair().finally(() => arm(repairEveryMs));
      });
    };
    arm(repairSoonMs);
    held.addCallback(async () => {
      stopped = true;
      await timer?.dispose();
      await this.#repairing;
    });
    return held;
  }

  /** Gives every Service's address its object, and removes those that no Service has. Never rejects. */
  repair(): Promise<void> {
    this.#repairing ??= this.#repair()
      .catch((error: unknown) => {
        this.#logger.warn('addresses of Services could not be repaired and are tried again later', { error: errorText(error) });
      })
      .finally(() => {
        this.#repairing = undefined;
      });
    return this.#repairing;
  }

  async #repair(): Promise<void> {
    const missing = [...this.#memory.withoutObject()];
    for (let at = 0; at < missing.length; at += repairsAtOnce) {
      await Promise.all(
        missing.slice(at, at + repairsAtOnce).map(async ({ service, address }) => {
          try {
            await this.#create(service, address);
          } catch (error) {
            if (!isStatusError(error, 'AlreadyExists')) throw error;
          }
        }),
      );
    }
    for (const address of [...this.#memory.withoutService()]) {
      const object = this.#object(address);
      if (!object || object.metadata.labels?.[managedByLabel] !== manager) continue;
      const ageMs = this.#clock.now() - Date.parse(object.metadata.creationTimestamp ?? '');
      if (ageMs > orphanGraceMs) await this.#delete(object);
    }
  }

  /** Undefined while there is no ServiceCIDR at all: the cluster is being made. */
  #readyRanges(): string[] | undefined {
    const cache = this.#server?.endpoint('networking.k8s.io', 'v1', 'servicecidrs')?.served.store.cache;
    const all = Array.from(cache?.entries() ?? [], ({ object }) => object as unknown as ServiceCIDR);
    if (all.length === 0) return undefined;
    const ready = all.filter(({ metadata, status }) => {
      const condition = status?.conditions?.find(({ type }) => type === 'Ready');
      // Without a condition it counts as ready: nobody may be there to set it.
      return metadata.deletionTimestamp === undefined && (condition?.status ?? 'True') === 'True';
    });
    return [...new Set(ready.flatMap(({ spec }) => spec.cidrs ?? []))];
  }

  #isStored(service: string): boolean {
    const [namespace = '', name = ''] = service.split('/');
    return this.#server?.endpoint('', 'v1', 'services')?.served.store.cache.get(namespace, name) !== undefined;
  }

  /** As the cache shows it. */
  #object(address: string): Readonly<IPAddress> | undefined {
    const cache = this.#server?.endpoint('networking.k8s.io', 'v1', 'ipaddresses')?.served.store.cache;
    return cache?.get('', address)?.object as Readonly<IPAddress> | undefined;
  }

  async #create(service: string, text: string): Promise<IPAddress> {
    const [namespace, parent] = service.split('/');
    const name = canonical(text);
    return this.#api.transport.create<IPAddress>({
      ...this.#call,
      object: {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'IPAddress',
        metadata: { name, labels: { [familyLabel]: name.includes(':') ? 'IPv6' : 'IPv4', [managedByLabel]: manager } },
        spec: { parentRef: { group: '', resource: 'services', namespace, name: parent } },
      },
    });
  }

  async #releaseObject(service: string, address: string): Promise<void> {
    // The newest state: the object may be younger than what the cache shows.
    let object: IPAddress;
    try {
      object = await this.#api.transport.get<IPAddress>({ ...this.#call, name: address });
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) this.#failed(address, error);
      return;
    }
    const { parentRef } = object.spec;
    const isOurs = !parentRef?.group && parentRef?.resource === 'services';
    if (isOurs && `${parentRef?.namespace}/${parentRef?.name}` === service) await this.#delete(object);
  }

  async #delete({ metadata }: Readonly<IPAddress>): Promise<void> {
    const name = metadata.name!;
    try {
      await this.#api.transport.delete({ ...this.#call, name, options: { preconditions: { uid: metadata.uid! } } });
      // The cache may show this only later, and may show the next one of this name already.
      const shown = this.#object(name);
      this.#memory.setObject(name, shown !== undefined && shown.metadata.uid !== metadata.uid);
    } catch (error) {
      if (!isStatusError(error, 'NotFound', 'Conflict')) this.#failed(name, error);
    }
  }

  #failed(address: string, error: unknown): void {
    this.#logger.warn('the address of a Service could not be given back and is tried again later', {
      address,
      error: errorText(error),
    });
  }

  get #call() {
    return { caller: apiServerIdentity, resource: IPAddresses, userAgent: 'kube-apiserver' };
  }

  get #api(): ApiServer {
    if (!this.#server) throw new Error('the API server is not started');
    return this.#server;
  }
}

const canonical = (address: string): string => parseAddress(address)?.canonical ?? address;
