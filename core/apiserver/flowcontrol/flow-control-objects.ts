import type { Clock } from '../../base/clock.js';
import type { Logger } from '../../base/logger.js';
import { FlowSchemas, PriorityLevelConfigurations } from '../../api/generated/resources.js';
import type { FlowSchema, FlowSchemaCondition, PriorityLevelConfiguration } from '../../api/generated/types.js';
import type { ResourceReference } from '../../api/resource-reference.js';
import type { ApiTransport, CallerIdentity } from '../../contracts/api-transport.js';
import type { KubeObject } from '../../machinery/object.js';
import { cloneJson, semanticEqual } from '../../machinery/object.js';
import { isStatusError } from '../../machinery/status-error.js';
import { formatTime } from '../../machinery/time.js';
import type { ResourceEndpoint } from '../handlers/resource-endpoint.js';
import { Upkeep } from '../upkeep.js';
import { autoUpdateAnnotation, defaultFlowControl, exemptName, isMandatory } from './default-flow-control.js';
import { isUsable } from './priority-levels.js';

export interface FlowControlObjectsOptions {
  readonly transport: ApiTransport;
  readonly caller: CallerIdentity;
  readonly endpoint: (group: string, version: string, resource: string) => ResourceEndpoint | undefined;
  /** Whether schemas are told that their level is missing: they are not where nobody goes by them. */
  readonly keepsConditions: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: () => number;
}

const producer = 'api-priority-and-fairness-config-producer-v1';
const consumer = 'api-priority-and-fairness-config-consumer-v1';
const settleMs = 200;
/** Somebody who writes another condition each time is not answered each time. */
const mostWritesAMinute = 6;
const minuteMs = 60_000;

type Kept = FlowSchema | PriorityLevelConfiguration;

/**
 * The objects that every cluster begins with, and the condition of each FlowSchema that says whether its level is there. Those that
 * no cluster can do without are put right whatever happens to them, the others while nobody has changed them.
 * Source: kubernetes pkg/registry/flowcontrol/ensurer, which looks every minute; and apiserver apf_controller.go.
 */
export class FlowControlObjects {
  readonly #options: FlowControlObjectsOptions;
  readonly #upkeep: Upkeep;
  /** When conditions were written in the last minute, by schema. */
  readonly #written = new Map<string, number[]>();

  constructor(options: FlowControlObjectsOptions) {
    this.#options = options;
    const { endpoint, clock, logger } = options;
    this.#upkeep = new Upkeep({
      endpoint,
      ensure: () => this.#ensure(),
      failure: 'objects of priority and fairness could not be brought up to date and are tried again',
      settleMs,
      clock,
      logger,
    });
  }

  /** Makes what is missing and keeps it from then on. Never rejects. */
  async start(): Promise<void> {
    await this.#upkeep.start();
    for (const reference of [FlowSchemas, PriorityLevelConfigurations]) this.#upkeep.follow(reference, () => true);
  }

  stop(): Promise<void> {
    return this.#upkeep.stop();
  }

  async #ensure(): Promise<void> {
    const { levels, schemas } = defaultFlowControl();
    await Promise.all(levels.map(object => this.#ensureObject(PriorityLevelConfigurations, object)));
    await Promise.all(schemas.map(object => this.#ensureObject(FlowSchemas, object)));
    await this.#removeUnwanted(FlowSchemas, schemas);
    await this.#removeUnwanted(PriorityLevelConfigurations, levels);
    if (this.#options.keepsConditions) await Promise.all(this.#all(FlowSchemas).map(schema => this.#ensureCondition(schema)));
  }

  #all<T extends Kept>({ group, version, resource }: ResourceReference<T>): T[] {
    const entries = this.#options.endpoint(group, version, resource)?.served.store.cache.entries() ?? [];
    return Array.from(entries, ({ object }) => object as unknown as T);
  }

  #find<T extends Kept>({ group, version, resource }: ResourceReference<T>, name: string): T | undefined {
    return this.#options.endpoint(group, version, resource)?.served.store.cache.get('', name)?.object as T | undefined;
  }

  async #ensureObject<T extends Kept>(resource: ResourceReference<T>, wanted: T): Promise<void> {
    const { transport, caller } = this.#options;
    const name = wanted.metadata.name!;
    const current = this.#find(resource, name);
    const call = { caller, resource, fieldManager: producer, userAgent: 'kube-apiserver' };
    if (!current) {
      const { annotations } = wanted.metadata;
      const object = cloneJson({ ...wanted, metadata: { name, annotations } } as unknown as KubeObject) as unknown as T;
      // Another server was faster.
      await transport.create({ ...call, object }).catch(unless('AlreadyExists'));
      return;
    }
    const revised = revision(current, wanted);
    // What somebody changed in between is looked at again when the cache shows it.
    if (revised) await transport.update({ ...call, name, object: revised }).catch(unless('Conflict', 'NotFound'));
  }

  /** What an earlier version suggested, and nobody has changed since. */
  async #removeUnwanted<T extends Kept>(resource: ResourceReference<T>, wanted: readonly T[]): Promise<void> {
    const { transport, caller } = this.#options;
    const names = new Set(wanted.map(({ metadata }) => metadata.name));
    for (const { metadata } of this.#all(resource)) {
      if (names.has(metadata.name) || autoUpdates(metadata.annotations) !== true) continue;
      const call = { caller, resource, name: metadata.name!, userAgent: 'kube-apiserver' };
      await transport.delete(call).catch(unless('NotFound'));
    }
  }

  async #ensureCondition(schema: FlowSchema): Promise<void> {
    const name = schema.metadata.name!;
    const { name: levelName } = schema.spec.priorityLevelConfiguration;
    const level = this.#find(PriorityLevelConfigurations, levelName);
    const condition = danglingCondition(levelName, level !== undefined && isUsable(level));
    const isSaid = schema.status.conditions?.some(
      ({ type, status, reason, message }) =>
        type === condition.type && status === condition.status && reason === condition.reason && message === condition.message,
    );
    if (isSaid) return;
    const { transport, caller, clock, random = Math.random } = this.#options;
    const nowMs = clock.monotonicMs();
    const recent = (this.#written.get(name) ?? []).filter(writtenMs => nowMs - writtenMs <= minuteMs);
    if (recent.length >= mostWritesAMinute) {
      this.#upkeep.soon((30 + Math.floor(random() * 45)) * 1000);
      return;
    }
    this.#written.set(name, [...recent, nowMs]);
    const conditions = [{ ...condition, lastTransitionTime: formatTime(clock.now()) }];
    const patch = { apiVersion: schema.apiVersion, kind: schema.kind, metadata: { name }, status: { conditions } };
    const call = { caller, resource: FlowSchemas, name, subresource: 'status', fieldManager: consumer };
    await transport.patch({ ...call, type: 'apply', force: true, patch, userAgent: 'kube-apiserver' }).catch(unless('NotFound'));
  }
}

function danglingCondition(level: string, isThere: boolean): Omit<FlowSchemaCondition, 'lastTransitionTime'> {
  const text = `This FlowSchema references the PriorityLevelConfiguration object named "${level}"`;
  return isThere
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${text} and it exists` }
    : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${text} but there is no such object` };
}

/** What the annotation says, as Go reads a boolean; undefined where it says nothing. */
function autoUpdates(annotations: Readonly<Record<string, string>> | undefined): boolean | undefined {
  const value = annotations?.[autoUpdateAnnotation] ?? '';
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  return ['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value) ? false : undefined;
}

/** The object as it should be; undefined where it is so. */
export function revision<T extends Kept>(current: Readonly<T>, wanted: T): T | undefined {
  const { metadata } = current;
  const said = autoUpdates(metadata.annotations);
  // One that nobody has changed so far may be brought up to date.
  const updates = isMandatory(metadata.name!) || (said ?? metadata.generation === 1);
  const isOld = updates && !isSpecKept(current, wanted);
  if (!isOld && said === updates) return undefined;
  const annotations = { ...metadata.annotations, [autoUpdateAnnotation]: String(updates) };
  return cloneJson({
    ...(current as unknown as KubeObject),
    metadata: { ...metadata, annotations },
    ...(isOld ? { spec: wanted.spec } : {}),
  } as unknown as KubeObject) as unknown as T;
}

/** What `exempt` takes and lends is the administrator's. */
function isSpecKept(current: Readonly<Kept>, wanted: Kept): boolean {
  const isExemptLevel = current.kind === 'PriorityLevelConfiguration' && current.metadata.name === exemptName;
  if (!isExemptLevel) return semanticEqual(current.spec, wanted.spec);
  const { exempt } = current.spec as PriorityLevelConfiguration['spec'];
  return exempt !== undefined && semanticEqual(current.spec, { ...wanted.spec, exempt });
}

function unless(...reasons: readonly string[]): (error: unknown) => void {
  return error => {
    if (!reasons.some(reason => isStatusError(error, reason as 'Conflict'))) throw error;
  };
}
