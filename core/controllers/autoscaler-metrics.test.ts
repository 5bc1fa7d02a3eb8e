import { describe, expect, it } from '@jest/globals';
import { Client } from '../client/client.js';
import type { ApiTransport, ObjectRequest } from '../contracts/api-transport.js';
import type { ExtensionGroupVersion } from '../contracts/resource-catalogue.js';
import { StatusError } from '../machinery/status-error.js';
import { ApiMetricsSource } from './autoscaler-metrics.js';

const group = 'custom.metrics.k8s.io';
const deployments = { group: 'apps', version: 'v1', resource: 'deployments', kind: 'Deployment', namespaced: true };

describe('metrics of adapters', () => {
  const asked: string[] = [];
  const source = (
    answer: unknown,
    served: readonly string[] = [`${group}/v1beta2`, `${group}/v1beta1`, 'external.metrics.k8s.io/v1beta1'],
  ): ApiMetricsSource => {
    asked.length = 0;
    const extensions = served.map((each): ExtensionGroupVersion => {
      const [of = '', version = ''] = each.split('/');
      return { group: of, version, isCurrent: true };
    });
    const transport = {
      get: async ({ resource, namespace, name, subresource = '', parameters }: ObjectRequest<unknown>) => {
        const { group: of, version, resource: plural } = resource;
        asked.push(`${of}/${version} ${namespace ?? ''} ${plural}/${name}/${subresource} ${JSON.stringify(parameters)}`);
        if (answer instanceof Error) throw answer;
        return answer;
      },
    } as unknown as ApiTransport;
    const catalogue = { resources: () => [{ reference: deployments, verbs: [] }], extensions: () => extensions };
    return new ApiMetricsSource(new Client(transport, { name: 'x', groups: [] }), catalogue);
  };
  const pods = { metric: 'rate', namespace: 'work', selector: 'app=web', metricSelector: 'a=b' };
  const object = (kind: string, apiVersion: string) => ({
    metric: 'hits',
    namespace: 'work',
    object: { kind, name: 'web', apiVersion },
    metricSelector: '',
  });

  it('are read of all pods at once, in both versions', async () => {
    const timestamp = '2026-01-01T00:00:00Z';
    const items = [
      { describedObject: { name: 'one' }, timestamp, value: '1500m', windowSeconds: 30 },
      { describedObject: { name: 'two' }, timestamp, value: '2', window: 10 },
      { describedObject: { name: 'three' }, timestamp, value: '3' },
    ];
    const found = await source({ items }).pods(pods);
    expect(asked).toEqual([`${group}/v1beta2 work pods/*/rate {"labelSelector":"app=web","metricLabelSelector":"a=b"}`]);
    expect([...found]).toMatchObject([
      ['one', { milliValue: 1500, windowMs: 30_000, timestampMs: Date.parse(timestamp) }],
      ['two', { milliValue: 2000, windowMs: 10_000 }],
      ['three', { milliValue: 3000, windowMs: 60_000 }],
    ]);
    await source({ items }, [`${group}/v1alpha1`, `${group}/v1beta1`]).pods(pods);
    expect(asked[0]).toContain(`${group}/v1beta1 `);
  });

  it('are read of one object, and of the namespace itself', async () => {
    expect(await source({ items: [{ value: '7' }] }).object(object('Deployment', 'apps/v1'))).toBe(7000);
    expect(asked).toEqual([`${group}/v1beta2 work deployments.apps/web/hits {}`]);
    await source({ items: [{ value: '7' }] }).object(object('Namespace', 'v1'));
    expect(asked).toEqual([`${group}/v1beta2 work metrics/hits/ {}`]);
  });

  it('that are not of this cluster are read by name', async () => {
    const external = { metric: 'jobs', namespace: 'work', metricSelector: 'a=b' };
    expect(await source({ items: [{ value: '1' }, { value: '500m' }] }).external(external)).toEqual([1000, 500]);
    expect(asked).toEqual(['external.metrics.k8s.io/v1beta1 work jobs// {"labelSelector":"a=b"}']);
    await expect(source({ items: null }).external(external)).rejects.toThrow('no metrics returned from external metrics API');
    await expect(source({}, []).external(external)).rejects.toThrow(
      'unable to fetch metrics from external metrics API: the server could not find the requested resource (get jobs.external.metrics.k8s.io)',
    );
  });

  it('are told of in the words that users know when there are none', async () => {
    const custom = 'unable to fetch metrics from custom metrics API: ';
    await expect(source({}, []).pods(pods)).rejects.toThrow(`${custom}no custom metrics API (custom.metrics.k8s.io) registered`);
    await expect(source({}, [`${group}/v9`]).pods(pods)).rejects.toThrow(`${custom}no known available metric versions found`);
    await expect(source({ items: [] }).pods(pods)).rejects.toThrow('no metrics returned from custom metrics API');
    await expect(source({}).object(object('Deployment', 'apps/v1'))).rejects.toThrow(
      `${custom}the custom metrics API server returned 0`,
    );
    await expect(source({}).object(object('Other', 'x/v1'))).rejects.toThrow(
      `${custom}unable to map kind Other.x to resource: no matches for kind "Other" in group "x"`,
    );
    const down = new StatusError(503, 'ServiceUnavailable', 'nobody is there');
    await expect(source(down).pods(pods)).rejects.toThrow(`${custom}nobody is there`);
  });
});
