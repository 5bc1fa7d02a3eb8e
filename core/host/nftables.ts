import type { Commands } from './commands.js';

/** An object of `nft --json`: one key (`table`, `chain`, `rule`, `set`, `map` ...) with its fields. */
export type NftObject = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export type NftFamily = 'inet' | 'ip' | 'ip6' | 'arp' | 'bridge' | 'netdev';

/** The kernel's packet filter. Source: nft(8). */
export interface Nftables {
  /** One transaction: all of the script or nothing. Errors: `COMMAND_MISSING`, `COMMAND_FAILED`. */
  apply(script: string, signal?: AbortSignal): Promise<void>;
  /** What `nft --json list ...` prints: `list(['table', 'inet', 'x'])`. Something that does not exist is a `COMMAND_FAILED`. */
  list(selection: readonly string[], signal?: AbortSignal): Promise<readonly NftObject[]>;
  hasTable(family: NftFamily, name: string): Promise<boolean>;
  /** Removes a table with all that is in it; one that is not there is fine. */
  deleteTable(family: NftFamily, name: string): Promise<void>;
}

/** Removes a table whether it is there or not; begins scripts that replace a whole table. */
export function dropTableScript(family: NftFamily, name: string): string {
  return `add table ${family} ${name}\ndelete table ${family} ${name}\n`;
}

/** nftables by the program nft. */
export class NftCommand implements Nftables {
  readonly #commands: Commands;

  constructor(commands: Commands) {
    this.#commands = commands;
  }

  async apply(script: string, signal?: AbortSignal): Promise<void> {
    await this.#commands.run({ command: 'nft', arguments: ['-f', '-'], input: script, ...(signal && { signal }) });
  }

  async list(selection: readonly string[], signal?: AbortSignal): Promise<readonly NftObject[]> {
    const run = { command: 'nft', arguments: ['--json', 'list', ...selection], ...(signal && { signal }) };
    const answer = JSON.parse((await this.#commands.run(run)).stdout || '{}') as { nftables?: NftObject[] };
    return (answer.nftables ?? []).filter(object => !('metainfo' in object));
  }

  async hasTable(family: NftFamily, name: string): Promise<boolean> {
    return (await this.list(['tables', family])).some(({ table }) => table?.['name'] === name);
  }

  deleteTable(family: NftFamily, name: string): Promise<void> {
    return this.apply(dropTableScript(family, name));
  }
}

/** Keeps scripts for tests. */
export class RecordingNftables implements Nftables {
  readonly scripts: string[] = [];
  readonly deletedTables: string[] = [];
  /** Answers of `list` by selection, joined by spaces. */
  readonly answers = new Map<string, readonly NftObject[]>();
  /** Thrown by the next `apply`, once. */
  failNext: Error | undefined;

  async apply(script: string): Promise<void> {
    const failure = this.failNext;
    this.failNext = undefined;
    if (failure) throw failure;
    this.scripts.push(script);
  }

  async list(selection: readonly string[]): Promise<readonly NftObject[]> {
    return this.answers.get(selection.join(' ')) ?? [];
  }

  async hasTable(family: NftFamily, name: string): Promise<boolean> {
    return (await this.list(['tables', family])).some(({ table }) => table?.['name'] === name);
  }

  async deleteTable(family: NftFamily, name: string): Promise<void> {
    this.deletedTables.push(`${family} ${name}`);
  }
}
