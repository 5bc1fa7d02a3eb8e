import type { AdmissionAttributes } from '../../../contracts/admission.js';
import type { KubeObject } from '../../../machinery/object.js';
import { cloneJson, semanticEqual } from '../../../machinery/object.js';

/** Between the two rounds of mutating admission. */
interface Notes {
  /** Invocations that were made and want to be made again after changes. */
  readonly made: Set<string>;
  /** Those of them behind which something changed. */
  readonly again: Set<string>;
  output: KubeObject | undefined;
}

/**
 * Which invocations of policies are made in a round. Source: policyReinvokeContext of apiserver
 * pkg/admission/plugin/policy/mutating.
 */
export class MutationRound {
  readonly #attributes: AdmissionAttributes;
  readonly #notes: Notes;

  constructor(plugin: string, attributes: AdmissionAttributes) {
    this.#attributes = attributes;
    const { rounds } = attributes;
    this.#notes = (rounds?.notes.get(plugin) as Notes | undefined) ?? { made: new Set(), again: new Set(), output: undefined };
    rounds?.notes.set(plugin, this.#notes);
    const { made, output } = this.#notes;
    if (rounds?.isSecond && made.size > 0 && !semanticEqual(output, attributes.object)) this.#again();
  }

  /** In the second round only those are made that want it. */
  skips(invocation: string): boolean {
    return this.#attributes.rounds?.isSecond === true && !this.#notes.again.has(invocation);
  }

  /** The object is another now, or was looked at as if it were: upstream does not tell them apart. */
  changed(): void {
    this.#again();
    this.#attributes.rounds?.askForSecond();
  }

  made(invocation: string): void {
    this.#notes.made.add(invocation);
  }

  /** Only who wants to be invoked again looks at what became of the object. */
  end(): void {
    if (this.#notes.made.size > 0) this.#notes.output = cloneJson(this.#attributes.object);
  }

  #again(): void {
    const { made, again } = this.#notes;
    for (const each of made) again.add(each);
    made.clear();
  }
}
