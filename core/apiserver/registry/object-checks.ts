import type { FieldErrors } from '../../machinery/field-errors.js';
import type { KubeObject } from '../../machinery/object.js';
import { validateAnyMetadata, validateAnyMetadataUpdate, validateMetadata, validateMetadataUpdate } from './object-metadata.js';
import type { Check, RequestContext, ResourceDefinition, StatusSubresource } from './resource-definition.js';

const newObjectChecks: readonly Check[] = ['object', 'validate'];
const changeChecks: readonly Check[] = ['change', 'validateUpdate'];

/** What an object is checked for, when it is `draft`. */
interface Subject<T extends KubeObject> {
  readonly definition: ResourceDefinition<T>;
  readonly draft: T;
  readonly context: RequestContext;
  readonly errors: FieldErrors;
}

/** A new object: as its kind has it, then what all kinds are held to. Source: rest.BeforeCreate. */
export async function checkNew<T extends KubeObject>(subject: Subject<T>): Promise<void> {
  const { definition, draft, errors } = subject;
  for (const check of definition.checks?.create ?? newObjectChecks) await perform(check, subject, undefined);
  if (errors.empty) validateAnyMetadata(draft, definition, errors);
}

/** An object that takes the place of `old`: what all kinds are held to, then as its kind or the subresource has it. Source: rest.BeforeUpdate. */
export async function checkChange<T extends KubeObject>(subject: Subject<T>, old: Readonly<T>): Promise<void> {
  const { definition, draft, errors } = subject;
  validateAnyMetadataUpdate(draft, old, definition, errors);
  const status = statusOf(subject);
  const checks = subject.context.subresource ? status?.checks : definition.checks?.update;
  for (const check of checks ?? changeChecks) await perform(check, subject, old);
}

async function perform<T extends KubeObject>(check: Check, subject: Subject<T>, old: Readonly<T> | undefined): Promise<void> {
  const { definition, draft, errors, context } = subject;
  if (check === 'object') return validateMetadata(draft, definition, errors);
  if (check === 'validate' || !old) return definition.validate?.(draft, errors, context);
  if (check === 'change') return validateMetadataUpdate(draft, old, definition, errors);
  if (context.subresource) return statusOf(subject)?.validateUpdate?.(draft, old, errors, context);
  if (definition.validateUpdate) return definition.validateUpdate(draft, old, errors, context);
  return definition.validate?.(draft, errors, context);
}

function statusOf<T extends KubeObject>({ definition, context }: Subject<T>): StatusSubresource<T> | undefined {
  const { subresource } = context;
  return subresource ? (definition.subresources?.[subresource] as StatusSubresource<T> | undefined) : undefined;
}
