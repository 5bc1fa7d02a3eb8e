import { describe, expect, it } from '@jest/globals';
import { startCluster } from '../../core/testing/index.js';
import { NetworkPolicies, Events } from '../../core/api/generated/resources.js';
import type { NetworkPolicy } from '../../core/api/generated/types.js';
import type { AdmissionAttributes } from '../../core/contracts/admission.js';
import { NetworkPolicyAdmission, notEnforcedText } from '../../core/cluster/parts/network-policy-notice-part.js';

describe('network policies that nobody enforces', () => {
  it('are warned about when they are written, and only while nobody enforces them', () => {
    const said: string[] = [];
    const attributes = {
      group: 'networking.k8s.io',
      resource: 'networkpolicies',
      subresource: '',
      operation: 'CREATE',
      warn: (text: string) => said.push(text),
    } as unknown as AdmissionAttributes;
    const admission = new NetworkPolicyAdmission(false);
    expect(admission.handles(attributes)).toBe(true);
    expect(admission.handles({ ...attributes, resource: 'ingresses' })).toBe(false);
    expect(admission.handles({ ...attributes, operation: 'DELETE' })).toBe(false);
    expect(new NetworkPolicyAdmission(true).handles(attributes)).toBe(false);
    admission.validate(attributes);
    expect(said).toEqual([notEnforcedText]);
  });

  it('get an event in a cluster', async () => {
    const cluster = await startCluster();
    try {
      const policy = { metadata: { name: 'deny' }, spec: { podSelector: {}, policyTypes: ['Ingress'] } };
      await cluster.client.resource(NetworkPolicies, 'default').create(policy as unknown as NetworkPolicy);
      const abort = new AbortController();
      for await (const event of cluster.client.resource(Events, 'default').watch({ signal: abort.signal })) {
        if (event.type === 'BOOKMARK' || event.entry.object.reason !== 'NotEnforced') continue;
        expect(event.entry.object).toMatchObject({ type: 'Warning', message: notEnforcedText, involvedObject: { name: 'deny' } });
        abort.abort();
      }
    } finally {
      await cluster.stop();
    }
  });
});
