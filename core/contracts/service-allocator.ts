export type ServiceFamily = 'IPv4' | 'IPv6';

/**
 * Gives Services their cluster addresses and node ports. What is taken is told by `record` for every stored Service; what is
 * suggested or reserved for a write under way is held back meanwhile.
 * Source: pkg/registry/core/service ipallocator and portallocator; KEP-3070 and KEP-3668 (lower bands are for those who choose).
 */
export interface ServiceAllocator {
  /** The first is the primary one. */
  readonly families: readonly ServiceFamily[];
  /** A free address, held for a while unless `dryRun`. Throws RANGE_FULL. */
  suggestAddress(family: ServiceFamily, dryRun: boolean): string;
  /** A free node port, held for a while unless `dryRun`. Throws RANGE_FULL. */
  suggestPort(dryRun: boolean): number;
  /** Why an address that somebody chose cannot be had, in upstream's words. */
  addressProblem(address: string): string | undefined;
  portProblem(port: number): string | undefined;
  /** Takes what a write is about to store; what comes back gives it free again. Throws ALREADY_ALLOCATED. */
  reserve(claim: ServiceClaim): Reservation | Promise<Reservation>;
  /** Gives back what a Service held that has gone. Called once it is deleted; twice is harmless. */
  release(claim: ServiceClaim): void | Promise<void>;
  /** All that a Service holds from now on; empty when it has gone. */
  record(claim: ServiceClaim): void;
  /** Forgets what was recorded; a full account follows. */
  clear(): void;
}

export const ServiceAllocator: unique symbol = Symbol.for('k3s/service-allocator@1');

/** Undoes a reservation whose write failed. */
export type Reservation = () => void | Promise<void>;

export interface ServiceClaim {
  /** `namespace/name`. */
  readonly service: string;
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
}
