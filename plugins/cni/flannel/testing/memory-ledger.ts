import type { Ledger, LedgerEntry } from '../../../../core/plugin-api/index.js';

/** A ledger without a disk. */
export class MemoryLedger implements Ledger {
  #entries: LedgerEntry[] = [];

  async record(kind: string, name: string): Promise<void> {
    await this.forget(kind, name);
    this.#entries.push({ owner: 'flannel', kind, name });
  }

  async forget(kind: string, name: string): Promise<void> {
    this.#entries = this.#entries.filter(entry => entry.kind !== kind || entry.name !== name);
  }

  async list(): Promise<readonly LedgerEntry[]> {
    return this.#entries;
  }

  names(): string[] {
    return this.#entries.map(({ kind, name }) => `${kind} ${name}`);
  }
}
