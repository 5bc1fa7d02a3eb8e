import type { Case, Step } from '../replay.js';

const named = (name: string, more: object = {}): { metadata: object } => ({ metadata: { name, ...more } });
const root = '/apis/storage.k8s.io/v1';
const creates = (list: readonly object[]): Step[] =>
  list.map((body, index): Step => ({ do: 'create', body: { ...named(`case-${index}`), ...body } }));
const withSpecs = (list: readonly object[]): Step[] => creates(list.map(spec => ({ spec })));
const zone = (key: string, ...values: string[]): object => ({ matchLabelExpressions: [{ key, values }] });

export const storageCases: readonly Case[] = [
  {
    name: 'StorageClass',
    at: `${root}/storageclasses`,
    steps: [
      ...creates([
        {},
        { provisioner: 'a b', reclaimPolicy: 'Recycle', volumeBindingMode: 'Later' },
        { provisioner: 'A.example', parameters: { '': 'x' } },
        {
          provisioner: 'a.example',
          allowedTopologies: [zone('zone', 'a', 'a'), zone('zone'), zone('zone', 'b'), zone('zone', 'b'), zone('no good', 'b')],
        },
        {
          provisioner: 'a.example',
          allowedTopologies: [
            {
              matchLabelExpressions: [
                { key: 'a', values: ['b'] },
                { key: 'a', values: ['c'] },
              ],
            },
          ],
        },
      ]),
      {
        do: 'create',
        body: {
          ...named('right', { annotations: { 'storageclass.kubernetes.io/is-default-class': 'true' } }),
          provisioner: 'A.example/Disk',
          parameters: { type: 'fast' },
          mountOptions: ['ro'],
          allowedTopologies: [zone('failure-domain.beta.kubernetes.io/zone', 'a')],
        },
      },
      { do: 'table' },
      { do: 'update', patch: { allowVolumeExpansion: true } },
      {
        do: 'update',
        patch: {
          provisioner: 'b',
          parameters: { type: 'slow' },
          reclaimPolicy: 'Retain',
          volumeBindingMode: 'WaitForFirstConsumer',
        },
      },
      { do: 'table' },
    ],
  },
  {
    name: 'VolumeAttributesClass',
    at: `${root}/volumeattributesclasses`,
    steps: [
      ...creates([{}, { driverName: 'a b', parameters: {} }]),
      { do: 'create', body: { ...named('right'), driverName: 'a.example', parameters: { iops: '5' } } },
      { do: 'update', patch: { driverName: 'b.example', parameters: { iops: '6' } } },
      { do: 'table' },
    ],
  },
  {
    name: 'VolumeAttachment',
    at: `${root}/volumeattachments`,
    steps: [
      ...withSpecs([
        {},
        { attacher: 'a_b', source: { persistentVolumeName: '' }, nodeName: 'N_' },
        { attacher: 'a'.repeat(64), source: { persistentVolumeName: 'P_' }, nodeName: 'n' },
      ]),
      {
        do: 'create',
        body: {
          ...named('right'),
          spec: { attacher: 'a.example', source: { persistentVolumeName: 'pv' }, nodeName: 'n' },
          status: { attached: true },
        },
      },
      { do: 'update', patch: { spec: { nodeName: 'm' }, status: { attached: true } } },
      { do: 'update', patch: { metadata: { resourceVersion: null } } },
      {
        do: 'update',
        sub: 'status',
        patch: {
          metadata: { labels: { a: 'b' } },
          status: {
            attached: true,
            attachmentMetadata: { a: 'b' },
            attachError: { time: '2026-01-02T03:04:05Z', message: 'no', errorCode: -1 },
          },
        },
      },
      {
        do: 'update',
        sub: 'status',
        patch: {
          metadata: { labels: { a: 'b' } },
          status: { attached: true, detachError: { message: 'no', errorCode: 3 } },
        },
      },
      { do: 'table' },
    ],
  },
  {
    name: 'CSIDriver',
    at: `${root}/csidrivers`,
    steps: [
      ...withSpecs([
        { fsGroupPolicy: 'Some', volumeLifecycleModes: ['Persistent', 'Short'], nodeAllocatableUpdatePeriodSeconds: 9 },
        { serviceAccountTokenInSecrets: true },
        {
          tokenRequests: [
            { audience: 'a', expirationSeconds: 599 },
            { audience: 'a' },
            { audience: 'b', expirationSeconds: 4294967297 },
          ],
        },
      ]),
      { do: 'create', body: named('bare') },
      { do: 'table' },
      {
        do: 'create',
        body: { ...named('right'), spec: { tokenRequests: [{ audience: '' }], preventPodSchedulingIfMissing: true } },
      },
      { do: 'update', patch: { metadata: { labels: { a: 'b' } } } },
      { do: 'update', patch: { spec: { podInfoOnMount: true, tokenRequests: [{ audience: 'c' }] } } },
      { do: 'update', patch: { spec: { attachRequired: false, volumeLifecycleModes: ['Ephemeral'] } } },
      { do: 'update', patch: { metadata: { resourceVersion: null } } },
      { do: 'table' },
    ],
  },
  {
    name: 'CSINode',
    at: `${root}/csinodes`,
    steps: [
      ...withSpecs([
        { drivers: [{ name: '', nodeID: '' }] },
        {
          drivers: [
            { name: 'a_b', nodeID: 'n'.repeat(257), allocatable: { count: -1 }, topologyKeys: ['', 'a b', 'c', 'c'] },
            { name: 'a.example', nodeID: 'n' },
            { name: 'a.example', nodeID: 'n' },
          ],
        },
      ]),
      {
        do: 'create',
        body: {
          ...named('right'),
          spec: { drivers: [{ name: 'a.example', nodeID: 'n', topologyKeys: ['zone'], allocatable: { count: 5 } }] },
        },
      },
      { do: 'update', patch: { spec: { drivers: [{ name: 'a.example', nodeID: 'm', topologyKeys: ['zone'] }] } } },
      {
        do: 'update',
        patch: { spec: { drivers: [{ name: 'a.example', nodeID: 'n', topologyKeys: ['zone'], allocatable: { count: 6 } }] } },
      },
      { do: 'table' },
      { do: 'create', body: { ...named('bare'), spec: { drivers: [] } } },
      { do: 'table' },
    ],
  },
  {
    name: 'CSIStorageCapacity',
    at: `${root}/namespaces/default/csistoragecapacities`,
    steps: [
      ...creates([
        {},
        { storageClassName: 'A_', capacity: '-1', nodeTopology: { matchLabels: { 'a b': 'c d' } } },
        { storageClassName: 'a', capacity: '1x' },
      ]),
      {
        do: 'create',
        body: {
          ...named('right'),
          storageClassName: 'a',
          capacity: '1024Ki',
          maximumVolumeSize: '1.5Gi',
          nodeTopology: {
            matchLabels: { 'beta.kubernetes.io/os': 'linux' },
            matchExpressions: [{ key: 'beta.kubernetes.io/arch', operator: 'Exists' }],
          },
        },
      },
      { do: 'update', patch: { capacity: '2Gi' } },
      { do: 'update', patch: { storageClassName: 'b', nodeTopology: { matchLabels: { 'beta.kubernetes.io/os': 'plan9' } } } },
      { do: 'table' },
    ],
  },
];
