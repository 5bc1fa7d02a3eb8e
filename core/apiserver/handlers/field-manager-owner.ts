import type { Clock } from '../../base/clock.js';
import type { KubeObject, ManagedFieldsEntry } from '../../machinery/object.js';
import { formatApiVersion } from '../../machinery/object.js';
import { excludeFields } from '../../machinery/patch/managed-fields/field-filter.js';
import { FieldManager } from '../../machinery/patch/managed-fields/field-manager.js';
import { memberPath } from '../../machinery/patch/managed-fields/field-set.js';
import { mergeTypeOf } from '../../machinery/patch/managed-fields/merge-type.js';
import type { MergeType } from '../../machinery/patch/managed-fields/merge-type.js';
import type { ResourceVersion } from '../../machinery/patch/managed-fields/ownership.js';
import type { ReplicasPaths, ScaleFieldsOptions } from '../../machinery/patch/managed-fields/scale-fields.js';
import { parentManagedFields, scaleManagedFields } from '../../machinery/patch/managed-fields/scale-fields.js';
import type { StructType } from '../../machinery/schema.js';
import type { ResourceDefinition } from '../registry/resource-definition.js';
import type { FieldOwner } from './field-owner.js';

export interface FieldManagerOwnerOptions<T extends KubeObject> {
  readonly definition: ResourceDefinition<T>;
  /** Asked for with the first write. */
  readonly type: () => MergeType;
  readonly clock: Clock;
  /** The type of autoscaling/v1 Scale, for resources that have that subresource. */
  readonly scaleStruct?: StructType | undefined;
  /** Other versions. Undefined for those that are not served any more: what was written through them is forgotten. */
  readonly version: (apiVersion: string) => ResourceVersion | undefined;
  /** Runs work with such versions whose objects must be waited for. */
  readonly whenConverted?: (<R>(work: () => R) => Promise<R>) | undefined;
  /** Where a Scale's replicas lie in each version; `spec.replicas` when absent. */
  readonly replicasPaths?: ReplicasPaths | undefined;
}

/** Field managers of a resource and of its subresources, made when first needed. */
export class FieldManagerOwner<T extends KubeObject> implements FieldOwner<T> {
  readonly #definition: ResourceDefinition<T>;
  readonly #type: () => MergeType;
  readonly #version: (apiVersion: string) => ResourceVersion | undefined;
  readonly #whenConverted: (<R>(work: () => R) => Promise<R>) | undefined;
  readonly #replicasPaths: ReplicasPaths | undefined;
  readonly #clock: Clock;
  readonly #managers = new Map<string, FieldManager>();
  readonly #scaleStruct: StructType | undefined;
  #scaleFields: FieldManager | undefined;

  constructor(options: FieldManagerOwnerOptions<T>) {
    this.#scaleStruct = options.scaleStruct;
    this.#definition = options.definition;
    this.#type = options.type;
    this.#version = options.version;
    this.#whenConverted = options.whenConverted;
    this.#replicasPaths = options.replicasPaths;
    this.#clock = options.clock;
  }

  update(
    live: Readonly<T> | undefined,
    next: T,
    options: { manager: string; subresource: string; nowMs: number },
  ): T | Promise<T> {
    const manager = this.#manager(options.subresource);
    if (!this.#whenConverted) return manager.updateManagedFields(live, next, options);
    return this.#whenConverted(() => manager.updateManagedFields(live, next, options));
  }

  apply(
    live: Readonly<T> | undefined,
    applied: T,
    options: { manager: string; force: boolean; subresource: string },
  ): T | Promise<T> {
    const manager = this.#manager(options.subresource);
    const timed = { manager: options.manager, force: options.force, nowMs: this.#clock.now() };
    const merged = (): T => manager.apply(live, applied as unknown as Record<string, unknown>, timed) as unknown as T;
    return this.#whenConverted ? this.#whenConverted(merged) : merged();
  }

  ownedScale(parent: Readonly<T>, scale: KubeObject): KubeObject {
    const managedFields = scaleManagedFields(parent.metadata.managedFields, this.#scaleOptions());
    return { ...scale, metadata: { ...scale.metadata, managedFields } };
  }

  updateScale(live: KubeObject, next: KubeObject, options: { manager: string; nowMs: number }): KubeObject {
    return this.#scaleManager().updateManagedFields(live, next, options);
  }

  applyScale(live: KubeObject, applied: object, options: { manager: string; force: boolean }): KubeObject {
    const merged = this.#scaleManager().apply(live, applied as Record<string, unknown>, { ...options, nowMs: this.#clock.now() });
    return merged as unknown as KubeObject;
  }

  parentOfScale(parent: Readonly<T>, scale: KubeObject): ManagedFieldsEntry[] | undefined {
    return parentManagedFields(parent.metadata.managedFields, scale.metadata.managedFields, this.#scaleOptions());
  }

  #scaleOptions(): ScaleFieldsOptions {
    const apiVersion = formatApiVersion(this.#definition.reference);
    return { apiVersion, replicasPaths: this.#replicasPaths ?? { [apiVersion]: memberPath('spec', 'replicas') } };
  }

  #scaleManager(): FieldManager {
    if (!this.#scaleStruct) throw new Error('no schema for autoscaling/v1 Scale');
    this.#scaleFields ??= new FieldManager({
      apiVersion: 'autoscaling/v1',
      kind: 'Scale',
      type: mergeTypeOf(this.#scaleStruct),
      subresource: 'scale',
    });
    return this.#scaleFields;
  }

  #manager(subresource: string): FieldManager {
    let manager = this.#managers.get(subresource);
    if (!manager) {
      const { reference, subresources } = this.#definition;
      const apiVersion = formatApiVersion(reference);
      const reset =
        this.#definition.resetFields?.[subresource] ??
        (subresource === ''
          ? subresources?.['status']
            ? ['status']
            : []
          : subresource === 'status'
            ? ['spec', 'metadata.labels', 'metadata.annotations']
            : []);
      manager = new FieldManager({
        apiVersion,
        kind: reference.kind,
        type: this.#type(),
        version: this.#version,
        subresource,
        resetFields: reset.length ? { [apiVersion]: excludeFields(...reset) } : undefined,
      });
      this.#managers.set(subresource, manager);
    }
    return manager;
  }
}
