import type { KubeObject } from '../machinery/object.js';
import type { CallerIdentity } from './api-transport.js';

/** What an admission plugin may look at and, while mutating, change. Source: Kubernetes "Admission Controllers". */
export interface AdmissionAttributes {
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly group: string;
  readonly version: string;
  readonly resource: string;
  readonly subresource: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** The new object; a draft that mutating plugins may write to. Undefined for deletes. */
  readonly object: KubeObject | undefined;
  /** The stored object, frozen. Undefined for creates. */
  readonly oldObject: KubeObject | undefined;
  readonly caller: CallerIdentity;
  readonly dryRun: boolean;
  /** Adds a Warning header to the answer. */
  warn(text: string): void;
}

/** Plugins run in the order of their registration; `mutate` of all, then `validate` of all. Refusals are StatusErrors (Forbidden as a rule). */
export interface AdmissionPlugin {
  /** Upstream's name: `NamespaceLifecycle`. */
  readonly name: string;
  /** Whether the plugin cares; absent means for everything. */
  handles?(attributes: AdmissionAttributes): boolean;
  mutate?(attributes: AdmissionAttributes): void | Promise<void>;
  validate?(attributes: AdmissionAttributes): void | Promise<void>;
}

export const AdmissionPlugin: unique symbol = Symbol.for('k3s/admission@1');
