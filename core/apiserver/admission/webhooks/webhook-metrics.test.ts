import { describe, expect, it } from '@jest/globals';
import { WebhookMetrics } from './webhook-metrics.js';

describe('metrics of webhooks', () => {
  it('are none before the first call, and counts and times after', () => {
    const metrics = new WebhookMetrics();
    expect(metrics.text()).toBe('');
    const call = { name: 'w', type: 'admit', operation: 'CREATE', rejection: undefined, failedOpen: false } as const;
    metrics.observe({ ...call, seconds: 0.01, code: 200 });
    metrics.observe({ ...call, seconds: 30, code: 777, rejection: 'no_error' });
    metrics.observe({ ...call, seconds: 1, code: 503, failedOpen: true });
    metrics.observe({ ...call, seconds: 1, code: 0, rejection: 'apiserver_internal_error' });
    const named = 'name="w",operation="CREATE"';
    expect(metrics.text().split('\n')).toEqual(
      expect.arrayContaining([
        `apiserver_admission_webhook_request_total{code="200",${named},rejected="false",type="admit"} 1`,
        `apiserver_admission_webhook_request_total{code="600",${named},rejected="true",type="admit"} 1`,
        `apiserver_admission_webhook_rejection_count{error_type="no_error",${named},rejection_code="600",type="admit"} 1`,
        `apiserver_admission_webhook_rejection_count{error_type="apiserver_internal_error",${named},rejection_code="0",type="admit"} 1`,
        'apiserver_admission_webhook_fail_open_count{name="w",type="admit"} 1',
        `apiserver_admission_webhook_admission_duration_seconds_bucket{${named},rejected="false",type="admit",le="0.025"} 1`,
        `apiserver_admission_webhook_admission_duration_seconds_bucket{${named},rejected="false",type="admit",le="25"} 2`,
        `apiserver_admission_webhook_admission_duration_seconds_count{${named},rejected="true",type="admit"} 2`,
      ]),
    );
  });
});
