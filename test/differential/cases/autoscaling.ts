import type { Case } from '../replay.js';

const named = (name: string): object => ({ metadata: { name } });
const target = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' };
const cpu = { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } };

export const autoscalingCases: readonly Case[] = [
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
