import type { PodSpec } from '../../../api/generated/types.js';
import type { ObjectMeta } from '../../../machinery/object.js';
import { baselineChecks } from './baseline.js';
import type { Check, VersionedCheck, Violation } from './check.js';
import type { LevelVersion } from './policy.js';
import { restrictedChecks } from './restricted.js';

/** Everything that the level forbids and the pod does. */
export function violations({ level, minor }: LevelVersion, metadata: ObjectMeta, spec: PodSpec): Violation[] {
  if (level === 'privileged') return [];
  const found: Violation[] = [];
  for (const check of checksOf(level, minor)) {
    const violation = check(metadata, spec);
    if (violation) found.push(violation);
  }
  return found;
}

/** The baseline's first, then the restricted level's, without those of the baseline that the latter make superfluous. */
function checksOf(level: 'baseline' | 'restricted', minor: number): Check[] {
  const at = (entry: VersionedCheck): Check | undefined => entry.versions.findLast(({ since }) => since <= minor)?.check;
  const narrow = level === 'restricted' ? restrictedChecks.filter(at) : [];
  const overridden = new Set(narrow.map(({ overrides }) => overrides));
  return [...baselineChecks.filter(({ id }) => !overridden.has(id)), ...narrow].flatMap(entry => at(entry) ?? []);
}

/** `reason (detail), reason (detail)`. */
export function detailText(found: readonly Violation[]): string {
  return found.map(({ reason, detail }) => (detail ? `${reason} (${detail})` : reason)).join(', ');
}

export function reasonText(found: readonly Violation[]): string {
  return found.map(({ reason }) => reason).join(', ');
}
