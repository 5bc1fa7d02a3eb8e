import type { Node, NodeStatus, Pod, PodSpec, PodStatus } from '../../api/generated/types.js';
import type { ObjectMeta } from '../../machinery/object.js';

type Amounts = Record<string, string>;

export interface PodFields extends Partial<Omit<PodSpec, 'containers'>> {
  readonly meta?: Partial<ObjectMeta>;
  readonly labels?: Record<string, string>;
  readonly namespace?: string;
  readonly requests?: Amounts;
  readonly containers?: PodSpec['containers'];
  readonly status?: Partial<PodStatus>;
}

/** A pod of one container. */
export function pod(name: string, fields: PodFields = {}): Pod {
  const { meta, labels, namespace = 'default', requests, containers, status, ...spec } = fields;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { uid: `uid-${name}`, ...(labels ? { labels } : {}), ...meta, name, namespace },
    spec: {
      schedulerName: 'default-scheduler',
      ...spec,
      containers: containers ?? [{ name: 'main', image: 'busybox', resources: requests ? { requests } : {} }],
    },
    status: { phase: 'Pending', ...status },
  };
}

export interface NodeFields {
  readonly labels?: Record<string, string>;
  readonly taints?: Node['spec']['taints'];
  readonly unschedulable?: boolean;
  readonly allocatable?: Amounts;
  readonly images?: NodeStatus['images'];
}

/** A node of 4 CPUs, 8 GiB and 110 pods, unless said otherwise. */
export function node(name: string, fields: NodeFields = {}): Node {
  const { labels, taints, unschedulable, allocatable, images } = fields;
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, uid: `uid-${name}`, labels: { 'kubernetes.io/hostname': name, ...labels } },
    spec: { ...(taints ? { taints } : {}), ...(unschedulable ? { unschedulable } : {}) },
    status: {
      allocatable: { cpu: '4', memory: '8Gi', pods: '110', 'ephemeral-storage': '10Gi', ...allocatable },
      ...(images ? { images } : {}),
    } as unknown as NodeStatus,
  };
}
