import type { PodSpec, Volume } from '../../../api/generated/types.js';
import type { FieldErrors } from '../../../machinery/field-errors.js';
import type { PodValidationOptions } from './pod-validation-options.js';

/** What the checks of one pod's parts need to know of the whole. */
export interface SpecContext {
  readonly errors: FieldErrors;
  readonly options: PodValidationOptions;
  readonly spec: PodSpec;
  /** Those that are valid, by name. */
  readonly volumes: ReadonlyMap<string, Volume>;
  readonly claimNames: ReadonlySet<string>;
}
