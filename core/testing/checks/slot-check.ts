import type { SinglePlugin } from '../../cluster/index.js';
import type { Suite } from '../test-runner.js';

export interface SlotCheckContext {
  /** The package, as an absolute path: `--plugin` takes it. */
  readonly directory: string;
  /** Further flags of `k3s server` that the user of the command gave for the plugin. */
  readonly flags: readonly string[];
  /** Says that something was not looked at, and why. */
  note(text: string): void;
}

/** What `k3s plugin check` does with a plugin of a slot: makes the slot's contract suite for it. Rejects when the plugin cannot even begin. */
export type SlotCheck = (plugin: SinglePlugin, context: SlotCheckContext) => Promise<Suite>;
