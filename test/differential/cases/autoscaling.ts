import type { Case } from '../replay.js';

const named = (name: string): object => ({ metadata: { name } });
const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } };

const inV1 = '/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers';
const inV2 = '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers';
const alpha = 'autoscaling.alpha.kubernetes.io/';
const target2 = { type: 'AverageValue', averageValue: '1500m' };

export const autoscalingCases: readonly Case[] = [
  {
    name: 'HorizontalPodAutoscaler: v1',
    at: inV1,
    steps: [
      { do: 'create', body: { ...named('old'), spec: { scaleTargetRef: target, maxReplicas: 3 } } },
      { do: 'request', method: 'GET', path: `${inV2}/old` },
      { do: 'table' },
      { do: 'update', patch: { spec: { targetCPUUtilizationPercentage: 70, maxReplicas: 0 } } },
      { do: 'update', patch: { spec: { targetCPUUtilizationPercentage: -1 } } },
      {
        do: 'update',
        patch: {
          metadata: {
            annotations: {
              [`${alpha}metrics`]: '[{"type":"External","external":{"metricName":"q","targetValue":"3"}},{"type":"Object"}]',
              [`${alpha}conditions`]: '[{"type":"AbleToScale","status":"True"}]',
              [`${alpha}behavior`]: '{"ScaleDown":{"SelectPolicy":"Disabled"}}',
            },
          },
        },
      },
      { do: 'update', patch: { metadata: { annotations: { [`${alpha}metrics`]: 'no list', [`${alpha}behavior`]: '{}' } } } },
      {
        do: 'update',
        sub: 'status',
        patch: {
          metadata: {
            annotations: {
              [`${alpha}current-metrics`]:
                '[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":7,"currentAverageValue":"5m"}}]',
            },
          },
          status: { currentReplicas: 1, desiredReplicas: 2 },
        },
      },
      { do: 'request', method: 'GET', path: `${inV2}/old` },
      {
        do: 'patch',
        type: 'application/apply-patch+yaml',
        patch: {
          apiVersion: 'autoscaling/v1',
          kind: 'HorizontalPodAutoscaler',
          ...named('old'),
          spec: { targetCPUUtilizationPercentage: 80 },
        },
      },
    ],
  },
  {
    name: 'HorizontalPodAutoscaler: v1 of one that v2 wrote',
    at: inV2,
    steps: [
      {
        do: 'create',
        body: {
          ...named('new'),
          spec: {
            scaleTargetRef: target,
            maxReplicas: 3,
            behavior: { scaleUp: { policies: [{ type: 'Pods', value: 1, periodSeconds: 5 }] } },
            metrics: [
              cpu,
              { type: 'Pods', pods: { metric: { name: 'rate', selector: { matchLabels: { a: 'b<c' } } }, target: target2 } },
              { type: 'External', external: { metric: { name: 'queue' }, target: { type: 'Value', value: '3' } } },
              { type: 'Object', object: { metric: { name: 'hits' }, describedObject: target, target: target2 } },
              { type: 'ContainerResource', containerResource: { name: 'cpu', container: 'c', target: target2 } },
            ],
          },
        },
      },
      {
        do: 'update',
        sub: 'status',
        patch: {
          status: {
            currentReplicas: 1,
            desiredReplicas: 2,
            currentMetrics: [
              { type: 'Resource', resource: { name: 'cpu', current: { averageValue: '1m', averageUtilization: 3 } } },
              { type: 'External', external: { metric: { name: 'queue' }, current: { averageValue: '2' } } },
              { type: 'Object', object: { metric: { name: 'hits' }, describedObject: target, current: { value: '2' } } },
            ],
            conditions: [{ type: 'AbleToScale', status: 'True', reason: 'a', lastTransitionTime: '2026-01-01T00:00:00Z' }],
          },
        },
      },
      { do: 'request', method: 'GET', path: `${inV1}/new` },
      {
        do: 'request',
        method: 'PATCH',
        path: `${inV1}/new`,
        type: 'application/merge-patch+json',
        body: { spec: { maxReplicas: 9 } },
      },
      { do: 'get' },
      {
        do: 'request',
        method: 'PATCH',
        path: `${inV1}/new/status`,
        type: 'application/merge-patch+json',
        body: { status: { currentReplicas: 4 } },
      },
      { do: 'get' },
    ],
  },
  {
    name: 'HorizontalPodAutoscaler: defaults, updates, table',
    at: '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers',
    steps: [
      { do: 'create', body: { ...named('plain'), spec: { scaleTargetRef: target, maxReplicas: 3 } } },
      { do: 'table' },
      { do: 'update', patch: { spec: { behavior: { scaleDown: { selectPolicy: 'Disabled' } } } } },
      {
        do: 'update',
        patch: {
          spec: {
            minReplicas: 2,
            metrics: [
              cpu,
              {
                type: 'External',
                external: { metric: { name: 'queue' }, target: { type: 'AverageValue', averageValue: '30' } },
              },
              { type: 'Pods', pods: { metric: { name: 'rate' }, target: { type: 'AverageValue', averageValue: '1500m' } } },
              {
                type: 'ContainerResource',
                containerResource: { name: 'memory', container: 'main', target: { type: 'AverageValue', averageValue: '1Gi' } },
              },
              {
                type: 'Object',
                object: {
                  describedObject: { kind: 'Service', name: 'main', apiVersion: 'v1' },
                  metric: { name: 'hits' },
                  target: { type: 'Value', value: '10' },
                },
              },
            ],
          },
        },
      },
      {
        do: 'update',
        sub: 'status',
        patch: {
          spec: { maxReplicas: 9 },
          status: {
            currentReplicas: 1,
            desiredReplicas: 2,
            currentMetrics: [
              { type: 'Resource', resource: { name: 'cpu', current: { averageUtilization: 70, averageValue: '7m' } } },
            ],
          },
        },
      },
      { do: 'table' },
      { do: 'update', sub: 'status', patch: { status: { currentReplicas: -1, desiredReplicas: -2 } } },
      { do: 'update', patch: { spec: { maxReplicas: 1, minReplicas: 0 } } },
      { do: 'update', patch: { spec: { scaleTargetRef: { apiVersion: 'v1' } } } },
    ],
  },
  {
    name: 'HorizontalPodAutoscaler: what is refused',
    at: '/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers',
    steps: (
      [
        { scaleTargetRef: {}, maxReplicas: -1 },
        { scaleTargetRef: { kind: 'a/b', name: 'c%d', apiVersion: 'a/b/c' } },
        { scaleTargetRef: { kind: 'Deployment', name: 'x' }, maxReplicas: 1 },
        { minReplicas: 0 },
        { minReplicas: 4 },
        { metrics: [{ type: '' }, { type: 'Other' }, { type: 'Pods' }] },
        { metrics: [{ ...cpu, pods: { metric: { name: '' }, target: { type: 'Odd' } } }] },
        {
          metrics: [
            {
              type: 'External',
              external: { metric: { name: 'a/b' }, target: { type: 'Value', value: '-1', averageValue: '0' } },
            },
          ],
        },
        {
          metrics: [
            {
              type: 'Object',
              object: { metric: { name: 'm' }, describedObject: { apiVersion: 'a/b/c' }, target: { type: 'Value' } },
            },
          ],
        },
        {
          metrics: [
            {
              type: 'Resource',
              resource: { name: '', target: { type: 'Utilization', averageUtilization: 0, averageValue: '1' } },
            },
            { type: 'ContainerResource', containerResource: { name: 'x', container: 'A_b', target: { type: 'Utilization' } } },
            { type: 'External', external: { metric: { name: 'm' }, target: { type: 'Value' } } },
          ],
        },
        {
          behavior: {
            scaleUp: { stabilizationWindowSeconds: -1, selectPolicy: 'Often', tolerance: '-0.1' },
            scaleDown: {
              stabilizationWindowSeconds: 3601,
              policies: [
                { type: 'Some', value: 0, periodSeconds: 0 },
                { type: 'Pods', value: 1, periodSeconds: 1801 },
              ],
            },
          },
        },
        { behavior: { scaleUp: { policies: [] } } },
        { metrics: [] },
      ] as object[]
    ).map(spec => ({ do: 'create', body: { ...named('refused'), spec: { scaleTargetRef: target, maxReplicas: 3, ...spec } } })),
  },
];
