import type { CompiledDeviceSelector, SelectableDevice } from '../../machinery/cel/device-selector.js';
import { compileDeviceSelector } from '../../machinery/cel/device-selector.js';

/** How many expressions are kept compiled: those used last. */
const maximumPrograms = 100;

export type SelectorMatch = { readonly matches: boolean } | { readonly error: string; readonly stage: 'compile' | 'runtime' };

/** Expressions of classes and claims, compiled when they are first used. */
export class SelectorPrograms {
  readonly #compiled = new Map<string, CompiledDeviceSelector>();

  matches(expression: string, device: SelectableDevice): SelectorMatch {
    const compiled = this.#get(expression);
    if ('fault' in compiled) return { error: compiled.fault.detail, stage: 'compile' };
    const match = compiled.program.matches(device);
    return 'error' in match ? { error: match.error, stage: 'runtime' } : match;
  }

  #get(expression: string): CompiledDeviceSelector {
    const known = this.#compiled.get(expression);
    const compiled = known ?? compileDeviceSelector(expression);
    // Used last stands last.
    this.#compiled.delete(expression);
    this.#compiled.set(expression, compiled);
    if (this.#compiled.size > maximumPrograms) this.#compiled.delete(this.#compiled.keys().next().value!);
    return compiled;
  }
}
