/**
 * The one door of plugins, `k3s-ts/plugin`. A file that only holds a descriptor may import `descriptor.js` instead, which does
 * not pull in the container.
 */
import 'reflect-metadata';

export { ContainerModule, inject, injectable, multiInject, optional } from 'inversify';
export type { ContainerModuleLoadOptions } from 'inversify';
export { definePlugin } from './descriptor.js';
export type { PartDescriptor, PartModule, PluginCommand, PluginFlag } from './descriptor.js';
export { applyArguments, noEffect, refused, works } from './component-arguments.js';
export type { ArgumentComponent, ArgumentRule, ArgumentTable } from './component-arguments.js';
export { DatastorePart } from './datastore-part.js';
export { contractToken, slots } from './slots.js';
export type { Cardinality, Side, SlotDefinition } from './slots.js';

export { abortReason, CodedError, errorCode, errorText } from '../base/errors.js';
export { deferred } from '../base/deferred.js';
export type { Deferred } from '../base/deferred.js';
export { DisposableStore, toDisposable } from '../base/disposable.js';
export type { Disposable } from '../base/disposable.js';
export { sleep } from '../base/clock.js';
export { backoffMs } from '../base/backoff.js';
export type { BackoffOptions } from '../base/backoff.js';

export { Part, PartReporter } from '../contracts/part.js';
export type { PartPhase } from '../contracts/part.js';
export { Clock } from '../contracts/clock.js';
export { ClusterPaths } from '../contracts/cluster-paths.js';
export { ClusterSettings } from '../contracts/cluster-settings.js';
export { Cni, defaultCniPaths } from '../contracts/cni.js';
export type { CniPaths } from '../contracts/cni.js';
export { ContainerRuntime } from '../contracts/container-runtime.js';
export type {
  AppArmorProfile,
  AttachOptions,
  CommandConnectionOptions,
  ContainerSecurity,
  ContainerSpec,
  ContainerState,
  ContainerStats,
  ExecOptions,
  ExecResult,
  ExecSession,
  ImageState,
  LinuxResources,
  ProbeAnswer,
  ProbeTarget,
  Mount,
  PullOptions,
  RegistryCredentials,
  RuntimeEvent,
  RuntimeInspection,
  RuntimeStatus,
  SandboxSpec,
  SandboxState,
  SeccompProfile,
} from '../contracts/container-runtime.js';
export { Dataplane } from '../contracts/dataplane.js';
export type { DataplaneChannel, DataplaneChannelOptions } from '../contracts/dataplane.js';
export { Datastore } from '../contracts/datastore.js';
export type { DatastoreEvent, KeyValue, ListPage, ListRange, WatchListener, WriteOptions } from '../contracts/datastore.js';
export { DatastoreCompacted, DatastoreConflict, datastoreError } from '../contracts/datastore-errors.js';
export type { DatastoreErrorCode } from '../contracts/datastore-errors.js';
export { Ledger } from '../contracts/ledger.js';
export type { LedgerEntry } from '../contracts/ledger.js';
export * from './api-extension.js';
export * from './cluster-access.js';
export { Logger } from '../contracts/logger.js';
export { PluginOptions } from '../contracts/plugin-options.js';
export { ClusterAction, SchedulerPlugin } from '../contracts/scheduler-plugin.js';
export type {
  ClusterEvent,
  ClusterEventResource,
  CycleState,
  FilterOutcome,
  PluginEvent,
  PostFilterResult,
  PreFilterResult,
  ResourceAmounts,
  SchedulingNode,
  SchedulingPod,
  SchedulingStatus,
  StateData,
} from '../contracts/scheduler-plugin.js';
