/**
 * Metrics of a part for Prometheus, on `/metrics` of the API server behind its own. Filled by parts in the slot `exposed-metrics`, or
 * promised by others in `provides`. The API server injects the object when it is made, so the object must not need the API server.
 */
export interface ExposedMetrics {
  /** The text format 0.0.4; called for each scrape, must be quick. What throws or is no such text is left out and warned about once. */
  text(): string;
}

export const ExposedMetrics: unique symbol = Symbol.for('k3s/exposed-metrics@1');
