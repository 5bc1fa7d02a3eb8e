import { CodedError } from '../../../base/errors.js';
import type { StatusCause } from '../../status-error.js';
import { StatusError } from '../../status-error.js';
import { fieldSetOf, formatFieldPath } from './field-set.js';
import type { FieldSet, FieldSetPath } from './field-set.js';
import { formatManager } from './managed-entries.js';

export interface Conflict {
  /** A manager identifier. */
  readonly manager: string;
  readonly path: FieldSetPath;
}

/** What an apply would take from others. Caught inside, and told to clients as `applyConflict`. */
export class ApplyConflicts extends CodedError {
  readonly conflicts: readonly Conflict[];

  constructor(conflicts: readonly Conflict[]) {
    super('APPLY_CONFLICTS', 'the configuration changes fields of other managers');
    this.conflicts = conflicts;
  }

  static from(sets: ReadonlyMap<string, FieldSet>): ApplyConflicts {
    const conflicts: Conflict[] = [];
    for (const manager of [...sets.keys()].sort())
      for (const path of sets.get(manager)!.paths()) conflicts.push({ manager, path });
    return new ApplyConflicts(conflicts);
  }

  get paths(): FieldSet {
    return fieldSetOf(this.conflicts.map(conflict => conflict.path));
  }
}

/** 409 with a cause for each field. Source: apimachinery managedfields NewConflictError. */
export function applyConflict(conflicts: readonly Conflict[]): StatusError {
  const causes: StatusCause[] = conflicts.map(({ manager, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${formatManager(manager)}`,
    field: formatFieldPath(path),
  }));
  return new StatusError(409, 'Conflict', conflictText(conflicts), { causes });
}

function conflictText(conflicts: readonly Conflict[]): string {
  const [first] = conflicts;
  if (conflicts.length === 1 && first) {
    return `Apply failed with 1 conflict: conflict with ${formatManager(first.manager)}: ${formatFieldPath(first.path)}`;
  }
  const lines: string[] = [];
  for (const manager of [...new Set(conflicts.map(conflict => conflict.manager))].sort()) {
    lines.push(`conflicts with ${formatManager(manager)}:`);
    for (const conflict of conflicts) if (conflict.manager === manager) lines.push(`- ${formatFieldPath(conflict.path)}`);
  }
  return `Apply failed with ${conflicts.length} conflicts: ${lines.join('\n')}`;
}
