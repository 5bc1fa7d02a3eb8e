import type { Case, Step } from '../replay.js';

const at = (resource: string): string => `/apis/batch/v1/namespaces/default/${resource}`;
const named = (name: string): { metadata: { name: string } } => ({ metadata: { name } });
const pod = { restartPolicy: 'Never', containers: [{ name: 'main', image: 'busybox' }] };
const template = { spec: pod };
const labelled = { metadata: { labels: { app: 'x' } }, spec: pod };
const time = (second: number): string => `2020-01-01T00:00:0${second}Z`;

function condition(type: string, status = 'True'): object {
  return { type, status, lastProbeTime: time(1), lastTransitionTime: time(1) };
}

/** Creates that fail, one spec each. */
function refused(...specs: object[]): Step[] {
  return specs.map((spec, index) => ({ do: 'create', body: { ...named(`refused-${index}`), spec: { template, ...spec } } }));
}

function statusSteps(...statuses: object[]): Step[] {
  return statuses.map(status => ({ do: 'update', sub: 'status', patch: { status } }));
}

export const batchCases: readonly Case[] = [
  {
    name: 'Job: defaults, updates, table',
    at: at('jobs'),
    steps: [
      { do: 'create', body: { ...named('plain'), spec: { template } } },
      { do: 'update', patch: { spec: { parallelism: 3, completions: 2 }, status: { active: 3 } } },
      { do: 'update', patch: { spec: { parallelism: 3, suspend: true, ttlSecondsAfterFinished: 5 } } },
      { do: 'update', patch: { spec: { selector: { matchLabels: { a: 'b' } }, completionMode: 'Indexed' } } },
      { do: 'update', patch: { spec: { managedBy: 'acme.io/other', backoffLimitPerIndex: 3 } } },
      { do: 'table' },
      ...statusSteps({ active: 3, startTime: time(1), ready: 1 }, { active: 0, ready: 0, succeeded: 1 }),
      { do: 'table' },
    ],
  },
  {
    name: 'Job: labels',
    at: at('jobs'),
    steps: [
      { do: 'create', body: { ...named('from-template'), spec: { template: labelled, parallelism: 2 } } },
      { do: 'table' },
      { do: 'create', body: { metadata: { name: 'own', labels: { b: 'c' } }, spec: { template: labelled } } },
      { do: 'create', body: { metadata: { name: 'same', labels: { app: 'x' } }, spec: { template: labelled } } },
      {
        do: 'create',
        body: {
          ...named('conflict'),
          spec: { template: { metadata: { labels: { 'job-name': 'other' } }, spec: pod }, selector: { matchLabels: { q: 'r' } } },
        },
      },
      {
        do: 'create',
        body: { ...named('manual'), spec: { manualSelector: true, template: labelled, selector: { matchLabels: { app: 'x' } } } },
      },
      { do: 'create', body: { ...named('none'), spec: { manualSelector: true, template: labelled } } },
      {
        do: 'create',
        body: { ...named('other'), spec: { manualSelector: true, template: labelled, selector: { matchLabels: { app: 'y' } } } },
      },
    ],
  },
  {
    name: 'Job: what is refused',
    at: at('jobs'),
    steps: [
      ...refused(
        {
          parallelism: -1,
          completions: -1,
          activeDeadlineSeconds: -1,
          backoffLimit: -1,
          ttlSecondsAfterFinished: -1,
          backoffLimitPerIndex: -1,
          maxFailedIndexes: -1,
        },
        { managedBy: 'plain', completionMode: 'Random', podReplacementPolicy: 'Never' },
        { managedBy: 'A_b/ c' },
        { managedBy: '' },
        { maxFailedIndexes: 5, completionMode: 'Indexed', parallelism: 200000 },
        {
          completionMode: 'Indexed',
          completions: 200000,
          parallelism: 20000,
          backoffLimitPerIndex: 1,
        },
        { completionMode: 'Indexed', completions: 200000, maxFailedIndexes: 150000, backoffLimitPerIndex: 1 },
        { successPolicy: { rules: [{ succeededCount: 1 }] } },
        {
          completionMode: 'Indexed',
          completions: 5,
          successPolicy: {
            rules: [
              {},
              { succeededCount: -1 },
              { succeededCount: 9 },
              { succeededIndexes: '0-2', succeededCount: 4 },
              { succeededIndexes: '3,1' },
              { succeededIndexes: '4-2' },
              { succeededIndexes: '0-1-2' },
              { succeededIndexes: 'a' },
              { succeededIndexes: '0-9' },
            ],
          },
        },
        { completionMode: 'Indexed', completions: 5, successPolicy: { rules: [] } },
        {
          podFailurePolicy: {
            rules: [
              {},
              { action: 'Explode', onExitCodes: { operator: 'Near', values: [] } },
              { action: 'FailIndex', onExitCodes: { operator: 'In', values: [0, 3, 2, 2], containerName: 'other' } },
              { action: 'Ignore', onPodConditions: [{ type: 'a b', status: 'Maybe' }] },
              {
                action: 'Count',
                onPodConditions: [{ type: 'DisruptionTarget' }],
                onExitCodes: { operator: 'NotIn', values: [1] },
              },
            ],
          },
        },
        { podFailurePolicy: { rules: [] }, podReplacementPolicy: 'TerminatingOrFailed' },
        { template: { spec: { containers: pod.containers } } },
        { template: { spec: { ...pod, restartPolicy: 'Sometimes' } } },
        { template: { spec: { ...pod, restartPolicy: 'OnFailure' } }, podFailurePolicy: { rules: [] } },
      ),
      { do: 'create', body: { ...named('a.b'), spec: { template, completionMode: 'Indexed', completions: 2 } } },
      { do: 'create', body: { ...named('a.c'), spec: { template } } },
      { do: 'create', body: { ...named('empty'), spec: {} } },
    ],
  },
  {
    name: 'Job: policies',
    at: at('jobs'),
    steps: [
      {
        do: 'create',
        body: {
          ...named('policies'),
          spec: {
            template,
            completionMode: 'Indexed',
            completions: 5,
            parallelism: 5,
            backoffLimitPerIndex: 1,
            podFailurePolicy: {
              rules: [
                { action: 'FailIndex', onExitCodes: { operator: 'In', values: [1, 2] } },
                { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget' }] },
              ],
            },
            successPolicy: { rules: [{ succeededIndexes: '0-2', succeededCount: 2 }] },
          },
        },
      },
      { do: 'update', patch: { spec: { completions: 4 } } },
      { do: 'update', patch: { spec: { completions: 4, parallelism: 4 } } },
      { do: 'update', patch: { spec: { successPolicy: { rules: [{ succeededCount: 1 }] }, podFailurePolicy: { rules: [] } } } },
      { do: 'update', patch: { spec: { backoffLimitPerIndex: 2 } } },
      ...statusSteps(
        { completedIndexes: '0-9', failedIndexes: 'x' },
        { completedIndexes: '0-2', failedIndexes: '2-3' },
        { completedIndexes: '0-2', failedIndexes: '3', succeeded: 3, startTime: time(1) },
        { succeeded: 2 },
        { conditions: [condition('SuccessCriteriaMet'), condition('Failed')] },
        { conditions: [condition('Complete')], completionTime: time(2) },
        { conditions: [condition('SuccessCriteriaMet'), condition('Complete')], completionTime: time(2) },
        { conditions: [] },
      ),
      { do: 'table' },
    ],
  },
  {
    name: 'Job: suspended',
    at: at('jobs'),
    steps: [
      {
        do: 'create',
        body: { ...named('suspended'), spec: { template: { spec: { ...pod, nodeSelector: { a: 'b' } } }, suspend: true } },
      },
      {
        do: 'update',
        patch: {
          spec: {
            template: {
              metadata: { annotations: { a: 'b' }, labels: { c: 'd' } },
              spec: {
                nodeSelector: { e: 'f' },
                tolerations: [{ operator: 'Exists' }],
                affinity: {
                  nodeAffinity: {
                    preferredDuringSchedulingIgnoredDuringExecution: [
                      { weight: 1, preference: { matchExpressions: [{ key: 'a', operator: 'Exists' }] } },
                    ],
                  },
                },
                containers: [{ ...pod.containers[0], resources: { requests: { cpu: '1' } } }],
              },
            },
          },
        },
      },
      { do: 'update', patch: { spec: { suspend: false } } },
    ],
  },
  {
    name: 'Job: status',
    at: at('jobs'),
    steps: [
      { do: 'create', body: { ...named('status'), spec: { template } } },
      ...statusSteps(
        { active: -1, succeeded: -1, failed: -1, ready: -1, terminating: -1 },
        { active: 1, ready: 2, uncountedTerminatedPods: { succeeded: ['a', ''], failed: ['a'] } },
        { active: 1, failed: 2, succeeded: 2, startTime: time(3), failedIndexes: '1', completedIndexes: '1' },
        { active: 1, failed: 2, succeeded: 2, startTime: time(3) },
        { failed: 1, succeeded: 1 },
        { startTime: time(4) },
        { completionTime: time(1) },
        { conditions: [condition('Failed')] },
        { conditions: [condition('Complete'), condition('Failed'), condition('FailureTarget')] },
        { conditions: [condition('Complete'), condition('SuccessCriteriaMet')], uncountedTerminatedPods: { failed: ['u'] } },
        {
          active: 0,
          terminating: 1,
          conditions: [condition('Complete'), condition('SuccessCriteriaMet')],
          completionTime: time(2),
        },
        { active: 0, conditions: [condition('Complete'), condition('SuccessCriteriaMet')], completionTime: time(5) },
        { completionTime: time(6) },
        { conditions: [condition('Failed'), condition('FailureTarget')], completionTime: null },
      ),
      { do: 'table' },
    ],
  },
  {
    name: 'CronJob: defaults, updates, table',
    at: at('cronjobs'),
    steps: [
      { do: 'create', body: { ...named('hourly'), spec: { schedule: '@hourly', jobTemplate: { spec: { template } } } } },
      { do: 'update', patch: { spec: { schedule: '*/5 1-3 * jan-mar MON', timeZone: 'Europe/Berlin', suspend: true } } },
      { do: 'table' },
      { do: 'update', patch: { spec: { schedule: 'TZ=UTC 0 0 * * *' } } },
      {
        do: 'update',
        sub: 'status',
        patch: { spec: { schedule: 'x' }, status: { active: [{ name: 'a' }, { name: 'b' }] } },
      },
      { do: 'table' },
    ],
  },
  {
    name: 'CronJob: what is refused',
    at: at('cronjobs'),
    steps: (
      [
        { schedule: '' },
        { schedule: '* * * *' },
        { schedule: '60 * * * *' },
        { schedule: '* 5-3 * * *' },
        { schedule: '* * 0 * *' },
        { schedule: '*/0 * * * *' },
        { schedule: '1-2-3 * * * *' },
        { schedule: 'a * * * *' },
        { schedule: '-1 * * * *' },
        { schedule: '1/2/3 * * * *' },
        { schedule: '* * * * 7' },
        { schedule: '@sometimes' },
        { schedule: '@every soon' },
        { schedule: 'TZ=Nowhere 0 0 * * *' },
        { schedule: 'CRON_TZ=UTC 0 0 * * *' },
        { timeZone: '' },
        { timeZone: 'Local' },
        { timeZone: 'Nowhere/Land' },
        { timeZone: 'europe/berlin' },
        { timeZone: '../etc/passwd' },
        { timeZone: '+05:00' },
        { concurrencyPolicy: 'Queue', startingDeadlineSeconds: -1, successfulJobsHistoryLimit: -1, failedJobsHistoryLimit: -1 },
        { jobTemplate: { spec: { template, selector: { matchLabels: { a: 'b' } }, manualSelector: true } } },
        { jobTemplate: { spec: { template: { spec: { containers: pod.containers } }, parallelism: -1 } } },
      ] as object[]
    )
      .map((spec, index): Step => ({
        do: 'create',
        body: { ...named(`refused-${index}`), spec: { schedule: '0 0 * * *', jobTemplate: { spec: { template } }, ...spec } },
      }))
      .concat([
        {
          do: 'create',
          body: { ...named('n'.repeat(53)), spec: { schedule: '0 0 * * *', jobTemplate: { spec: { template } } } },
        },
        {
          do: 'create',
          body: {
            ...named('a.b'),
            spec: { schedule: '0 0 * * *', timeZone: 'Asia/Kolkata', jobTemplate: { spec: { template } } },
          },
        },
      ]),
  },
];
