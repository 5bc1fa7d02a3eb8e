import { jsonText } from '../../machinery/codec/json-text.js';
import { createHash } from 'node:crypto';
import type { KubeObject } from '../../machinery/object.js';
import { mergeFault } from '../../machinery/patch/managed-fields/path-element.js';

class ConversionNeeded extends Error {
  readonly object: Readonly<KubeObject>;
  readonly apiVersion: string;
  readonly key: string;

  constructor(object: Readonly<KubeObject>, apiVersion: string, key: string) {
    super(`an object is needed in ${apiVersion}`);
    this.object = object;
    this.apiVersion = apiVersion;
    this.key = key;
  }
}

type Answers = Map<string, KubeObject | Error>;

/**
 * Objects in versions that only a webhook can give, for work that cannot wait (who owns which field): it stops at what is not there
 * yet, and runs again when the webhook has answered. Such work must change nothing before it is done.
 */
export class AwaitedConversions {
  readonly #ask: (object: Readonly<KubeObject>, apiVersion: string) => Promise<KubeObject>;
  #answers: Answers | undefined;

  constructor(ask: (object: Readonly<KubeObject>, apiVersion: string) => Promise<KubeObject>) {
    this.#ask = ask;
  }

  /** Rejects with what `work` throws, but for conversions that it lacked. */
  async run<R>(work: () => R): Promise<R> {
    const answers: Answers = new Map();
    for (;;) {
      this.#answers = answers;
      try {
        return work();
      } catch (error) {
        if (!(error instanceof ConversionNeeded)) throw error;
        answers.set(error.key, await this.#answer(error));
      } finally {
        this.#answers = undefined;
      }
    }
  }

  /** Within `run`. Throws MERGE_FAULT where the webhook failed. */
  convert(object: Readonly<KubeObject>, apiVersion: string): KubeObject {
    if (object.apiVersion === apiVersion) return object;
    if (!this.#answers) throw new Error('nobody waits for conversions here');
    const key = `${apiVersion} ${createHash('sha256').update(jsonText(object)).digest('base64')}`;
    const answer = this.#answers.get(key);
    if (!answer) throw new ConversionNeeded(object, apiVersion, key);
    if (answer instanceof Error) throw mergeFault(answer.message);
    return answer;
  }

  async #answer({ object, apiVersion }: ConversionNeeded): Promise<KubeObject | Error> {
    try {
      return await this.#ask(object, apiVersion);
    } catch (error) {
      // What only clients are told stands before it.
      return error instanceof Error && error.cause instanceof Error ? error.cause : (error as Error);
    }
  }
}
