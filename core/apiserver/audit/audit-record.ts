import type { AuditObjectReference, UserInfo as ShownUser } from '../../api/generated/types.js';
import type { AuditAnnotate } from '../../contracts/admission.js';
import { errorCode, errorText } from '../../base/errors.js';
import { jsonText, parseJsonText, parseOwnJson, withoutTokens } from '../../machinery/codec/json-text.js';
import { isJsonObject } from '../../machinery/object.js';
import { isStatusError, toStatus } from '../../machinery/status-error.js';
import type { Verdict } from '../auth/authorizer.js';
import type { UserInfo } from '../auth/user-info.js';
import type { AuditBackend } from './audit-backend.js';
import type { EventHead } from './audit-event.js';
import { AuditEvent } from './audit-event.js';
import type { AuditMetrics } from './audit-metrics.js';
import type { AuditDecision, AuditedAttributes, AuditStage } from './audit-policy.js';

/** How a request shows itself, before anybody has looked at what it is about. */
export interface AuditedRequest {
  readonly auditId: string;
  readonly attributes: AuditedAttributes;
  /** Path and query as they came. */
  readonly uri: string;
  readonly userAgent: string;
  readonly sourceIps: readonly string[];
  readonly receivedMs: number;
}

export interface AuditRecordOptions {
  readonly request: AuditedRequest;
  readonly decision: AuditDecision;
  readonly backend: AuditBackend;
  readonly metrics: AuditMetrics;
  readonly nowMs: () => number;
}

/** The fields of a Status that are written down. */
interface ShownStatus {
  readonly status?: string | undefined;
  readonly message?: string | undefined;
  readonly reason?: string | undefined;
  readonly details?: object | undefined;
  readonly code?: number | undefined;
}

const longestUserAgent = 1024;
const okCode = 200;
const switchedCode = 101;

/** What is to be written of one request; filled in by whoever comes to know something, on the request's way. */
export class AuditRecord {
  readonly #options: AuditRecordOptions;
  #reference: AuditObjectReference | undefined;
  #impersonated: ShownUser | undefined;
  #constraint = '';
  #status: ShownStatus | undefined;
  #requestText: string | undefined;
  #responseText: string | undefined;
  #annotations: Record<string, string> | undefined;
  #isStarted = false;
  #isOver = false;
  #endsWithStart = false;

  constructor(options: AuditRecordOptions) {
    this.#options = options;
    const { attributes } = options.request;
    if (!attributes.resourceRequest) return;
    const { resource, namespace, name, group, version, subresource } = attributes;
    this.#reference = { resource, namespace, name, apiGroup: group, apiVersion: version, subresource };
  }

  get wantsRequest(): boolean {
    return this.#options.decision.level !== 'Metadata';
  }

  get wantsResponse(): boolean {
    return this.#options.decision.level === 'RequestResponse';
  }

  /** What was said first stands. */
  readonly annotate: AuditAnnotate = (key, value, level) => {
    if (level === 'Request' && !this.wantsRequest) return;
    this.#annotations ??= {};
    if (!Object.hasOwn(this.#annotations, key))
      Object.defineProperty(this.#annotations, key, { value, enumerable: true, configurable: true, writable: true });
  };

  /** `constraint`: the verb by which one of the constrained modes allowed it, or ''. */
  impersonated(user: UserInfo, constraint: string): void {
    this.#impersonated = shownUser(user);
    this.#constraint = constraint;
  }

  authorized({ decision, reason }: Verdict): void {
    this.annotate('authorization.k8s.io/decision', decision === 'allow' ? 'allow' : 'forbid');
    this.annotate('authorization.k8s.io/reason', reason);
  }

  /** The object that was sent, decoded and with defaults; it may change after the call. */
  request(object: object): void {
    const { metadata } = object as { metadata?: Partial<Record<'namespace' | 'name' | 'uid' | 'resourceVersion', string>> };
    if (this.#reference && isJsonObject(metadata)) {
      const { namespace, name, uid, resourceVersion } = metadata;
      const known = this.#reference;
      this.#reference = {
        ...known,
        namespace: known.namespace || namespace,
        name: known.name || name,
        uid,
        resourceVersion,
      } as AuditObjectReference;
    }
    if (this.wantsRequest) this.#requestText = jsonText(this.#shown(object));
  }

  /** A patch as it was sent; one that is no JSON is written as a string. */
  patch(bytes: Buffer): void {
    if (this.wantsRequest) this.#requestText = oneLine(bytes.toString());
  }

  /** A Status that is the answer. */
  status({ status, message, reason, details, code }: ShownStatus): void {
    this.#status = { status, message, reason, details, code };
  }

  /** The answer's JSON; only where it is wanted. */
  response(text: string): void {
    if (!this.wantsResponse) return;
    this.#responseText = this.#options.decision.omitManagedFields
      ? jsonText(this.#shown(parseOwnJson(text) as object))
      : text.trimEnd();
  }

  /** A refusal that is answered. */
  refused(error: unknown): void {
    // What cannot be put in a form that the client takes is not put down upstream, either: only its code is.
    if (isStatusError(error, 'NotAcceptable')) return;
    const status = toStatus(error);
    this.status(status);
    this.response(jsonText(status));
  }

  /** There is no other stage than the beginning of the answer. */
  endWithStart(): void {
    this.#endsWithStart = true;
  }

  get endsWithStart(): boolean {
    return this.#endsWithStart;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  /** Of what goes on for long: the answer has begun. */
  started(code: number): void {
    if (this.#isStarted || this.#isOver) return;
    this.#isStarted = true;
    this.#isOver = this.#endsWithStart;
    this.#status = { ...this.#status, code };
    this.stage('ResponseStarted');
  }

  /** The connection speaks another protocol now. */
  switched(): void {
    this.started(switchedCode);
  }

  /** The answer is whole; without a code the client left before there was one. */
  completed(code: number | undefined, isLongRunning = false): void {
    if (this.#isOver) return;
    if (code === undefined && !this.#status) {
      this.#status = { status: 'Success', message: 'Connection closed early', code: okCode };
      if (isLongRunning) this.stage('ResponseStarted');
    } else if (code !== undefined) this.#status = { ...this.#status, code };
    this.#isOver = true;
    this.stage('ResponseComplete');
  }

  /** The handler failed by a fault of its own; nothing is said of what is answered then. */
  panicked(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const message = `APIServer panic'd: ${errorText(error)}`;
    this.#status = { status: 'Failure', message, reason: 'InternalError', code: 500 };
    this.stage('Panic');
  }

  /** Instead of another protocol, a connection gets a refusal. */
  refusedUpgrade(error: unknown): void {
    if (!isStatusError(error)) return this.panicked(error);
    this.refused(error);
    this.started(error.httpStatus);
  }

  /** A call in the process has ended, well or not. */
  ended(error: unknown): void {
    if (error === undefined) return this.completed(okCode);
    if (!isStatusError(error)) return this.panicked(error);
    this.refused(error);
    this.completed(error.httpStatus);
  }

  /** False: it could not be written down, and must not go on. */
  stage(stage: AuditStage): boolean {
    const { decision, backend, metrics, request, nowMs } = this.#options;
    if (decision.omitStages.has(stage)) return true;
    metrics.event();
    const { receivedMs } = request;
    return backend.process([
      new AuditEvent({
        head: this.#head(stage),
        requestText: this.#requestText,
        responseText: this.#responseText,
        receivedMs,
        stageMs: stage === 'RequestReceived' ? receivedMs : nowMs(),
        annotations: this.#annotations && { ...this.#annotations },
      }),
    ]);
  }

  #head(stage: AuditStage): EventHead {
    const { decision, request } = this.#options;
    const { attributes, sourceIps, userAgent, auditId, uri } = request;
    const cut = userAgent.length > longestUserAgent ? `${userAgent.slice(0, longestUserAgent)}...TRUNCATED` : userAgent;
    return {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: decision.level,
      auditID: auditId,
      stage,
      requestURI: uri,
      verb: attributes.verb,
      user: attributes.user ? shownUser(attributes.user) : {},
      ...(this.#impersonated ? { impersonatedUser: this.#impersonated } : {}),
      ...(this.#constraint ? { authenticationMetadata: { impersonationConstraint: this.#constraint } } : {}),
      ...(sourceIps.length ? { sourceIPs: [...sourceIps] } : {}),
      ...(cut ? { userAgent: cut } : {}),
      ...(this.#reference ? { objectRef: shownReference(this.#reference) } : {}),
      responseStatus: this.#status && shownStatus(this.#status),
    };
  }

  #shown(object: object): object {
    return this.#options.decision.omitManagedFields ? withoutManagedFields(object) : object;
  }
}

function shownUser({ name, uid, groups, extra }: UserInfo): ShownUser {
  return {
    ...(name ? { username: name } : {}),
    ...(uid ? { uid } : {}),
    ...(groups.length ? { groups: [...groups] } : {}),
    ...(extra && Object.keys(extra).length ? { extra } : {}),
  } as ShownUser;
}

function shownReference(reference: AuditObjectReference): AuditObjectReference {
  const { resource, namespace, name, uid, apiGroup, apiVersion, resourceVersion, subresource } = reference;
  return {
    ...(resource ? { resource } : {}),
    ...(namespace ? { namespace } : {}),
    ...(name ? { name } : {}),
    ...(uid ? { uid } : {}),
    ...(apiGroup ? { apiGroup } : {}),
    ...(apiVersion ? { apiVersion } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(subresource ? { subresource } : {}),
  };
}

function shownStatus({ status, message, reason, details, code }: ShownStatus): object {
  return {
    metadata: {},
    ...(status ? { status } : {}),
    ...(message ? { message } : {}),
    ...(reason ? { reason } : {}),
    ...(details ? { details } : {}),
    ...(code ? { code } : {}),
  };
}

function oneLine(text: string): string {
  try {
    const value = withoutTokens(parseJsonText(text, true));
    return /[\n\r]/.test(text) ? jsonText(value) : text.trim();
  } catch (error) {
    if (errorCode(error) !== 'JSON_SYNTAX') throw error;
    return JSON.stringify(text);
  }
}

type Managed = Readonly<Record<string, unknown>>;

/** Of an object, of a list's items or of a table's rows; a copy of what changes. */
function withoutManagedFields(object: object): object {
  const { metadata, items, rows } = object as Managed;
  return {
    ...object,
    ...(isJsonObject(metadata) && 'managedFields' in metadata ? { metadata: without(metadata) } : {}),
    ...(Array.isArray(items) ? { items: items.map(stripped) } : {}),
    ...(Array.isArray(rows) ? { rows: (rows as Managed[]).map(row => ({ ...row, object: stripped(row['object']) })) } : {}),
  };
}

const stripped = (value: unknown): unknown => (isJsonObject(value) ? withoutManagedFields(value) : value);

function without({ managedFields: _managedFields, ...rest }: Managed): Managed {
  return rest;
}
