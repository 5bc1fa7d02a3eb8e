import type { APIService, CustomResourceDefinition } from '../../api/generated/types.js';
import { APIServices, CustomResourceDefinitions } from '../../api/generated/resources.js';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { DisposableStore } from '../../base/disposable.js';
import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ApiTransport } from '../../contracts/api-transport.js';
import type { KubeObject } from '../../machinery/object.js';
import { jsonEqual } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import { apiServerIdentity } from '../bootstrap.js';
import type { VersionPriority } from './group-priorities.js';
import { defaultPriority } from './group-priorities.js';
import { KeyedRounds } from './keyed-rounds.js';

const label = 'kube-aggregator.kubernetes.io/automanaged';
/** Of what belongs to the server: looked at when it starts, and then left to the user. */
const onStart = 'onstart';
/** Of custom resources: put back whenever it is changed. */
const always = 'true';
const call = { caller: apiServerIdentity, resource: APIServices, userAgent: 'kube-apiserver' };
const backoff = { initialMs: 5, maximumMs: 1_000_000 };

/** Tells of every object of a resource and of each change. */
export type Follow = (
  reference: { group: string; version: string; resource: string },
  feed: { upsert(object: KubeObject): void; delete(namespace: string, name: string): void },
) => Disposable;

export interface LocalVersion {
  readonly group: string;
  readonly version: string;
  readonly priority: VersionPriority;
}

export interface ApiServiceRegistrationOptions {
  readonly transport: ApiTransport;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly follow: Follow;
  /** What this server serves by itself. */
  readonly local: readonly LocalVersion[];
  readonly current: (name: string) => Readonly<APIService> | undefined;
}

/**
 * Makes an APIService for every version that this server serves, and one for every version of custom resources.
 * Source: kube-aggregator pkg/controllers/autoregister, pkg/controlplane/controller/crdregistration.
 */
export class ApiServiceRegistration implements Disposable {
  readonly #options: ApiServiceRegistrationOptions;
  readonly #local: ReadonlyMap<string, LocalVersion>;
  /** The versions that each definition serves, by their APIServices' names. */
  readonly #ofDefinition = new Map<string, readonly string[]>();
  readonly #custom = new Map<string, LocalVersion>();
  readonly #rounds: KeyedRounds;
  readonly #held = new DisposableStore();
  readonly #atStart = new Set<string>();
  readonly #settled = new Set<string>();
  #isStarted = false;
  #lastFault: string | undefined;

  constructor(options: ApiServiceRegistrationOptions) {
    this.#options = options;
    this.#local = new Map(options.local.map(version => [nameOf(version), version]));
    this.#rounds = new KeyedRounds({
      clock: options.clock,
      backoff,
      work: name => this.#round(name),
      failed: (name, error) => this.#tell(name, errorText(error)),
    });
  }

  /** When the caches are loaded. Resolves when everything was tried once; what failed is tried again. */
  async start(): Promise<void> {
    const { follow } = this.#options;
    const add = (name: string): void => {
      if (!this.#isStarted) this.#atStart.add(name);
      this.#rounds.add(name);
    };
    this.#held.add(
      follow(CustomResourceDefinitions, {
        upsert: object => this.#define(object as unknown as CustomResourceDefinition),
        delete: (_namespace, name) => this.#undefine(name),
      }),
    );
    this.#held.add(
      follow(APIServices, { upsert: ({ metadata }) => add(metadata.name!), delete: (_namespace, name) => add(name) }),
    );
    this.#isStarted = true;
    for (const name of this.#local.keys()) this.#rounds.add(name);
    await this.#rounds.settled();
  }

  async dispose(): Promise<void> {
    await this.#held.dispose();
    await this.#rounds.dispose();
  }

  #define({ metadata, spec }: Readonly<CustomResourceDefinition>): void {
    const definition = metadata.name!;
    const before = this.#ofDefinition.get(definition) ?? [];
    const versions = spec.versions
      .filter(({ served }) => served)
      .map(({ name }) => ({ group: spec.group, version: name, priority: defaultPriority }));
    this.#ofDefinition.set(definition, versions.map(nameOf));
    for (const version of versions) this.#custom.set(nameOf(version), version);
    this.#forgetUnused(before);
    for (const name of [...before, ...versions.map(nameOf)]) this.#rounds.add(name);
  }

  #undefine(definition: string): void {
    const before = this.#ofDefinition.get(definition) ?? [];
    this.#ofDefinition.delete(definition);
    this.#forgetUnused(before);
    for (const name of before) this.#rounds.add(name);
  }

  #forgetUnused(names: readonly string[]): void {
    const used = new Set([...this.#ofDefinition.values()].flat());
    for (const name of names) if (!used.has(name)) this.#custom.delete(name);
  }

  /** A full disk fails them all for one reason, which is told once. */
  #tell(name: string, error: string): void {
    if (error !== this.#lastFault)
      this.#options.logger.warn('an APIService could not be written and is tried again', { name, error });
    this.#lastFault = error;
  }

  async #round(name: string): Promise<undefined> {
    const isFirst = !this.#settled.has(name);
    await this.#reconcile(name, isFirst);
    this.#settled.add(name);
    this.#lastFault = undefined;
  }

  async #reconcile(name: string, isFirst: boolean): Promise<void> {
    const { transport, current } = this.#options;
    const wanted = this.#wanted(name);
    const found = current(name);
    if (!found && !wanted) return;
    if (wanted?.mode === onStart && !isFirst) return;
    if (!found) {
      await tolerate(transport.create<APIService>({ ...call, object: wanted!.object }), 'AlreadyExists');
      return;
    }
    const mode = found.metadata.labels?.[label];
    if (mode !== onStart && mode !== always) return;
    if (mode === onStart && !(isFirst && this.#atStart.has(name))) return;
    if (!wanted) {
      // Somebody has put a server behind it, be it by changing ours.
      if (found.spec.service) return;
      const { uid, resourceVersion } = found.metadata;
      const preconditions = uid ? { uid } : { resourceVersion };
      await tolerate(transport.delete({ ...call, name, options: { preconditions } }), 'NotFound', 'Conflict');
    } else if (!jsonEqual(found.spec, wanted.object.spec)) {
      await tolerate(
        transport.update<APIService>({ ...call, name, object: { ...found, spec: wanted.object.spec } }),
        'NotFound',
        'Conflict',
      );
    }
  }

  #wanted(name: string): { mode: string; object: APIService } | undefined {
    const local = this.#local.get(name);
    const version = local ?? this.#custom.get(name);
    if (!version) return undefined;
    const mode = local ? onStart : always;
    const { group, priority } = version;
    const spec = {
      ...(group ? { group } : {}),
      version: version.version,
      groupPriorityMinimum: priority.group,
      versionPriority: priority.version,
    };
    const object = {
      apiVersion: 'apiregistration.k8s.io/v1',
      kind: 'APIService',
      metadata: { name, labels: { [label]: mode } },
      spec,
      status: {},
    } as unknown as APIService;
    return { mode, object };
  }
}

function nameOf({ group, version }: Pick<LocalVersion, 'group' | 'version'>): string {
  return `${version}.${group}`;
}

/** Somebody else was faster: the change comes back as an event. */
async function tolerate(write: Promise<unknown>, ...reasons: string[]): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (!isStatusError(error, ...reasons)) throw error;
  }
}
