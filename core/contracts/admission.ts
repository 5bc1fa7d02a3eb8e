import type { KubeObject } from '../machinery/object.js';
import type { CallerIdentity } from './api-transport.js';

/** What is said first for a key stands. `Request`: only where request bodies are written down, too. */
export type AuditAnnotate = (key: string, value: string, level?: 'Request') => void;

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
  /** What came along with the request, as the fields of CreateOptions, UpdateOptions or DeleteOptions; undefined for CONNECT. */
  readonly options?: Readonly<Record<string, unknown>> | undefined;
  /** While mutating. */
  readonly rounds?: MutationRounds | undefined;
  /** Adds a Warning header to the answer. */
  warn(text: string): void;
  /** Adds an annotation to the request's entry in the audit log; absent where nothing is written of the request. */
  readonly annotate?: AuditAnnotate | undefined;
}

/** All mutating plugins run once more, and no oftener, when one asks for it because others' work has changed what it looks at. */
export interface MutationRounds {
  /** Whether this is the second round. */
  readonly isSecond: boolean;
  askForSecond(): void;
  /** What a plugin keeps from the first round for the second, by its name. */
  readonly notes: Map<string, unknown>;
}

/** Plugins run in the order of their registration; `mutate` of all (again where `rounds` says), then `validate` of all. Refusals are StatusErrors (Forbidden as a rule). */
export interface AdmissionPlugin {
  /** Upstream's name: `NamespaceLifecycle`. */
  readonly name: string;
  /** Whether the plugin cares; absent means for everything. */
  handles?(attributes: AdmissionAttributes): boolean;
  mutate?(attributes: AdmissionAttributes): void | Promise<void>;
  validate?(attributes: AdmissionAttributes): void | Promise<void>;
}

export const AdmissionPlugin: unique symbol = Symbol.for('k3s/admission@1');
