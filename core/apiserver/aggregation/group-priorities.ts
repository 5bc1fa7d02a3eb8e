/** Where a version stands in discovery: the larger, the earlier. */
export interface VersionPriority {
  readonly group: number;
  readonly version: number;
}

/** Of groups that nobody says anything of: custom resources, and groups of plugins. */
export const defaultPriority: VersionPriority = { group: 1000, version: 100 };

/** The group of APIServices themselves: no APIService names it, and it comes first. */
export const registrationGroup = 'apiregistration.k8s.io';

const groups: Readonly<Record<string, readonly [group: number, versions: Readonly<Record<string, number>>]>> = {
  '': [18_000, { v1: 1 }],
  [registrationGroup]: [20_001, { v1: 0 }],
  'admissionregistration.k8s.io': [16_700, { v1: 15, v1beta1: 12, v1alpha1: 9 }],
  'apiextensions.k8s.io': [16_700, { v1: 15 }],
  apps: [17_800, { v1: 15 }],
  'authentication.k8s.io': [17_700, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  'authorization.k8s.io': [17_600, { v1: 15 }],
  autoscaling: [17_500, { v1: 15, v2: 30 }],
  batch: [17_400, { v1: 15 }],
  'certificates.k8s.io': [17_300, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  'coordination.k8s.io': [16_500, { v1: 15, v1beta1: 13, v1alpha2: 12 }],
  'discovery.k8s.io': [16_200, { v1: 15 }],
  'events.k8s.io': [17_750, { v1: 15 }],
  'flowcontrol.apiserver.k8s.io': [16_100, { v1: 21 }],
  'internal.apiserver.k8s.io': [16_000, { v1alpha1: 9 }],
  'networking.k8s.io': [17_200, { v1: 15, v1beta1: 9 }],
  'node.k8s.io': [16_300, { v1: 15 }],
  policy: [17_100, { v1: 15 }],
  'rbac.authorization.k8s.io': [17_000, { v1: 15 }],
  'resource.k8s.io': [16_200, { v1: 21, v1beta2: 15, v1beta1: 9, v1alpha3: 1 }],
  'scheduling.k8s.io': [16_600, { v1: 15, v1alpha2: 2 }],
  'storage.k8s.io': [16_800, { v1: 15, v1beta1: 9, v1alpha1: 1 }],
  'storagemigration.k8s.io': [15_800, { v1beta1: 9 }],
};

/** Undefined for what is not of Kubernetes itself. Source: pkg/controlplane/apiserver/aggregator.go, cmd/kube-apiserver/app/aggregator.go. */
export function builtInPriority(group: string, version: string): VersionPriority | undefined {
  const found = Object.hasOwn(groups, group) ? groups[group] : undefined;
  const priority = found && Object.hasOwn(found[1], version) ? found[1][version] : undefined;
  return found && priority !== undefined ? { group: found[0], version: priority } : undefined;
}
