import type { ContainerModule } from 'inversify';
import type { Schema } from 'convict';
import type { KubeObject } from '../machinery/object.js';
import type { PartPhase } from '../contracts/part.js';
import type { ArgumentComponent } from './component-arguments.js';
import { assertDescriptor } from './check-descriptor.js';
import type { Side } from './slots.js';

/**
 * Everything the kernel knows about a part before it is loaded. Data only: a file that holds a descriptor imports this file and
 * nothing heavy, so that help, `plugin list` and wiring checks need no driver in memory.
 */
export interface PartDescriptor<Options extends object = Record<string, unknown>> {
  /** Kebab-case, stable, unique among all plugins and their aliases. */
  readonly id: string;
  /** The slot that it fills (`slots.ts`). */
  readonly slot: string;
  /** Major version of the slot's contract that it was written against. */
  readonly contract: number;
  /** Where it runs. Absent: the slot's side. */
  readonly side?: Side;
  /** Old or other names, also for `--disable`. */
  readonly aliases?: readonly string[];
  readonly summary?: string;
  /** Slots that must be filled and ready before this part starts. */
  readonly requires?: readonly string[];
  /** Slots that, when filled, are ready before this part starts. */
  readonly after?: readonly string[];
  /** Further contract tokens, beside the slot's own, that its module binds for others to inject. */
  readonly provides?: readonly symbol[];
  /**
   * Its failure ends the process, also during the start. Absent: as the slot says. What a vital part requires is vital too. A part that
   * is not vital is reported as failed and tried again while the rest goes on; what requires it waits. Only what is found before
   * anything runs ends the start for every part: wiring, options, a module that cannot be loaded or built, and a refusal by `init`.
   */
  readonly vital?: boolean;
  /**
   * convict schema of its options; formats that are not built in are functions. Values reach the part as `PluginOptions`. Those of an
   * option with `secret: true` are shown nowhere: `config view`, errors, `plugin list` and every part's log lines have `***` instead.
   */
  readonly options?: Schema<Options>;
  /** Command-line flags (also keys of the config file) that set options, by flag name without dashes. */
  readonly flags?: Readonly<Record<string, PluginFlag>>;
  /** What becomes of the arguments that one of its flags, a list, passes on to a component (`--kube-proxy-arg`). */
  readonly arguments?: ArgumentComponent<object>;
  /** Subcommands of `k3s`, by name. */
  readonly commands?: Readonly<Record<string, PluginCommand>>;
  /** Objects applied before the part starts and pruned when it is gone. */
  readonly manifests?: readonly KubeObject[];
  /** Module that the dataplane child imports while this plugin is enabled; as `import.meta.resolve` gives it. */
  readonly dataplane?: string;
  /** Deadline of single phases, where the kernel's (`phaseDeadlinesMs`) do not fit. */
  readonly deadlinesMs?: Readonly<Partial<Record<PartPhase, number>>>;
  /**
   * Imports the implementation, once, only when it was chosen. The module that comes back binds `Part` (what is started and
   * stopped), the slot's contract token and those of `provides`; any other binding stays private to the part.
   */
  load(): Promise<PartModule>;
}

/** What `load` resolves: an ES module with `module`, or `default`; either the ContainerModule or a function that makes it. */
export interface PartModule {
  readonly module?: ContainerModule | (() => ContainerModule);
  readonly default?: ContainerModule | (() => ContainerModule);
}

export interface PluginFlag {
  /** Path in the options, with dots. */
  readonly option: string;
  /**
   * `list`: `--name a,b --name c` gives three items, and so do a text with commas, a YAML list and `name+` in files, and a variable;
   * blanks around an item and empty items go.
   */
  readonly kind: 'string' | 'boolean' | 'number' | 'list';
  /**
   * For a list whose items hold commas themselves (`flag=a,b`): each is taken as it stands. The flag of `arguments` is always read so;
   * where the flag is one of K3s', it is read as K3s does whatever this says.
   */
  readonly whole?: true;
  readonly summary: string;
  readonly environment?: string;
  /** Where the flag exists; absent: on both `server` and `agent`. */
  readonly command?: 'server' | 'agent';
}

export interface PluginCommand {
  /** One line, for `k3s --help`. */
  readonly summary: string;
  /** What follows the command's name, as its help shows it: `list | add NAME [--force]`. */
  readonly usage?: string;
  /** `--help` and `-h` reach `run` as other words do. Absent: `k3s` answers them with summary and usage, and runs nothing. */
  readonly ownHelp?: boolean;
  /** Resolves the exit code. */
  load(): Promise<{ run(argumentList: readonly string[], signal: AbortSignal): Promise<number> }>;
}

/**
 * Checks a descriptor's own shape and freezes it. Names of other parties are checked later, when all are known.
 * Throws CodedError `PLUGIN_INVALID` that names the field.
 */
export function definePlugin<Options extends object = Record<string, unknown>>(
  descriptor: PartDescriptor<Options>,
): PartDescriptor {
  const checked: unknown = { ...descriptor };
  assertDescriptor(checked);
  return Object.freeze(checked);
}
