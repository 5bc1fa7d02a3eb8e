/** One thing on the host (a link, table, directory, mount, process) that somebody made and that must go when its owner is gone. */
export interface LedgerEntry {
  /** Plugin id. */
  readonly owner: string;
  /** Kebab-case: `link`, `nftables-table`, `mount`, `directory`, `process`, `route` ... */
  readonly kind: string;
  /** What identifies the thing among its kind: a name, a path. */
  readonly name: string;
  /** What removal needs beside the name, as plain JSON. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

/**
 * Remembers what each owner made on this host, over restarts. Bound by the kernel for each part, with the part as the owner.
 * Record before making the thing, forget after removing it: a crash in between leaves an entry too many, never one too few.
 */
export interface Ledger {
  /** Durable when it resolves. The same kind and name again replaces the detail. */
  record(kind: string, name: string, detail?: Readonly<Record<string, unknown>>): Promise<void>;
  /** Unknown entries are ignored. */
  forget(kind: string, name: string): Promise<void>;
  /** This owner's entries, oldest first. */
  list(): Promise<readonly LedgerEntry[]>;
}

export const Ledger: unique symbol = Symbol.for('k3s/ledger@1');
