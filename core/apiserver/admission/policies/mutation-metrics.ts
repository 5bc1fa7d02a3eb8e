import type { ExposedMetrics } from '../../../contracts/exposed-metrics.js';
import { CounterSeries, HistogramSeries, metricsText } from '../metric-series.js';
import { outOfBudgetText } from './budget-text.js';

/** Upper bounds in seconds, upstream's. */
const boundsSeconds = [0.0000005, 0.001, 0.01, 0.1, 1];
const prefix = 'apiserver_mutating_admission_policy';

/** Counts and times mutations. Source: the names and labels of apiserver pkg/admission/plugin/policy/mutating/metrics. */
export class MutationMetrics implements ExposedMetrics {
  readonly #checks = new CounterSeries(`${prefix}_check_total`, 'Mutations of admission policies that were tried.');
  readonly #durations = new HistogramSeries(
    `${prefix}_check_duration_seconds`,
    'How long mutations of admission policies took.',
    boundsSeconds,
  );

  /** `failure`: why it was not done. */
  observe(policy: string, binding: string, seconds: number, failure?: string): void {
    const labels = `error_type="${errorType(failure)}",policy="${policy}",policy_binding="${binding}"`;
    this.#checks.add(labels);
    this.#durations.observe(labels, seconds);
  }

  text(): string {
    return metricsText(this.#checks, this.#durations);
  }
}

function errorType(failure: string | undefined): string {
  if (failure === undefined) return 'no_error';
  if (failure.startsWith('compilation')) return 'compile_error';
  return failure.startsWith(outOfBudgetText.slice(0, outOfBudgetText.indexOf(','))) ? 'out_of_budget' : 'invalid_error';
}
