import { admissionSeeds } from './admission-seeds.js';
import type { Body } from './admission-seeds.js';
import type { Seed } from './seeds.js';

const metadata = (name: string): object => ({
  name,
  labels: { app: 'web' },
  annotations: { note: 'x' },
  finalizers: ['example.com/kept'],
});
const template = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'web', image: 'nginx' }] },
};
const once = { ...template, spec: { ...template.spec, restartPolicy: 'Never' } };
const time = '2026-01-01T00:00:00Z';
const condition = { type: 'Ready', status: 'True', reason: 'Because', message: 'm', lastTransitionTime: time };
const dangling = {
  type: 'Dangling',
  status: 'False',
  reason: 'Found',
  message: 'This FlowSchema references the PriorityLevelConfiguration object named "workload-low" and it exists',
  lastTransitionTime: time,
};
const space = '/namespaces/default';

const scaled = { selector: { matchLabels: { app: 'web' } }, template };
const jobSpec = {
  completionMode: 'Indexed',
  completions: 3,
  parallelism: 2,
  suspend: true,
  backoffLimitPerIndex: 1,
  maxFailedIndexes: 2,
  activeDeadlineSeconds: 60,
  ttlSecondsAfterFinished: 5,
  podReplacementPolicy: 'Failed',
  podFailurePolicy: {
    rules: [
      { action: 'FailJob', onExitCodes: { containerName: 'web', operator: 'In', values: [1, 2] } },
      { action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
    ],
  },
  successPolicy: { rules: [{ succeededIndexes: '0-1', succeededCount: 1 }] },
  template: once,
};

const definedVersion = (name: string, storage: boolean): object => ({
  name,
  served: true,
  storage,
  deprecated: !storage,
  ...(storage ? {} : { deprecationWarning: 'old' }),
  subresources: {
    status: {},
    scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size', labelSelectorPath: '.status.selector' },
  },
  ...(storage ? { selectableFields: [{ jsonPath: '.spec.host' }] } : {}),
  additionalPrinterColumns: [{ name: 'Size', type: 'integer', format: 'int32', priority: 1, jsonPath: '.spec.size' }],
  schema: {
    openAPIV3Schema: {
      type: 'object',
      description: name,
      properties: {
        spec: {
          type: 'object',
          required: ['host'],
          properties: {
            host: { type: 'string', maxLength: 9, pattern: '^a', format: 'hostname', default: 'ab', enum: ['ab', 'ac'] },
            size: { type: 'integer', minimum: 0, maximum: 9, multipleOf: 1, exclusiveMaximum: true },
            either: { 'x-kubernetes-int-or-string': true, anyOf: [{ type: 'integer' }, { type: 'string' }] },
            list: {
              type: 'array',
              maxItems: 3,
              'x-kubernetes-list-type': 'map',
              'x-kubernetes-list-map-keys': ['name'],
              items: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } },
            },
            map: {
              type: 'object',
              additionalProperties: { type: 'string', nullable: true },
              'x-kubernetes-map-type': 'granular',
            },
            any: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true, 'x-kubernetes-embedded-resource': true },
          },
          oneOf: [{ required: ['size'] }, { not: { required: ['size'] } }],
        },
      },
    },
  },
});

const bodies: readonly Body[] = [
  [
    'Deployment',
    'apps/v1',
    `${space}/deployments`,
    {
      spec: {
        ...scaled,
        replicas: 2,
        minReadySeconds: 1,
        revisionHistoryLimit: 3,
        progressDeadlineSeconds: 60,
        strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: '25%' } },
      },
    },
    { observedGeneration: 1, replicas: 2, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1, conditions: [condition] },
  ],
  [
    'ReplicaSet',
    'apps/v1',
    `${space}/replicasets`,
    { spec: { ...scaled, replicas: 2, minReadySeconds: 1 } },
    { replicas: 2, fullyLabeledReplicas: 2, readyReplicas: 2, availableReplicas: 1, conditions: [condition] },
  ],
  [
    'DaemonSet',
    'apps/v1',
    `${space}/daemonsets`,
    {
      spec: {
        ...scaled,
        minReadySeconds: 1,
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '10%' } },
      },
    },
    { currentNumberScheduled: 1, numberMisscheduled: 1, desiredNumberScheduled: 1, numberReady: 1, conditions: [condition] },
  ],
  [
    'StatefulSet',
    'apps/v1',
    `${space}/statefulsets`,
    {
      spec: {
        ...scaled,
        serviceName: 'web',
        replicas: 2,
        ordinals: { start: 1 },
        minReadySeconds: 1,
        podManagementPolicy: 'Parallel',
        persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Delete', whenScaled: 'Retain' },
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 1 } },
        volumeClaimTemplates: [
          {
            metadata: { name: 'data', labels: { a: 'b' } },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, storageClassName: 'x' },
          },
        ],
      },
    },
    { replicas: 2, readyReplicas: 1, currentReplicas: 1, updatedReplicas: 1, availableReplicas: 1, conditions: [condition] },
  ],
  [
    'Job',
    'batch/v1',
    `${space}/jobs`,
    { spec: jobSpec },
    { conditions: [{ ...condition, type: 'Suspended' }], active: 0, uncountedTerminatedPods: {} },
  ],
  [
    'CronJob',
    'batch/v1',
    `${space}/cronjobs`,
    {
      spec: {
        schedule: '*/5 * * * *',
        timeZone: 'Etc/UTC',
        concurrencyPolicy: 'Forbid',
        suspend: true,
        startingDeadlineSeconds: 60,
        successfulJobsHistoryLimit: 1,
        failedJobsHistoryLimit: 1,
        jobTemplate: { metadata: { labels: { a: 'b' } }, spec: { backoffLimit: 1, template: once } },
      },
    },
    { active: [{ kind: 'Job', name: 'x', namespace: 'default' }], lastScheduleTime: time },
  ],
  [
    'HorizontalPodAutoscaler',
    'autoscaling/v1',
    `${space}/horizontalpodautoscalers`,
    {
      metadata: {
        ...metadata('seed-v1'),
        annotations: {
          note: 'x',
          'autoscaling.alpha.kubernetes.io/metrics':
            '[{"type":"Pods","pods":{"metricName":"m","targetAverageValue":"1"}},{"type":"Resource","resource":{"name":"memory","targetAverageUtilization":50}}]',
          'autoscaling.alpha.kubernetes.io/behavior':
            '{"ScaleUp":{"StabilizationWindowSeconds":5,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,"PeriodSeconds":15}]}}',
        },
      },
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        minReplicas: 1,
        maxReplicas: 3,
        targetCPUUtilizationPercentage: 60,
      },
    },
    { currentReplicas: 1, desiredReplicas: 2, currentCPUUtilizationPercentage: 30, lastScaleTime: time },
  ],
  [
    'HorizontalPodAutoscaler',
    'autoscaling/v2',
    `${space}/horizontalpodautoscalers`,
    {
      spec: {
        scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
        minReplicas: 1,
        maxReplicas: 5,
        metrics: [
          { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } },
          { type: 'Pods', pods: { metric: { name: 'p' }, target: { type: 'AverageValue', averageValue: '1' } } },
          {
            type: 'Object',
            object: {
              describedObject: { apiVersion: 'v1', kind: 'Service', name: 's' },
              metric: { name: 'o', selector: { matchLabels: { a: 'b' } } },
              target: { type: 'Value', value: '10' },
            },
          },
          { type: 'External', external: { metric: { name: 'e' }, target: { type: 'AverageValue', averageValue: '1' } } },
          {
            type: 'ContainerResource',
            containerResource: { name: 'memory', container: 'web', target: { type: 'AverageValue', averageValue: '1Gi' } },
          },
        ],
        behavior: {
          scaleUp: {
            stabilizationWindowSeconds: 5,
            selectPolicy: 'Max',
            policies: [{ type: 'Pods', value: 1, periodSeconds: 15 }],
          },
          scaleDown: { selectPolicy: 'Min', policies: [{ type: 'Percent', value: 10, periodSeconds: 60 }] },
        },
      },
    },
    { currentReplicas: 1, desiredReplicas: 1, currentMetrics: null, conditions: [{ ...condition, type: 'AbleToScale' }] },
  ],
  [
    'EndpointSlice',
    'discovery.k8s.io/v1',
    `${space}/endpointslices`,
    {
      addressType: 'IPv4',
      endpoints: [
        {
          addresses: ['192.0.2.1'],
          conditions: { ready: true, serving: true, terminating: false },
          hostname: 'h',
          nodeName: 'n',
          zone: 'z',
          targetRef: { kind: 'Pod', name: 'p', namespace: 'default' },
          hints: { forZones: [{ name: 'z' }], forNodes: [{ name: 'n' }] },
          deprecatedTopology: { a: 'b' },
        },
      ],
      ports: [{ name: 'http', protocol: 'TCP', port: 80, appProtocol: 'kubernetes.io/h2c' }],
    },
  ],
  [
    'NetworkPolicy',
    'networking.k8s.io/v1',
    `${space}/networkpolicies`,
    {
      spec: {
        podSelector: { matchLabels: { app: 'web' } },
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          {
            from: [{ podSelector: { matchLabels: { a: 'b' } }, namespaceSelector: {} }],
            ports: [{ protocol: 'TCP', port: 80, endPort: 90 }],
          },
        ],
        egress: [
          { to: [{ ipBlock: { cidr: '192.0.2.0/24', except: ['192.0.2.128/25'] } }], ports: [{ protocol: 'UDP', port: 'dns' }] },
        ],
      },
    },
  ],
  [
    'Ingress',
    'networking.k8s.io/v1',
    `${space}/ingresses`,
    {
      spec: {
        ingressClassName: 'x',
        defaultBackend: { service: { name: 's', port: { number: 80 } } },
        tls: [{ hosts: ['a.example'], secretName: 's' }],
        rules: [
          {
            host: 'a.example',
            http: {
              paths: [
                { path: '/a', pathType: 'Prefix', backend: { service: { name: 's', port: { name: 'http' } } } },
                { path: '/b', pathType: 'Exact', backend: { resource: { apiGroup: 'g.example', kind: 'K', name: 'n' } } },
              ],
            },
          },
        ],
      },
    },
    { loadBalancer: { ingress: [{ ip: '192.0.2.1' }, { hostname: 'a.example', ports: [{ port: 80, protocol: 'TCP' }] }] } },
  ],
  [
    'IngressClass',
    'networking.k8s.io/v1',
    '/ingressclasses',
    {
      spec: {
        controller: 'example.com/c',
        parameters: { apiGroup: 'g.example', kind: 'K', name: 'n', scope: 'Namespace', namespace: 'x' },
      },
    },
  ],
  [
    'FlowSchema',
    'flowcontrol.apiserver.k8s.io/v1',
    '/flowschemas',
    {
      spec: {
        priorityLevelConfiguration: { name: 'workload-low' },
        matchingPrecedence: 500,
        distinguisherMethod: { type: 'ByUser' },
        rules: [
          {
            subjects: [
              { kind: 'User', user: { name: 'somebody' } },
              { kind: 'Group', group: { name: 'some' } },
              { kind: 'ServiceAccount', serviceAccount: { namespace: 'default', name: '*' } },
            ],
            resourceRules: [
              {
                verbs: ['get', 'list'],
                apiGroups: ['', 'apps'],
                resources: ['pods', 'deployments/status'],
                clusterScope: true,
                namespaces: ['default'],
              },
            ],
            nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['/healthz', '/plugins/*'] }],
          },
        ],
      },
    },
    { conditions: [dangling, condition] },
  ],
  [
    'PriorityLevelConfiguration',
    'flowcontrol.apiserver.k8s.io/v1',
    '/prioritylevelconfigurations',
    {
      spec: {
        type: 'Limited',
        limited: {
          nominalConcurrencyShares: 5,
          lendablePercent: 20,
          borrowingLimitPercent: 50,
          limitResponse: { type: 'Queue', queuing: { queues: 16, handSize: 4, queueLengthLimit: 20 } },
        },
      },
    },
    { conditions: [condition] },
  ],
  ['ServiceCIDR', 'networking.k8s.io/v1', '/servicecidrs', { spec: { cidrs: ['10.99.0.0/16'] } }, { conditions: [condition] }],
  [
    'PodDisruptionBudget',
    'policy/v1',
    `${space}/poddisruptionbudgets`,
    { spec: { minAvailable: '50%', selector: { matchLabels: { app: 'web' } }, unhealthyPodEvictionPolicy: 'AlwaysAllow' } },
    {
      disruptionsAllowed: 1,
      currentHealthy: 2,
      desiredHealthy: 1,
      expectedPods: 2,
      observedGeneration: 1,
      disruptedPods: { p: time },
      conditions: [condition],
    },
  ],
  [
    'Lease',
    'coordination.k8s.io/v1',
    `${space}/leases`,
    {
      spec: {
        holderIdentity: 'me',
        leaseDurationSeconds: 15,
        acquireTime: '2026-01-01T00:00:00.000000Z',
        renewTime: '2026-01-01T00:00:01.000000Z',
        leaseTransitions: 1,
      },
    },
  ],
  [
    'RuntimeClass',
    'node.k8s.io/v1',
    '/runtimeclasses',
    {
      handler: 'runc',
      overhead: { podFixed: { cpu: '10m' } },
      scheduling: { nodeSelector: { a: 'b' }, tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }] },
    },
  ],
  ['PriorityClass', 'scheduling.k8s.io/v1', '/priorityclasses', { value: 5, description: 'd', preemptionPolicy: 'Never' }],
  [
    'StorageClass',
    'storage.k8s.io/v1',
    '/storageclasses',
    {
      provisioner: 'example.com/p',
      parameters: { a: 'b' },
      reclaimPolicy: 'Retain',
      mountOptions: ['ro'],
      allowVolumeExpansion: true,
      volumeBindingMode: 'WaitForFirstConsumer',
      allowedTopologies: [{ matchLabelExpressions: [{ key: 'zone', values: ['a'] }] }],
    },
  ],
  ['VolumeAttributesClass', 'storage.k8s.io/v1', '/volumeattributesclasses', { driverName: 'a.example', parameters: { a: 'b' } }],
  [
    'VolumeAttachment',
    'storage.k8s.io/v1',
    '/volumeattachments',
    { spec: { attacher: 'a.example', nodeName: 'n', source: { persistentVolumeName: 'v' } } },
    { attached: true, attachmentMetadata: { a: 'b' }, attachError: { time, message: 'm' }, detachError: { time, message: 'm' } },
  ],
  [
    'CSIDriver',
    'storage.k8s.io/v1',
    '/csidrivers',
    {
      spec: {
        attachRequired: true,
        podInfoOnMount: true,
        volumeLifecycleModes: ['Persistent', 'Ephemeral'],
        storageCapacity: true,
        fsGroupPolicy: 'File',
        tokenRequests: [{ audience: 'a', expirationSeconds: 600 }],
        requiresRepublish: true,
        seLinuxMount: true,
        nodeAllocatableUpdatePeriodSeconds: 30,
      },
    },
  ],
  [
    'CSINode',
    'storage.k8s.io/v1',
    '/csinodes',
    { spec: { drivers: [{ name: 'a.example', nodeID: 'n', topologyKeys: ['zone'], allocatable: { count: 1 } }] } },
  ],
  [
    'CSIStorageCapacity',
    'storage.k8s.io/v1',
    `${space}/csistoragecapacities`,
    { storageClassName: 'x', nodeTopology: { matchLabels: { a: 'b' } }, capacity: '1Gi', maximumVolumeSize: '1Gi' },
  ],
  [
    'CustomResourceDefinition',
    'apiextensions.k8s.io/v1',
    '/customresourcedefinitions',
    {
      metadata: metadata('seeds.example.com'),
      spec: {
        group: 'example.com',
        scope: 'Namespaced',
        names: { plural: 'seeds', singular: 'seed', kind: 'Seed', listKind: 'SeedList', shortNames: ['sd'], categories: ['all'] },
        conversion: {
          strategy: 'Webhook',
          webhook: {
            conversionReviewVersions: ['v1'],
            clientConfig: { service: { namespace: 'default', name: 'converter', path: '/convert', port: 443 } },
          },
        },
        versions: [definedVersion('v1', true), definedVersion('v1beta1', false)],
      },
    },
  ],
  [
    'APIService',
    'apiregistration.k8s.io/v1',
    '/apiservices',
    {
      metadata: metadata('v1.seed.example.com'),
      spec: { group: 'seed.example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 15 },
    },
    { conditions: [{ ...condition, type: 'Other' }] },
  ],
  ...admissionSeeds,
  ['ControllerRevision', 'apps/v1', `${space}/controllerrevisions`, { revision: 1, data: { a: 'b' } }],
  ['PodTemplate', 'v1', `${space}/podtemplates`, { template }],
];

/** Objects of the other groups, with something in most of their corners. */
export const groupSeeds: readonly Seed[] = bodies.map(([kind, apiVersion, at, fields, status]) => ({
  kind,
  at: `${apiVersion === 'v1' ? '/api/v1' : `/apis/${apiVersion}`}${at}`,
  body: { apiVersion, kind, metadata: metadata('seed'), ...fields },
  ...(status ? { status } : {}),
  ...(kind === 'FlowSchema' ? { settled: '"Dangling"' } : {}),
}));
