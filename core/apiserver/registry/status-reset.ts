import type { KubeObject } from '../../machinery/object.js';
import { cloneJson } from '../../machinery/object.js';

/** Strategies that say their own `prepareFor*` use this for what the main endpoint must not change. */
export function resetStatus(draft: KubeObject, old: Readonly<KubeObject> | undefined): void {
  const target = draft as KubeObject & { status?: unknown };
  const source = old as (KubeObject & { status?: unknown }) | undefined;
  if (source?.status !== undefined) target.status = cloneJson(source.status);
  else if ('status' in target) {
    if (old) delete target.status;
    else target.status = {};
  }
}

/** What a `status` endpoint without a strategy of its own puts back. */
export function keepAllButStatus(draft: KubeObject, old: Readonly<KubeObject>): void {
  const target = draft as unknown as Record<string, unknown>;
  const source = old as unknown as Record<string, unknown>;
  for (const key of Object.keys(target)) {
    if (key !== 'status' && key !== 'metadata' && !(key in source)) delete target[key];
  }
  for (const [key, value] of Object.entries(source)) {
    if (key !== 'status' && key !== 'metadata') target[key] = cloneJson(value);
  }
  const { managedFields, deletionGracePeriodSeconds } = draft.metadata;
  draft.metadata = { ...cloneJson(old.metadata), managedFields };
  // Not put back by upstream either: validation refuses a new one.
  if (deletionGracePeriodSeconds !== undefined) draft.metadata.deletionGracePeriodSeconds = deletionGracePeriodSeconds;
}
