import type { KubeObject } from '../../../machinery/object.js';
import type { MatchExpressionEngine } from '../../match-expressions.js';
import type { CompiledWebhook, WebhookConfiguration } from './compiled-webhook.js';
import { compileConfiguration } from './compiled-webhook.js';

/** All webhooks of one kind, compiled when their configuration changes, in the order of the configurations' names. */
export class WebhookSet {
  readonly #expressions: MatchExpressionEngine;
  readonly #byConfiguration = new Map<string, readonly CompiledWebhook[]>();
  #all: readonly CompiledWebhook[] = [];

  constructor(expressions: MatchExpressionEngine) {
    this.#expressions = expressions;
  }

  /** Never changed in place: whoever walks it is done with what it was when they began. */
  get all(): readonly CompiledWebhook[] {
    return this.#all;
  }

  upsert(configuration: KubeObject): void {
    this.#byConfiguration.set(
      configuration.metadata.name!,
      compileConfiguration(configuration as WebhookConfiguration, this.#expressions),
    );
    this.#rebuild();
  }

  delete(_namespace: string, name: string): void {
    this.#byConfiguration.delete(name);
    this.#rebuild();
  }

  #rebuild(): void {
    const names = [...this.#byConfiguration.keys()].sort();
    this.#all = names.flatMap(name => this.#byConfiguration.get(name)!);
  }
}
