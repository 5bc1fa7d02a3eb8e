import { parseJson } from '../../machinery/codec/json-decode.js';
import { jsonText } from '../../machinery/codec/json-text.js';
import { randomUUID } from 'node:crypto';
import type { CustomResourceDefinition, WebhookClientConfig } from '../../api/generated/types.js';
import { errorText } from '../../base/errors.js';
import { FieldErrors, fieldPath } from '../../machinery/field-errors.js';
import type { KubeObject, ObjectMeta } from '../../machinery/object.js';
import { cloneJson, isJsonObject, jsonEqual, parseApiVersion } from '../../machinery/object.js';
import { internalError } from '../../machinery/status-error.js';
import { validateAnnotations, validateLabels } from '../registry/object-metadata.js';

/** Posts JSON to a webhook and gives its answer. Rejects with an error whose message says what failed as Go words it. */
export interface WebhookCaller {
  post(config: WebhookClientConfig, body: string, timeoutSeconds: number): Promise<string>;
}

const timeoutSeconds = 30;
const reviewVersions = ['v1', 'v1beta1'];
const mutableMetadata = ['labels', 'annotations'] as const;

/**
 * Objects of one kind in another version, as the definition's webhook makes them. Throws InternalError in upstream's words.
 * Source: apiextensions-apiserver pkg/apiserver/conversion/webhook_converter.go.
 */
export async function convertByWebhook(
  objects: readonly Readonly<KubeObject>[],
  desiredAPIVersion: string,
  definition: Readonly<CustomResourceDefinition>,
  caller: WebhookCaller | undefined,
): Promise<KubeObject[]> {
  const [first] = objects;
  if (!first) return [];
  const { group = '', version = '' } = parseApiVersion(first.apiVersion) ?? {};
  const about = `conversion webhook for ${group}/${version}, Kind=${first.kind}`;
  const fail = (text: string): Error => internalError(new Error(`${about} ${text}`));
  const { webhook } = definition.spec.conversion ?? {};
  if (!caller || !webhook?.clientConfig) throw fail('failed: this server cannot ask webhooks');
  const uid = randomUUID();
  const review = webhook.conversionReviewVersions.find(name => reviewVersions.includes(name)) ?? 'v1';
  const apiVersion = `apiextensions.k8s.io/${review}`;
  const request = { kind: 'ConversionReview', apiVersion, request: { uid, desiredAPIVersion, objects } };
  let converted: readonly unknown[];
  try {
    const answer = await caller.post(webhook.clientConfig, jsonText(request), timeoutSeconds);
    converted = convertedObjects(answer, { uid, apiVersion });
  } catch (error) {
    // Its message is what Go says; the causes say it again.
    throw fail(`failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (converted.length !== objects.length) {
    throw fail(`returned ${converted.length} objects, expected ${objects.length}`);
  }
  return converted.map((object, index) => {
    try {
      return accepted(objects[index]!, object, desiredAPIVersion);
    } catch (error) {
      throw fail(`returned invalid converted object at index ${index}: ${errorText(error)}`);
    }
  });
}

function convertedObjects(answer: string, { uid, apiVersion }: { uid: string; apiVersion: string }): readonly unknown[] {
  const review = parseJson(answer);
  if (!isJsonObject(review) || review['kind'] !== 'ConversionReview' || review['apiVersion'] !== apiVersion) {
    const { kind = '', apiVersion: actual = '' } = isJsonObject(review) ? review : {};
    throw new Error(
      `expected webhook response of ${apiVersion}, Kind=ConversionReview, got ${String(actual)}, Kind=${String(kind)}`,
    );
  }
  const { response } = review;
  if (!isJsonObject(response)) throw new Error('no response provided');
  if (response['uid'] !== uid) throw new Error(`expected response.uid="${uid}", got "${String(response['uid'] ?? '')}"`);
  const result = isJsonObject(response['result']) ? response['result'] : {};
  if (result['status'] !== 'Success') {
    const status = String(result['status'] ?? '');
    if (status !== 'Failure') throw new Error(`response.result.status was '${status}', not 'Success'`);
    const message = result['message'];
    throw new Error(typeof message === 'string' && message ? message : `no response.result.message provided`);
  }
  const objects = response['convertedObjects'];
  return Array.isArray(objects) ? objects : [];
}

/** What identifies the object may not change, nor anything of its metadata but labels and annotations. */
function accepted(original: Readonly<KubeObject>, converted: unknown, apiVersion: string): KubeObject {
  if (!isJsonObject(converted)) throw new Error('not an object');
  const { kind, apiVersion: actual, metadata } = converted;
  if (actual !== apiVersion) throw new Error(`invalid groupVersion (expected ${apiVersion}, received ${String(actual)})`);
  if (kind !== original.kind) throw new Error(`invalid kind (expected ${original.kind}, received ${String(kind)})`);
  if (metadata === undefined) throw new Error('missing metadata in converted object');
  if (!isJsonObject(metadata)) throw new Error('invalid metadata in converted object');
  for (const [field, name] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID'],
  ] as const) {
    const [before, after] = [original.metadata[field] ?? '', metadata[field] ?? ''];
    if (before !== after) throw new Error(`must have the same ${name}: ${before} != ${String(after)}`);
  }
  const restored = cloneJson(original.metadata) as ObjectMeta;
  for (const field of mutableMetadata) {
    const value = metadata[field];
    if (value === undefined || value === null) {
      delete restored[field];
      continue;
    }
    if (!isJsonObject(value)) throw new Error(`invalid metadata.${field} in converted object`);
    for (const [key, text] of Object.entries(value)) {
      if (typeof text !== 'string') throw new Error(`metadata.${field}[${key}] must be a string in converted object`);
    }
    const texts = value as Record<string, string>;
    if (!jsonEqual(texts, restored[field])) validate(field, texts);
    restored[field] = texts;
  }
  const { kind: _kind, apiVersion: _apiVersion, metadata: _metadata, ...rest } = converted;
  return { kind: original.kind, apiVersion, metadata: restored, ...rest } as KubeObject;
}

function validate(field: (typeof mutableMetadata)[number], texts: Record<string, string>): void {
  const errors = new FieldErrors();
  if (field === 'labels') validateLabels(texts, 'labels', errors);
  else validateAnnotations(texts, errors);
  if (errors.empty) return;
  const all = errors.list.map(({ field: at, body }) => `${at}: ${body}`);
  throw new Error(all.length === 1 ? all[0] : `[${all.join(', ')}] in ${fieldPath('metadata', field)}`);
}
