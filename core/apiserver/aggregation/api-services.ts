import type { APIService } from '../../api/generated/types.js';
import type { Disposable } from '../../base/disposable.js';
import type { KubeObject } from '../../machinery/object.js';
import { isAvailable } from '../resources/apiregistration/available-condition.js';
import type { ExtensionServerOptions, ExtensionService } from './extension-server.js';
import { ExtensionServer } from './extension-server.js';
import type { VersionPriority } from './group-priorities.js';

export interface ApiServiceFeedOptions extends ExtensionServerOptions {
  /** A server that is new, or another, or of another availability. */
  readonly set: (server: ExtensionServer) => void;
  readonly removed: (name: string) => void;
  /** The order of groups or versions may be another. */
  readonly reordered: () => void;
}

/** The APIServices as requests need them: which versions other servers serve, and the order of all. */
export class ApiServiceFeed implements Disposable {
  readonly #options: ApiServiceFeedOptions;
  readonly #servers = new Map<string, ExtensionServer>();
  readonly #priorities = new Map<string, VersionPriority>();
  /** Those that were there and that somebody has deleted. */
  readonly #deleted = new Set<string>();

  constructor(options: ApiServiceFeedOptions) {
    this.#options = options;
  }

  get servers(): Iterable<ExtensionServer> {
    return this.#servers.values();
  }

  priority(group: string, version: string): VersionPriority | undefined {
    return this.#priorities.get(`${version}.${group}`);
  }

  /** Whether the APIService of a version was there and is not any more. */
  isDeleted(group: string, version: string): boolean {
    return this.#deleted.has(`${version}.${group}`);
  }

  upsert(object: KubeObject): void {
    const service = object as unknown as Readonly<APIService>;
    const name = service.metadata.name!;
    this.#deleted.delete(name);
    const { groupPriorityMinimum, versionPriority } = service.spec;
    const before = this.#priorities.get(name);
    if (before?.group !== groupPriorityMinimum || before.version !== versionPriority) {
      this.#priorities.set(name, { group: groupPriorityMinimum, version: versionPriority });
      this.#options.reordered();
    }
    if (isRemote(service)) this.#serve(service);
    else this.#drop(name);
  }

  delete(_namespace: string, name: string): void {
    this.#priorities.delete(name);
    this.#deleted.add(name);
    this.#options.reordered();
    this.#drop(name);
  }

  dispose(): void {
    for (const server of this.#servers.values()) server.dispose();
  }

  #serve(service: ExtensionService): void {
    const name = service.metadata.name!;
    const old = this.#servers.get(name);
    if (old?.isStill(service)) {
      if (old.isAvailable === isAvailable(service)) return;
      old.isAvailable = !old.isAvailable;
      this.#options.set(old);
      return;
    }
    old?.retire();
    const server = new ExtensionServer(service, this.#options);
    this.#servers.set(name, server);
    this.#options.set(server);
  }

  #drop(name: string): void {
    const server = this.#servers.get(name);
    if (!server) return;
    this.#servers.delete(name);
    server.retire();
    this.#options.removed(name);
  }
}

function isRemote(service: Readonly<APIService>): service is ExtensionService {
  return service.spec.service !== undefined;
}
