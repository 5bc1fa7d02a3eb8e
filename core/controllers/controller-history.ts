import { ControllerRevisions } from '../api/generated/resources.js';
import type { ControllerRevision, PodTemplateSpec } from '../api/generated/types.js';
import { canonicalJson, hashOf } from '../api/hash.js';
import { withoutUndefined } from '../api/objects.js';
import { controllerReference } from '../api/owners.js';
import type { OwnerKind, WithMetadata } from '../api/owners.js';
import { isJsonObject, setOwn } from '../machinery/object.js';
import { isStatusError } from '../machinery/status-error.js';
import type { ControllerContext } from './controller.js';

/** Revisions of pod templates as ControllerRevisions. Source: pkg/controller/history. */
const longestPrefix = 223;
const maximumCollisions = 32;

/**
 * What a revision remembers: a strategic merge patch that puts the template back. Upstream's own code compares such patches byte by
 * byte, so the keys are sorted as Go sorts those of a map.
 */
export function templatePatch(template: PodTemplateSpec): unknown {
  return JSON.parse(canonicalJson({ spec: { template: { ...template, $patch: 'replace' } } }));
}

/** The template that a revision puts back. */
export function templateOf(revision: ControllerRevision, fallback: PodTemplateSpec): PodTemplateSpec {
  const spec = isJsonObject(revision.data) ? revision.data['spec'] : undefined;
  const template = isJsonObject(spec) ? spec['template'] : undefined;
  if (!isJsonObject(template)) return fallback;
  const copy: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(template)) if (key !== '$patch') setOwn(copy, key, value);
  return copy as unknown as PodTemplateSpec;
}

export function sameData(revision: ControllerRevision, data: unknown): boolean {
  return canonicalJson(revision.data) === canonicalJson(data);
}

export function byRevision(a: ControllerRevision, b: ControllerRevision): number {
  if (a.revision !== b.revision) return a.revision - b.revision;
  const timeA = a.metadata.creationTimestamp ?? '';
  const timeB = b.metadata.creationTimestamp ?? '';
  if (timeA !== timeB) return timeA < timeB ? -1 : 1;
  return a.metadata.name < b.metadata.name ? -1 : 1;
}

export interface NewRevision {
  readonly owner: WithMetadata;
  readonly kind: OwnerKind;
  readonly template: PodTemplateSpec;
  readonly data: unknown;
  readonly revision: number;
  readonly collisionCount: number;
  /** The label that carries the hash. */
  readonly hashLabel: string;
  readonly annotations?: Record<string, string> | undefined;
}

/**
 * Creates a revision, or finds the equal one that is there under its name. Another one under that name is a hash collision: the
 * next count is tried, and the last one used is given back.
 */
export async function createRevision(
  context: ControllerContext,
  wanted: NewRevision,
): Promise<{ revision: ControllerRevision; collisionCount: number }> {
  const { owner, template, data } = wanted;
  const { name = '', namespace } = owner.metadata;
  const revisions = context.client.resource(ControllerRevisions, namespace);
  for (let collisionCount = wanted.collisionCount; ; collisionCount++) {
    const hash = hashOf(data, collisionCount || undefined);
    const draft = {
      apiVersion: 'apps/v1',
      kind: 'ControllerRevision',
      metadata: withoutUndefined({
        name: `${name.slice(0, longestPrefix)}-${hash}`,
        namespace,
        labels: { ...template.metadata?.labels, [wanted.hashLabel]: hash },
        annotations: wanted.annotations && { ...wanted.annotations },
        ownerReferences: [controllerReference(owner, wanted.kind)],
      }),
      data,
      revision: wanted.revision,
    } as ControllerRevision;
    try {
      return { revision: await revisions.create(draft), collisionCount };
    } catch (error) {
      if (!isStatusError(error, 'AlreadyExists')) throw error;
      const found = await revisions.get(draft.metadata.name);
      if (sameData(found, data)) return { revision: found, collisionCount };
      if (collisionCount - wanted.collisionCount >= maximumCollisions) throw error;
    }
  }
}

export async function renumberRevision(
  context: ControllerContext,
  revision: ControllerRevision,
  number: number,
): Promise<ControllerRevision> {
  if (revision.revision === number) return revision;
  const { namespace, name, resourceVersion } = revision.metadata;
  return context.client
    .resource(ControllerRevisions, namespace)
    .patch(name, 'merge', { metadata: { resourceVersion }, revision: number });
}

/** Deletes the oldest of `revisions` (sorted) that are not in use, so that `keep` of those stay. */
export async function truncateHistory(
  context: ControllerContext,
  unused: readonly ControllerRevision[],
  keep: number,
): Promise<void> {
  for (const { metadata } of unused.slice(0, Math.max(0, unused.length - keep))) {
    try {
      await context.client.resource(ControllerRevisions, metadata.namespace).delete(metadata.name);
    } catch (error) {
      if (!isStatusError(error, 'NotFound')) throw error;
    }
  }
}
