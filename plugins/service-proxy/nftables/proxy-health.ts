import type { Clock, Node } from '../../../core/plugin-api/index.js';
import type { IpFamily } from './service-port.js';

/** Set by the cluster autoscaler on a node that it is about to remove. */
const toBeDeletedTaint = 'ToBeDeletedByClusterAutoscaler';
/** Twice kube-proxy's time between full synchronizations. */
const lateMs = 60_000;

export interface ProxyHealthReport {
  readonly lastUpdated: string;
  readonly currentTime: string;
  readonly nodeEligible?: boolean;
  readonly healthy: boolean;
  readonly status: Readonly<Record<string, { readonly lastUpdated: string; readonly healthy: boolean }>>;
}

/** Healthy is a proxy whose changes do not wait too long for the kernel. Source: kube-proxy's proxy health server. */
export class ProxyHealth {
  readonly #clock: Clock;
  readonly #families: readonly IpFamily[];
  #updatedMs: number | undefined;
  #queuedMs: number | undefined;

  constructor(clock: Clock, families: readonly IpFamily[]) {
    this.#clock = clock;
    this.#families = families;
  }

  /** There are changes that the kernel does not have. */
  queued(): void {
    this.#queuedMs ??= this.#clock.now();
  }

  /** The kernel has all that was there when it began. */
  updated(areMoreWaiting: boolean): void {
    this.#updatedMs = this.#clock.now();
    this.#queuedMs = areMoreWaiting ? this.#updatedMs : undefined;
  }

  get isHealthy(): boolean {
    // Before its first synchronization it is starting, and not late.
    if (this.#updatedMs === undefined || this.#queuedMs === undefined) return true;
    return this.#clock.now() - this.#queuedMs < lateMs;
  }

  report(nodeEligible?: boolean): ProxyHealthReport {
    const { isHealthy } = this;
    const nowMs = this.#clock.now();
    const updated = new Date(this.#updatedMs ?? 0).toISOString();
    const families = this.#updatedMs === undefined ? [] : this.#families;
    return {
      // Of a healthy one it is the time of asking, which older releases made everybody used to.
      lastUpdated: isHealthy && nodeEligible !== false ? new Date(nowMs).toISOString() : updated,
      currentTime: new Date(nowMs).toISOString(),
      ...(nodeEligible !== undefined && { nodeEligible }),
      healthy: isHealthy,
      status: Object.fromEntries(families.map(family => [`IPv${family}`, { lastUpdated: updated, healthy: isHealthy }])),
    };
  }
}

/** Whether load balancers outside may send to the node: it is there, and not about to go. */
export function isNodeEligible(node: Node | undefined): boolean {
  if (!node || node.metadata.deletionTimestamp) return false;
  return !(node.spec.taints ?? []).some(({ key }) => key === toBeDeletedTaint);
}
