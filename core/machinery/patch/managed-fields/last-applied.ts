import { jsonText, parseOwnJson } from '../../codec/json-text.js';
import { errorCode } from '../../../base/errors.js';
import { isJsonObject } from '../../object.js';
import { difference } from './field-set.js';
import type { FieldSet } from './field-set.js';
import type { MergeType } from './merge-type.js';
import { compareObjects } from './typed-compare.js';
import { toFieldSet, validateApplied } from './typed-value.js';

export const lastAppliedAnnotation = 'kubectl.kubernetes.io/last-applied-configuration';
const maximumAnnotationBytes = 256 * 1024;

type ApiObject = Readonly<Record<string, unknown>>;

function annotationsOf(object: ApiObject): Readonly<Record<string, unknown>> | undefined {
  const metadata = object['metadata'];
  const annotations = isJsonObject(metadata) ? metadata['annotations'] : undefined;
  return isJsonObject(annotations) ? annotations : undefined;
}

/**
 * The fields that client-side apply has set and that are still as it set them: server-side apply by kubectl may take these
 * without force. Undefined where the annotation is missing, unreadable, malformed or of another version.
 */
export function allowedByLastApplied(live: ApiObject, apiVersion: string, type: MergeType): FieldSet | undefined {
  const text = annotationsOf(live)?.[lastAppliedAnnotation];
  if (typeof text !== 'string' || text === '') return undefined;
  const lastApplied = parsed(text);
  if (!isJsonObject(lastApplied) || lastApplied['apiVersion'] !== apiVersion) return undefined;
  if (!fits(lastApplied, type) || !fits(live, type)) return undefined;
  const { modified, added, removed } = compareObjects(live, lastApplied, type, true);
  return difference(difference(difference(toFieldSet(lastApplied, type), modified), added), removed);
}

/** Whether a value is of the type and has no item twice; else nothing certain can be told about its fields. */
function fits(value: unknown, type: MergeType): boolean {
  try {
    validateApplied(value, type);
    return true;
  } catch (error) {
    if (errorCode(error) === 'MERGE_FAULT') return false;
    throw error;
  }
}

function parsed(text: string): unknown {
  try {
    return parseOwnJson(text);
  } catch {
    // A broken annotation is somebody's data, and means that nothing is known about client-side apply.
    return undefined;
  }
}

/** The object with the annotation brought up to what was applied, where it has the annotation at all. */
export function withLastApplied(object: ApiObject, applied: ApiObject): ApiObject {
  const annotations = annotationsOf(object);
  if (!annotations?.[lastAppliedAnnotation]) return object;
  const { [lastAppliedAnnotation]: _, ...others } = annotations;
  const text = lastAppliedText(applied);
  let bytes = Buffer.byteLength(lastAppliedAnnotation) + Buffer.byteLength(text);
  for (const key of Object.keys(others)) bytes += Buffer.byteLength(key) + Buffer.byteLength(String(others[key]));
  const next = bytes > maximumAnnotationBytes ? others : { ...others, [lastAppliedAnnotation]: text };
  return { ...object, metadata: { ...(object['metadata'] as object), annotations: next } };
}

function lastAppliedText(applied: ApiObject): string {
  const annotations = annotationsOf(applied);
  let source = applied;
  if (annotations) {
    const { [lastAppliedAnnotation]: _, ...others } = annotations;
    source = { ...applied, metadata: { ...(applied['metadata'] as object), annotations: others } };
  }
  return `${goJson(source)}\n`;
}

/** JSON as Go writes maps: keys sorted, characters that mean something to HTML escaped. */
function goJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(goJson).join(',')}]`;
  if (isJsonObject(value)) {
    const members = Object.keys(value).sort();
    return `{${members.map(key => `${goText(key)}:${goJson(value[key])}`).join(',')}}`;
  }
  return typeof value === 'string' ? goText(value) : jsonText(value ?? null);
}

function goText(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    character => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
