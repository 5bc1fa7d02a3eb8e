import type { ExposedMetrics } from '../../contracts/exposed-metrics.js';
import type { Availability } from '../resources/apiregistration/available-condition.js';

/** How many APIServices are not available, and how often each became so. */
export class AvailabilityMetrics implements ExposedMetrics {
  readonly #unavailable = new Map<string, boolean>();
  readonly #counts = new Map<string, number>();

  note(name: string, wasAvailable: boolean, { status, reason = '' }: Availability): void {
    const isAvailable = status === 'True';
    this.#unavailable.set(name, !isAvailable);
    if (!wasAvailable || isAvailable) return;
    const labels = `name="${name}",reason="${reason}"`;
    this.#counts.set(labels, (this.#counts.get(labels) ?? 0) + 1);
  }

  forget(name: string): void {
    this.#unavailable.delete(name);
  }

  text(): string {
    const lines = [
      '# HELP aggregator_unavailable_apiservice APIServices that are not available (1) or are (0).',
      '# TYPE aggregator_unavailable_apiservice gauge',
      ...Array.from(this.#unavailable, ([name, is]) => `aggregator_unavailable_apiservice{name="${name}"} ${is ? 1 : 0}`),
    ];
    if (this.#counts.size > 0) {
      lines.push(
        '# HELP aggregator_unavailable_apiservice_total How often an APIService became unavailable.',
        '# TYPE aggregator_unavailable_apiservice_total counter',
        ...Array.from(this.#counts, ([labels, count]) => `aggregator_unavailable_apiservice_total{${labels}} ${count}`),
      );
    }
    return `${lines.join('\n')}\n`;
  }
}
