import convict from 'convict';
import type { Schema, SchemaObj } from 'convict';
import type { CodedError } from '../core/base/errors.js';
import { errorText } from '../core/base/errors.js';
import { didYouMean } from '../core/base/nearest-name.js';
import { configError } from './config-errors.js';
import { readConfigFiles } from './config-files.js';
import type { ConfigFiles } from './config-files.js';
import type { FlagDefinition } from './flag-definition.js';
import { flags } from './flags/index.js';
import type { ConfigValues } from './flags/index.js';
import { formats, oneOf } from './formats.js';
import { variablesWithoutEffect } from './flags/index.js';
import { indexFlags, parseArguments, scanArguments } from './parse-arguments.js';
import type { GivenFlags } from './parse-arguments.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface CommandLine {
  readonly command: 'server' | 'agent';
  /** Behind the command's name. */
  readonly arguments: readonly string[];
  readonly environment: Environment;
}

/** What must be known before plugins are: the first pass. */
export interface EarlyConfig {
  readonly files: ConfigFiles;
  readonly preset: string;
  readonly plugins: readonly string[];
}

/** A flag that a plugin claims: one of K3s' names, or one of its own. */
export interface ClaimedFlag {
  readonly plugin: string;
  readonly name: string;
  /** Path in the plugin's options. */
  readonly option: string;
  readonly kind: FlagDefinition['kind'];
  readonly whole?: true;
  readonly summary: string;
  readonly environment?: string;
  readonly command?: 'server' | 'agent';
  /** Its value is shown to nobody. */
  readonly secret?: boolean;
}

/** The outcome of flags, files and environment. Frozen. */
export interface LoadedConfig {
  readonly command: 'server' | 'agent';
  readonly values: ConfigValues;
  /** Who set a value: `--name`, `NAME` (environment), a file, or `preset`. Not in here: defaults. */
  readonly sources: ReadonlyMap<string, string>;
  /** Options that claimed flags set, by plugin. */
  readonly pluginOptions: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
  /** Flags whose values are shown to nobody. */
  readonly secretFlags: ReadonlySet<string>;
  /** `slots:` of the file and `--slot`: plugin by slot, with who said it. */
  readonly slots: ReadonlyMap<string, { readonly plugin: string; readonly by: string }>;
  /** Flags that were set to something else than their default and that only plugins read: the ids of those. */
  readonly claimedBy: ReadonlyMap<string, readonly string[]>;
  readonly files: readonly string[];
  /** One line each, for the log. */
  readonly warnings: readonly string[];
}

export interface LoadOptions {
  readonly claimed?: readonly ClaimedFlag[];
  /** Values of the preset, weaker than all others. */
  readonly presetValues?: Readonly<Record<string, unknown>>;
  /** Unknown keys of files are errors instead of warnings (`k3s config validate`). */
  readonly strictFiles?: boolean;
}

const structuredKeys = ['slots', 'plugin-options'] as const;
/** Neither flags nor keys that a plugin can have. */
const reservedNames: readonly string[] = [...structuredKeys, 'help', 'h'];

/** First pass: finds the files and reads preset and plugins, without judging anything else. */
export async function loadEarlyConfig(line: CommandLine): Promise<EarlyConfig> {
  const { config, preset, plugin, 'data-dir': dataDir } = flags;
  const given = scanArguments(line.arguments, indexFlags({ config, preset, plugin, 'data-dir': dataDir }));
  const named = given.get('config')?.at(-1) ?? (line.environment['K3S_CONFIG_FILE'] || undefined);
  const files = await readConfigFiles(named ?? config.default, named !== undefined);
  const filePreset = files.values.get('preset')?.value;
  return {
    files,
    preset:
      given.get('preset')?.at(-1) ??
      (typeof filePreset === 'string' ? filePreset : undefined) ??
      (line.environment['K3S_PRESET'] || preset.default),
    plugins: (given.get('plugin') ?? textList((files.values.get('plugin') ?? files.values.get('plugins'))?.value)).filter(
      name => name.trim() !== '',
    ),
  };
}

/**
 * Second pass: the strict one. The command line beats files, files beat the environment, and that beats the preset; lists replace
 * each other. Throws CodedErrors (`ConfigErrorCode`), or an AggregateError of all that is wrong.
 */
export function loadConfig(line: CommandLine, files: ConfigFiles, options: LoadOptions = {}): LoadedConfig {
  return new ConfigLoader(line, files, options).load();
}

class ConfigLoader {
  readonly #line: CommandLine;
  readonly #files: ConfigFiles;
  readonly #options: LoadOptions;
  readonly #table: Record<string, FlagDefinition>;
  readonly #claims = new Map<string, ClaimedFlag[]>();
  readonly #errors: CodedError[] = [];
  readonly #warnings: string[] = [];
  readonly #values = new Map<string, unknown>();
  readonly #sources = new Map<string, string>();

  constructor(line: CommandLine, files: ConfigFiles, options: LoadOptions) {
    this.#line = line;
    this.#files = files;
    this.#options = options;
    this.#table = { ...flags };
  }

  load(): LoadedConfig {
    this.#compose();
    const forCommand = this.#tableOf(this.#line.command);
    this.#readPreset();
    this.#readEnvironment(forCommand);
    this.#judgeEnvironment();
    this.#readFiles();
    this.#readArguments(parseArguments(this.#line.arguments, indexFlags(forCommand), this.#errors));
    const values = this.#validate();
    this.#judgeSupport();
    this.#judgeConflicts();
    const slots = this.#slots();
    if (this.#errors.length === 1) throw this.#errors[0];
    if (this.#errors.length > 1) throw new AggregateError(this.#errors, `${this.#errors.length} faults in the configuration`);
    return Object.freeze({
      command: this.#line.command,
      values,
      sources: this.#sources,
      pluginOptions: this.#pluginOptions(),
      secretFlags: new Set(Object.keys(this.#table).filter(name => this.#isSecret(name))),
      claimedBy: this.#claimedBy(),
      slots,
      files: this.#files.files,
      warnings: this.#warnings,
    });
  }

  /** Joins what plugins claim with the table. Several may claim one of K3s' flags; a name of their own belongs to one. */
  #compose(): void {
    const taken = indexFlags(flags);
    for (const claim of this.#options.claimed ?? []) {
      const other = taken.get(claim.name)?.name;
      if (reservedNames.includes(claim.name) || (other !== undefined && other !== claim.name)) {
        const whose = other === undefined ? 'k3s itself' : `--${other}`;
        this.#refuseClaim(claim, `plugin ${claim.plugin} claims --${claim.name}, a name that belongs to ${whose}`);
        continue;
      }
      const variable = claim.environment;
      const owner = Object.entries(this.#table).find(([name, { environment }]) => {
        return variable !== undefined && environment === variable && name !== claim.name;
      });
      if (owner) {
        this.#refuseClaim(
          claim,
          `plugin ${claim.plugin} reads the variable ${variable} for --${claim.name}, which belongs to --${owner[0]}`,
        );
        continue;
      }
      const known = Object.hasOwn(this.#table, claim.name) ? this.#table[claim.name] : undefined;
      const others = this.#claims.get(claim.name);
      if (known && known.kind !== claim.kind) {
        this.#refuseClaim(claim, `plugin ${claim.plugin} wants --${claim.name} as a ${claim.kind}, but it is a ${known.kind}`);
        continue;
      }
      if (known && !others && known.support !== 'plugin') {
        this.#refuseClaim(claim, `plugin ${claim.plugin} claims --${claim.name}, which belongs to the core`);
        continue;
      }
      if (others && !Object.hasOwn(flags, claim.name)) {
        this.#refuseClaim(claim, `--${claim.name} is claimed by plugin ${claim.plugin} and plugin ${others[0]!.plugin}`);
        continue;
      }
      if (!known) {
        const { kind, whole, summary, environment, command } = claim;
        this.#table[claim.name] = { kind, whole, summary, environment, on: command, support: 'plugin' };
      }
      this.#claims.set(claim.name, [...(others ?? []), claim]);
    }
  }

  #refuseClaim({ plugin, name }: ClaimedFlag, problem: string): void {
    const mend = `another name is needed, like --${plugin}-${name}`;
    this.#errors.push(configError('PLUGIN_FLAG_INVALID', problem, { mend }));
  }

  #isSecret(name: string): boolean {
    return this.#table[name]?.secret === true || (this.#claims.get(name)?.some(({ secret }) => secret) ?? false);
  }

  #tableOf(command: 'server' | 'agent'): Record<string, FlagDefinition> {
    return Object.fromEntries(Object.entries(this.#table).filter(([, { on }]) => on === undefined || on === command));
  }

  #readPreset(): void {
    for (const [name, value] of Object.entries(this.#options.presetValues ?? {})) {
      if (!Object.hasOwn(this.#table, name) || value === null || value === undefined) continue;
      const definition = this.#table[name]!;
      const texts = (Array.isArray(value) ? (value as unknown[]) : [value]).map(String);
      this.#set(name, this.#fromTexts(name, definition, texts, 'preset'), 'preset');
    }
  }

  #readEnvironment(table: Record<string, FlagDefinition>): void {
    for (const [name, definition] of Object.entries(table)) {
      const variable = definition.environment;
      const text = variable === undefined ? undefined : this.#line.environment[variable];
      if (text === undefined || text === '') continue;
      // Credentials of other programs lie in those that are not K3s'; they say nothing about ours.
      if (definition.support === 'ignored' && !variable!.startsWith('K3S_')) continue;
      this.#set(name, this.#fromTexts(name, definition, [text], variable!), variable!);
    }
  }

  /** Names what looks like a setting of ours and is none. */
  #judgeEnvironment(): void {
    const known = new Set(Object.values(this.#table).flatMap(({ environment }) => environment ?? []));
    for (const [variable, text] of Object.entries(this.#line.environment)) {
      if (!text || known.has(variable)) continue;
      const why = Object.hasOwn(variablesWithoutEffect, variable) ? variablesWithoutEffect[variable] : undefined;
      if (why !== undefined) this.#warnings.push(`${variable} has no effect: ${why}`);
      else if (variable.startsWith('K3S_') && !variable.startsWith('K3S_TEST_')) {
        this.#warnings.push(`unknown variable ${variable}${didYouMean(variable, known)}, skipped`);
      }
    }
  }

  #readFiles(): void {
    const index = indexFlags(this.#table);
    for (const [key, { value, file }] of this.#files.values) {
      if ((structuredKeys as readonly string[]).includes(key)) continue;
      const flag = key.length > 1 || key === 'v' ? index.get(key) : undefined;
      if (!flag) {
        const text = `${file}: unknown key "${key}"${didYouMean(key, [...index.keys(), ...structuredKeys])}`;
        if (this.#options.strictFiles) this.#errors.push(configError('CONFIG_KEY_UNKNOWN', text));
        else this.#warnings.push(`${text}, skipped`);
        continue;
      }
      const { name, definition } = flag;
      // One file may serve servers and agents.
      if (definition.on !== undefined && definition.on !== this.#line.command) continue;
      if (value === null || value === undefined) continue;
      if (typeof value === 'object' && !Array.isArray(value)) {
        this.#errors.push(configError('FLAG_VALUE', `${file}: ${key} must be a ${definition.kind}, not a map`));
        continue;
      }
      const texts = (Array.isArray(value) ? (value as unknown[]) : [value]).map(String);
      if (texts.length > 0 || definition.kind === 'list') this.#set(name, this.#fromTexts(name, definition, texts, file), file);
    }
  }

  #readArguments(given: GivenFlags): void {
    for (const [name, texts] of given) {
      this.#set(name, this.#fromTexts(name, this.#table[name]!, texts, `--${name}`), `--${name}`);
    }
  }

  #set(name: string, value: unknown, source: string): void {
    if (value === undefined) return;
    this.#values.set(name, value);
    this.#sources.set(name, source);
  }

  #fromTexts(name: string, definition: FlagDefinition, texts: readonly string[], source: string): unknown {
    if (definition.kind === 'list') {
      const items = definition.whole ? texts : texts.flatMap(text => text.split(','));
      return items.map(item => item.trim()).filter(item => item !== '');
    }
    const text = texts.at(-1)!;
    if (definition.kind === 'string') return text;
    if (definition.kind === 'number') {
      if (/^-?\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
    } else if (/^(true|t|1)$/i.test(text)) return true;
    else if (/^(false|f|0)$/i.test(text)) return false;
    const wanted = definition.kind === 'number' ? 'a whole number' : 'true or false';
    const name_ = source === `--${name}` ? source : `${source}: ${name}`;
    const shown = this.#isSecret(name) ? '' : `, not "${text}"`;
    this.#errors.push(configError('FLAG_VALUE', `${name_} must be ${wanted}${shown}`));
    return undefined;
  }

  /** Defaults and formats, by convict. */
  #validate(): ConfigValues {
    const schema: Record<string, SchemaObj> = {};
    const faults = new Map<string, string>();
    for (const [name, definition] of Object.entries(this.#table)) {
      const check =
        typeof definition.format === 'string' ? formats[definition.format] : definition.format && oneOf(definition.format);
      schema[name] = {
        doc: definition.summary,
        default: definition.kind === 'list' ? [] : ((definition.default ?? null) as unknown),
        format: (value: unknown) => {
          if (value === null) return;
          try {
            check?.(value);
          } catch (error) {
            faults.set(name, errorText(error));
            throw error;
          }
        },
      };
    }
    const config = convict(schema as Schema<Record<string, unknown>>, { env: {}, args: [] });
    config.load(Object.fromEntries(this.#values));
    try {
      config.validate({ allowed: 'strict' });
    } catch (error) {
      // Each fault was told with the flag's name; convict's text knows no source.
      if (faults.size === 0) throw error;
    }
    for (const [name, fault] of faults) {
      const source = this.#sources.get(name);
      const place = source === undefined || source === `--${name}` ? `--${name}` : `${source}: ${name}`;
      this.#errors.push(configError('FLAG_VALUE', `${place} ${fault}`));
    }
    const values = config.getProperties();
    for (const [name, value] of Object.entries(values)) {
      if (value === null) values[name] = undefined;
      else if (Array.isArray(value)) Object.freeze(value);
    }
    return Object.freeze(values) as unknown as ConfigValues;
  }

  /** Refuses or warns about what was set but is not built. */
  #judgeSupport(): void {
    for (const [name, value] of this.#values) {
      const definition = this.#table[name]!;
      const { support = 'built', needs } = definition;
      if (support === 'built' || isDefault(value, definition) || this.#claims.has(name)) continue;
      const source = this.#sources.get(name)!;
      const place = source === `--${name}` ? source : `--${name} (from ${source})`;
      if (support === 'ignored') this.#warnings.push(`${place} has no effect: ${needs}`);
      else this.#errors.push(configError('FLAG_NOT_BUILT', `${place} needs ${needs}`, { mend: `leave ${name} out` }));
    }
  }

  #claimedBy(): Map<string, readonly string[]> {
    const set = [...this.#claims].filter(([name]) => {
      return this.#values.has(name) && !isDefault(this.#values.get(name), this.#table[name]!);
    });
    return new Map(set.map(([name, claims]) => [name, claims.map(({ plugin }) => plugin)]));
  }

  #judgeConflicts(): void {
    for (const [flag, fileFlag] of [
      ['token', 'token-file'],
      ['agent-token', 'agent-token-file'],
    ] as const) {
      if (this.#values.has(flag) && this.#values.has(fileFlag)) {
        const parties = `${flag} (${this.#sources.get(flag)}) and ${fileFlag} (${this.#sources.get(fileFlag)})`;
        this.#errors.push(configError('FLAG_CONFLICT', `${parties} exclude each other`));
      }
    }
  }

  #slots(): Map<string, { plugin: string; by: string }> {
    const slots = new Map<string, { plugin: string; by: string }>();
    const inFile = this.#files.values.get('slots');
    if (inFile) {
      if (isMap(inFile.value)) {
        for (const [slot, plugin] of Object.entries(inFile.value)) slots.set(slot, { plugin: String(plugin), by: inFile.file });
      } else this.#errors.push(configError('FLAG_VALUE', `${inFile.file}: slots must be a map of slots to plugins`));
    }
    for (const item of (this.#values.get('slot') as readonly string[] | undefined) ?? []) {
      const match = /^([a-z0-9-]+)=([a-z0-9-]+)$/.exec(item);
      if (match) slots.set(match[1]!, { plugin: match[2]!, by: this.#sources.get('slot')! });
      else this.#errors.push(configError('FLAG_VALUE', `--slot must be like datastore=sqlite, not "${item}"`));
    }
    return slots;
  }

  #pluginOptions(): Map<string, Record<string, unknown>> {
    const all = new Map<string, Record<string, unknown>>();
    const inFile = this.#files.values.get('plugin-options');
    if (inFile && !isMap(inFile.value)) {
      throw configError('FLAG_VALUE', `${inFile.file}: plugin-options must be a map of plugins to options`);
    }
    for (const [plugin, options] of Object.entries((inFile?.value as Record<string, unknown> | undefined) ?? {})) {
      if (!isMap(options)) throw configError('FLAG_VALUE', `${inFile!.file}: plugin-options of ${plugin} must be a map`);
      all.set(plugin, structuredClone(options));
    }
    for (const [name, claims] of this.#claims) {
      if (!this.#values.has(name)) continue;
      for (const { plugin, option } of claims) {
        const options = all.get(plugin) ?? {};
        setPath(options, option.split('.'), this.#values.get(name));
        all.set(plugin, options);
      }
    }
    return all;
  }
}

function isDefault(value: unknown, definition: FlagDefinition): boolean {
  return value === (definition.default ?? (definition.kind === 'boolean' ? false : undefined));
}

function setPath(target: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let at = target;
  for (const step of path.slice(0, -1)) {
    const below = Object.hasOwn(at, step) && isMap(at[step]) ? at[step] : {};
    at[step] = below;
    at = below;
  }
  at[path.at(-1)!] = value;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textList(value: unknown): string[] {
  if (value === undefined || value === null) return [];
  return (Array.isArray(value) ? (value as unknown[]) : [value]).map(String);
}
