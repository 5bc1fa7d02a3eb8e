import { describe, expect, it } from '@jest/globals';
import { outOfBudgetText } from './budget-text.js';
import { MutationMetrics } from './mutation-metrics.js';

describe('metrics of mutating policies', () => {
  it('are none before the first mutation, and counts and times by what became of them after', () => {
    const metrics = new MutationMetrics();
    expect(metrics.text()).toBe('');
    metrics.observe('p', 'b', 0.005);
    metrics.observe('p', 'b', 2);
    metrics.observe('p', 'b', 0, 'compilation failed: ERROR');
    metrics.observe('p', 'b', 0, outOfBudgetText);
    metrics.observe('p', 'b', 0, "expression '1 / 0' resulted in error: division by zero");
    const prefix = 'apiserver_mutating_admission_policy_check';
    const of = (type: string): string => `error_type="${type}",policy="p",policy_binding="b"`;
    expect(metrics.text().split('\n')).toEqual(
      expect.arrayContaining([
        `${prefix}_total{${of('no_error')}} 2`,
        `${prefix}_total{${of('compile_error')}} 1`,
        `${prefix}_total{${of('out_of_budget')}} 1`,
        `${prefix}_total{${of('invalid_error')}} 1`,
        `${prefix}_duration_seconds_bucket{${of('no_error')},le="0.01"} 1`,
        `${prefix}_duration_seconds_bucket{${of('no_error')},le="+Inf"} 2`,
        `${prefix}_duration_seconds_sum{${of('no_error')}} 2.005`,
      ]),
    );
  });
});
