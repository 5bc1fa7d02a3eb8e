/** One command-line flag, which is also a key of the configuration file. All of K3s' are known, also those that are not built. */
export interface FlagDefinition {
  readonly kind: 'string' | 'boolean' | 'number' | 'list';
  /** The command that has it; absent: server and agent. */
  readonly on?: 'server' | 'agent';
  readonly default?: string | boolean | number;
  /** One letter. */
  readonly short?: string;
  /** Other long names. */
  readonly aliases?: readonly string[];
  readonly environment?: string;
  /**
   * For lists, K3s' flags as well as those of plugins: `--name a,b --name c` gives three items, and so do `name: "a,b,c"`, a YAML list
   * and `name+` in files, and a variable; blanks around an item and empty items go. With `whole` an item is taken as it stands, commas
   * included: for values that hold some (`flag=a,b`), which are repeated to give several.
   */
  readonly whole?: true;
  readonly summary: string;
  /** Name of a check in `formats.ts`, or the allowed values. */
  readonly format?: FormatName | readonly string[];
  /**
   * What setting it does. `built` (also when absent): it works. `plugin`: works when a plugin claims it, else refused with `needs`.
   * `refused`: not built, and ignoring it would change what the user gets. `ignored`: accepted with a warning, `needs` says why.
   */
  readonly support?: 'built' | 'plugin' | 'refused' | 'ignored';
  /** Completes "needs ..." for what is refused or "has no effect: ..." for what is ignored. */
  readonly needs?: string;
  readonly hidden?: true;
  /** Its value is shown to nobody. */
  readonly secret?: true;
}

export type FormatName = 'port' | 'address' | 'addresses' | 'ranges' | 'portRange' | 'fileMode' | 'url' | 'nodeName' | 'domain';

export type FlagTable = Readonly<Record<string, FlagDefinition>>;

/** The type of a flag's value. */
export type FlagValue<Definition extends FlagDefinition> = Definition extends { kind: 'boolean' }
  ? boolean
  : Definition extends { kind: 'list' }
    ? readonly string[]
    : Definition extends { kind: 'number' }
      ? Definition extends { default: number }
        ? number
        : number | undefined
      : Definition extends { default: string }
        ? string
        : string | undefined;

export type FlagValues<Table extends FlagTable> = { readonly [Name in keyof Table]: FlagValue<Table[Name]> };
