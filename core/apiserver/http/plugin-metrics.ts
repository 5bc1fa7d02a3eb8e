import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { ExposedMetrics } from '../../contracts/exposed-metrics.js';

const line = /^(#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^\n]*\})? [^\s]+( -?\d+)?)$/;

/** The metrics of plugins, one after the other. One that fails does not take the others' along. */
export class PluginMetrics {
  readonly #all: readonly ExposedMetrics[];
  readonly #logger: Logger;
  readonly #warned = new Set<ExposedMetrics>();

  constructor(all: readonly ExposedMetrics[], logger: Logger) {
    this.#all = all;
    this.#logger = logger;
  }

  text(): string {
    return this.#all.map(own => this.#textOf(own)).join('');
  }

  #textOf(own: ExposedMetrics): string {
    try {
      const text: unknown = own.text();
      if (typeof text !== 'string') throw new Error(`it is a ${typeof text}`);
      const stray = text.split('\n').find(each => each !== '' && !line.test(each));
      if (stray !== undefined) throw new Error(`"${stray.slice(0, 80)}" is no line of metrics`);
      return text === '' || text.endsWith('\n') ? text : `${text}\n`;
    } catch (error) {
      if (!this.#warned.has(own)) this.#logger.warn('the metrics of a plugin are left out', { error: errorText(error) });
      this.#warned.add(own);
      return '';
    }
  }
}
