import { jsonText } from '../../../machinery/codec/json-text.js';
import { randomUUID } from 'node:crypto';
import type { AdmissionAttributes } from '../../../contracts/admission.js';
import { CodedError, errorCode } from '../../../base/errors.js';
import { decodeValue, notRegistered, parseJson } from '../../../machinery/codec/json-decode.js';
import { parseYaml } from '../../../machinery/codec/yaml.js';
import { quote } from '../../../machinery/field-errors.js';
import { isJsonObject } from '../../../machinery/object.js';
import { goJsonKind } from '../../../machinery/patch/patch-errors.js';
import type { StructType } from '../../../machinery/schema.js';
import type { Status, StatusDetails } from '../../../machinery/status-error.js';
import { StatusError } from '../../../machinery/status-error.js';
import type { ReviewVersion } from './compiled-webhook.js';
import type { Invocation } from './admission-shapes.js';
import { namespaceOf } from './request-scope.js';

/** What a webhook answered, checked. */
export interface ReviewResponse {
  readonly allowed: boolean;
  /** The text of a JSON patch, '' for none. */
  readonly patch: string;
  readonly patchType: string;
  readonly status: Partial<Status> | undefined;
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
}

export interface ReviewRequest {
  readonly uid: string;
  readonly text: string;
}

const optionsKinds: Readonly<Record<string, string>> = {
  CREATE: 'CreateOptions',
  UPDATE: 'UpdateOptions',
  DELETE: 'DeleteOptions',
};
const reviewGroup = 'admission.k8s.io';

/** The `request` of a review without its objects. Source: apiserver pkg/admission/plugin/webhook/request. */
export function requestFields(
  attributes: AdmissionAttributes,
  { resource, kind }: Invocation,
  requestKind: Invocation['kind'],
): Record<string, unknown> {
  const { operation, subresource, name, caller, options, dryRun } = attributes;
  const namespace = namespaceOf(attributes);
  return {
    kind: kindOnly(kind),
    resource,
    ...(subresource ? { subResource: subresource } : {}),
    requestKind: kindOnly(requestKind),
    requestResource: { group: attributes.group, version: attributes.version, resource: attributes.resource },
    ...(subresource ? { requestSubResource: subresource } : {}),
    ...(name ? { name } : {}),
    ...(namespace ? { namespace } : {}),
    operation,
    userInfo: {
      ...(caller.name ? { username: caller.name } : {}),
      ...(caller.uid ? { uid: caller.uid } : {}),
      ...(caller.groups.length ? { groups: caller.groups } : {}),
      ...(caller.extra && Object.keys(caller.extra).length ? { extra: caller.extra } : {}),
    },
    dryRun,
    options: optionsKinds[operation] ? { kind: optionsKinds[operation], apiVersion: 'meta.k8s.io/v1', ...options } : null,
  };
}

/** The AdmissionReview that is sent. */
export function reviewRequest(
  version: ReviewVersion,
  fields: Readonly<Record<string, unknown>>,
  { object, oldObject }: { readonly object: object | undefined; readonly oldObject: object | undefined },
): ReviewRequest {
  const uid = randomUUID();
  const request = { uid, ...fields, object: object ?? null, oldObject: oldObject ?? null };
  return { uid, text: jsonText({ kind: 'AdmissionReview', apiVersion: `${reviewGroup}/${version}`, request }) };
}

const kindOnly = ({ group, version, kind }: Invocation['kind']): Invocation['kind'] => ({ group, version, kind });

/** Reads an answer. Rejects with WEBHOOK_ANSWER in upstream's words for what is no answer to the request. */
export async function readReview(
  text: string,
  struct: StructType,
  { version, uid, mutating }: { readonly version: ReviewVersion; readonly uid: string; readonly mutating: boolean },
): Promise<ReviewResponse> {
  const review = await decodeReview(text, struct, version);
  const { response } = review;
  if (!response) throw badAnswer('webhook response was absent');
  if (version === 'v1') checkReview(review, response, uid, mutating);
  const patch = mutating && response.patch ? Buffer.from(response.patch, 'base64').toString() : '';
  return {
    allowed: response.allowed ?? false,
    patch,
    // v1beta1 knows one type of patch.
    patchType: version === 'v1' ? (response.patchType ?? '') : patch ? 'JSONPatch' : '',
    status: response.status,
    warnings: response.warnings ?? [],
    auditAnnotations: response.auditAnnotations ?? {},
  };
}

interface Review {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly response?: Response;
}

interface Response {
  readonly uid?: string;
  readonly allowed?: boolean;
  readonly status?: Partial<Status>;
  readonly patch?: string;
  readonly patchType?: string;
  readonly warnings?: readonly string[];
  readonly auditAnnotations?: Readonly<Record<string, string>>;
}

/** A fault of the answer as such: nothing came that could be read. */
export const unreadableAnswer = 'WEBHOOK_UNREADABLE';

async function decodeReview(text: string, struct: StructType, wanted: ReviewVersion): Promise<Review> {
  try {
    // As upstream tells the two apart.
    const body = /^\s*\{/.test(text) ? parseJson(text) : await parseYaml(Buffer.from(text));
    checkType(body, wanted);
    return decodeValue(struct, body).value;
  } catch (error) {
    const fault = error instanceof Error ? error.message : String(error);
    const isSyntax = errorCode(error) === 'JSON_SYNTAX';
    const said = isSyntax ? `couldn't get version/kind; json parse error: ${fault}` : fault;
    throw new CodedError(unreadableAnswer, said, { cause: error });
  }
}

/** Throws JSON_SYNTAX for what is no object, another error for an object of another kind. */
function checkType(body: unknown, wanted: ReviewVersion): void {
  if (body === null) return;
  if (!isJsonObject(body)) {
    const type = 'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }';
    throw new CodedError('JSON_SYNTAX', `json: cannot unmarshal ${goJsonKind(body)} into Go value of type ${type}`);
  }
  const { apiVersion, kind } = body;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string' || !apiVersion || !kind) return;
  if (apiVersion === `${reviewGroup}/${wanted}` && kind === 'AdmissionReview') return;
  const isKnown = /^admission\.k8s\.io\/v1(beta1)?$/.test(apiVersion)
    ? kind === 'AdmissionReview'
    : kind === 'Status' && apiVersion === 'v1';
  if (!isKnown) throw new Error(notRegistered(kind, apiVersion, 'pkg/runtime/scheme.go:111'));
  throw new Error(`converting (${apiVersion.split('/').at(-1)}.${kind}) to (${wanted}.AdmissionReview): unknown conversion`);
}

function checkReview({ apiVersion = '', kind = '' }: Review, response: Response, uid: string, mutating: boolean): void {
  if (response.uid !== uid) throw badAnswer(`expected response.uid=${quote(uid)}, got ${quote(response.uid ?? '')}`);
  if (apiVersion !== `${reviewGroup}/v1` || kind !== 'AdmissionReview') {
    const got = `${apiVersion || '/'}, Kind=${kind}`;
    throw badAnswer(`expected webhook response of ${reviewGroup}/v1, Kind=AdmissionReview, got ${got}`);
  }
  const { patch, patchType } = response;
  if (!mutating) {
    if (patch) throw badAnswer('validating webhook may not return response.patch');
    if (patchType !== undefined) throw badAnswer('validating webhook may not return response.patchType');
    return;
  }
  if (patch && patchType === undefined) throw badAnswer('webhook returned response.patch but not response.patchType');
  if (!patch && patchType !== undefined) throw badAnswer('webhook returned response.patchType but not response.patch');
  if (patchType === '') throw badAnswer('webhook returned invalid response.patchType of ""');
}

const badAnswer = (text: string): CodedError => new CodedError('WEBHOOK_ANSWER', text);

const firstErrorStatus = 400;

/** The refusal that a webhook's own status makes. Source: apiserver pkg/admission/plugin/webhook/errors. */
export function webhookRefusal(webhook: string, given: Partial<Status> | undefined): StatusError {
  const { code = 0, reason = '', message = '', details } = given ?? {};
  const denied = `admission webhook ${quote(webhook)} denied the request`;
  const why = message || reason;
  return new StatusError(
    Math.max(code, firstErrorStatus),
    reason,
    why ? `${denied}: ${why}` : `${denied} without explanation`,
    details as StatusDetails | undefined,
  );
}
