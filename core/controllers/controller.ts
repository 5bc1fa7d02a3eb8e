import type { Clock } from '../base/clock.js';
import type { Logger } from '../base/logger.js';
import type { Client } from '../client/client.js';
import type { EventRecorder } from '../client/event-recorder.js';
import type { InformerFactory } from '../client/informer-types.js';
import type { CallerIdentity } from '../contracts/api-transport.js';
import type { ClusterAuthority } from '../contracts/cluster-authority.js';
import type { ResourceCatalogue } from '../contracts/resource-catalogue.js';
import type { MetricsSource } from './autoscaler-metrics.js';

/** What a controller is given. Informers are shared by all controllers; the client speaks as the controller's own identity. */
export interface ControllerContext {
  readonly client: Client;
  readonly informers: InformerFactory;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly environment: ControllerEnvironment;
}

/** What controllers know about the cluster beside its objects. */
export interface ControllerEnvironment {
  readonly catalogue: ResourceCatalogue;
  readonly authority: ClusterAuthority;
  /** Pod ranges, the first is the primary family. */
  readonly clusterCidrs: readonly string[];
  readonly serviceCidrs: readonly string[];
  /** What autoscalers read; metrics.k8s.io when absent. */
  readonly metrics?: MetricsSource;
  readonly tuning?: ControllersTuning;
}

/** What `--kube-controller-manager-arg` changes; what is absent stays as upstream has it. */
export interface ControllersTuning {
  /** Upstream's names of controllers that do not run. */
  readonly disabled?: readonly string[];
  /** So long an unused token of an old cluster stays, and again so long after it is no longer taken. */
  readonly legacyTokenCleanUpMs?: number;
  /** Prefix lengths of nodes' pod ranges. */
  readonly nodeCidrMaskSizes?: { readonly 4?: number; readonly 6?: number };
  /** So long a node may be silent. */
  readonly nodeMonitorGraceMs?: number;
  readonly nodeMonitorPeriodMs?: number;
  readonly nodeStartupGraceMs?: number;
  /** Finished pods that are kept; 0: all. */
  readonly terminatedPods?: number;
}

export interface Controller {
  /** Registers with the informers at once; resolves when these are synced and the workers run. */
  start(): Promise<void>;
  /** Resolves when no work is under way any more. Twice is harmless. */
  stop(): Promise<void>;
}

export interface ControllerDescriptor {
  /** Upstream's name, as `--controllers` takes it: `deployment-controller`. */
  readonly name: string;
  /** The service account in kube-system whose rights it has (`system:controller:<account>`); its name when absent. */
  readonly serviceAccount?: string;
  /** Works with the manager's own rights: upstream has no role for it, since it makes what roles are given to. */
  readonly asManager?: boolean;
  /** Source of its events; its name when absent. */
  readonly component?: string;
  create(context: ControllerContext): Controller;
}

/** The manager's own: it fills the informers and writes the events. */
export const managerIdentity: CallerIdentity = {
  name: 'system:kube-controller-manager',
  groups: ['system:authenticated'],
};

/** Who a controller is for the API server. */
export function identityOf(descriptor: ControllerDescriptor): CallerIdentity {
  return descriptor.asManager ? managerIdentity : controllerIdentity(descriptor.serviceAccount ?? descriptor.name);
}

/** The identity that bootstrap roles are bound to. Source: plugin/pkg/auth/authorizer/rbac/bootstrappolicy. */
export function controllerIdentity(serviceAccount: string): CallerIdentity {
  return {
    name: `system:serviceaccount:kube-system:${serviceAccount}`,
    groups: ['system:serviceaccounts', 'system:serviceaccounts:kube-system', 'system:authenticated'],
  };
}
