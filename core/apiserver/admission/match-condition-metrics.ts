import type { ExposedMetrics } from '../../contracts/exposed-metrics.js';
import type { MatchOutcome } from '../match-expressions.js';
import { CounterSeries, HistogramSeries, metricsText } from './metric-series.js';

/** Upper bounds in seconds, upstream's. */
const boundsSeconds = [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25];
const prefix = 'apiserver_admission_match_condition';

/** Whose conditions were evaluated. */
export interface ConditionsOwner {
  /** Of the webhook or the policy. */
  readonly name: string;
  readonly kind: 'webhook' | 'policy';
  /** Upstream has two words for the validating ones. */
  readonly type: 'admit' | 'validate' | 'validating';
  readonly operation: string;
}

/** Counts and times match conditions. Source: the names and labels of apiserver pkg/admission/metrics. */
export class MatchConditionMetrics implements ExposedMetrics {
  readonly #errors = new CounterSeries(
    `${prefix}_evaluation_errors_total`,
    'Match conditions of webhooks and policies that could not be evaluated.',
  );
  readonly #exclusions = new CounterSeries(
    `${prefix}_exclusions_total`,
    'Requests that webhooks were not asked about because of their match conditions.',
  );
  readonly #durations = new HistogramSeries(
    `${prefix}_evaluation_seconds`,
    'How long the match conditions of webhooks and policies took that did not hold.',
    boundsSeconds,
  );

  /** As upstream does it, which does not time conditions that all hold. */
  observe(owner: ConditionsOwner, { matches, errorCount, seconds }: MatchOutcome): void {
    if (matches) return;
    const labels = labelsOf(owner);
    if (errorCount) this.#errors.add(labels, errorCount);
    this.#durations.observe(labels, seconds);
  }

  /** Of webhooks only. */
  observeExclusion(owner: ConditionsOwner): void {
    this.#exclusions.add(labelsOf(owner));
  }

  text(): string {
    return metricsText(this.#errors, this.#exclusions, this.#durations);
  }
}

function labelsOf({ name, kind, type, operation }: ConditionsOwner): string {
  return `kind="${kind}",name="${name}",operation="${operation}",type="${type}"`;
}
