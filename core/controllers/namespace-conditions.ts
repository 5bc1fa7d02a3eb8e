import type { NamespaceCondition } from '../api/generated/types.js';

/** What a round of deletion found. Resources are named `pods.` or `deployments.apps`, as upstream does. */
export interface DeletionFindings {
  /** Versions of groups whose resources are not known, as `GROUP/VERSION`. */
  readonly undiscovered?: readonly string[];
  readonly errors: readonly string[];
  readonly remaining: ReadonlyMap<string, number>;
  readonly finalizers: ReadonlyMap<string, number>;
}

interface Verdict {
  readonly reason: string;
  readonly message: string;
}

const allWell: readonly (readonly [type: string, verdict: Verdict])[] = [
  ['NamespaceDeletionDiscoveryFailure', { reason: 'ResourcesDiscovered', message: 'All resources successfully discovered' }],
  [
    'NamespaceDeletionGroupVersionParsingFailure',
    { reason: 'ParsedGroupVersions', message: 'All legacy kube types successfully parsed' },
  ],
  [
    'NamespaceDeletionContentFailure',
    { reason: 'ContentDeleted', message: 'All content successfully deleted, may be waiting on finalization' },
  ],
  ['NamespaceContentRemaining', { reason: 'ContentRemoved', message: 'All content successfully removed' }],
  ['NamespaceFinalizersRemaining', { reason: 'ContentHasNoFinalizers', message: 'All content-preserving finalizers finished' }],
];

/** The conditions of a namespace under deletion; the known ones when nothing changes. Source: pkg/controller/namespace/deletion. */
export function namespaceConditions(
  known: readonly NamespaceCondition[] | undefined,
  findings: DeletionFindings,
  now: string,
): readonly NamespaceCondition[] | undefined {
  const troubles = troublesOf(findings);
  let conditions = known;
  for (const [type, well] of allWell) {
    const trouble = troubles.get(type);
    const wanted = { type, status: trouble ? 'True' : 'False', ...(trouble ?? well) };
    const old = conditions?.find(condition => condition.type === type);
    if (!old) conditions = [...(conditions ?? []), { ...wanted, lastTransitionTime: now }];
    else if (old.status !== wanted.status || old.reason !== wanted.reason || old.message !== wanted.message) {
      const lastTransitionTime = old.status === wanted.status ? old.lastTransitionTime : now;
      conditions = conditions!.map(condition => (condition === old ? { ...wanted, lastTransitionTime } : condition));
    }
  }
  return conditions;
}

/** In the words of client-go, which users search for. */
export function discoveryError(versions: readonly string[]): string {
  const each = [...versions].sort().map(version => `${version}: stale GroupVersion discovery: ${version}`);
  return `unable to retrieve the complete list of server APIs: ${each.join(', ')}`;
}

function troublesOf({ undiscovered = [], errors, remaining, finalizers }: DeletionFindings): Map<string, Verdict> {
  const troubles = new Map<string, Verdict>();
  if (undiscovered.length > 0) {
    troubles.set('NamespaceDeletionDiscoveryFailure', {
      reason: 'DiscoveryFailed',
      message: `Discovery failed for some groups, ${undiscovered.length} failing: ${discoveryError(undiscovered)}`,
    });
  }
  if (errors.length > 0) {
    troubles.set('NamespaceDeletionContentFailure', {
      reason: 'ContentDeletionFailed',
      message: `Failed to delete all resource types, ${errors.length} remaining: ${[...errors].sort().join(', ')}`,
    });
  }
  if (remaining.size > 0) {
    const parts = Array.from(remaining, ([resource, count]) => `${resource} has ${count} resource instances`);
    troubles.set('NamespaceContentRemaining', {
      reason: 'SomeResourcesRemain',
      message: `Some resources are remaining: ${parts.sort().join(', ')}`,
    });
  }
  if (finalizers.size > 0) {
    const parts = Array.from(finalizers, ([finalizer, count]) => `${finalizer} in ${count} resource instances`);
    troubles.set('NamespaceFinalizersRemaining', {
      reason: 'SomeFinalizersRemain',
      message: `Some content in the namespace has finalizers remaining: ${parts.sort().join(', ')}`,
    });
  }
  return troubles;
}
