import type { ExposedMetrics } from '../../../contracts/exposed-metrics.js';
import { CounterSeries, HistogramSeries, metricsText } from '../metric-series.js';
import type { PolicyDecision } from './validating-decision.js';
import { outOfBudgetText } from './budget-text.js';

/** Upper bounds in seconds, upstream's. */
const boundsSeconds = [0.0000005, 0.001, 0.01, 0.1, 1];
const prefix = 'apiserver_validating_admission_policy';

export type EnforcementAction = 'allow' | 'audit' | 'deny' | 'warn';

/** Counts and times what validations do. Source: the names and labels of apiserver pkg/admission/plugin/policy/validating/metrics. */
export class ValidatingPolicyMetrics implements ExposedMetrics {
  readonly #checks = new CounterSeries(
    `${prefix}_check_total`,
    'Validations of admission policies that failed, by what was done.',
  );
  readonly #durations = new HistogramSeries(
    `${prefix}_check_duration_seconds`,
    'How long validations of admission policies took that failed.',
    boundsSeconds,
  );

  observe(policy: string, binding: string, decision: PolicyDecision, action: EnforcementAction): void {
    const labels = `enforcement_action="${action}",error_type="${errorType(decision)}",policy="${policy}",policy_binding="${binding}"`;
    this.#checks.add(labels);
    this.#durations.observe(labels, decision.seconds);
  }

  text(): string {
    return metricsText(this.#checks, this.#durations);
  }
}

function errorType({ evaluation, message }: PolicyDecision): string {
  if (evaluation === 'admit') return 'no_error';
  if (message.startsWith('compilation')) return 'compile_error';
  // Upstream counts a plain refusal so, too.
  return message.startsWith(outOfBudgetText) ? 'out_of_budget' : 'invalid_error';
}
