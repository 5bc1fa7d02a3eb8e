import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { CodedError } from '../../base/errors.js';
import type { UserInfo } from '../auth/user-info.js';
import { isClosed } from '../handlers/http-answer.js';
import type { RequestInfo } from '../handlers/request-info.js';
import type { AuditedAttributes } from './audit-policy.js';
import type { AuditRecord } from './audit-record.js';
import type { Auditor } from './auditor.js';
import { followResponse, followSocket, isLongRunning, sourceIps } from './response-stages.js';

/** Thrown where a request must not go on, since nothing could be written of it. */
export const auditFailed = 'AUDIT_FAILED';
export const auditFailedText = 'failed to store audit event';

export interface RequestAuditOptions {
  readonly auditor: Auditor;
  readonly request: IncomingMessage;
  readonly info: RequestInfo;
  readonly auditId: string;
  /** The answer, or the connection of an upgrade. */
  readonly answer: ServerResponse | Duplex;
}

/** One request over HTTP, from when it came until it is known whose it is and whether it is written down. */
export class RequestAudit {
  readonly #options: RequestAuditOptions;
  readonly #receivedMs: number;
  #record: AuditRecord | undefined;

  constructor(options: RequestAuditOptions) {
    this.#options = options;
    this.#receivedMs = options.auditor.nowMs;
  }

  /** Undefined: nothing is written of it. */
  get record(): AuditRecord | undefined {
    return this.#record;
  }

  /** Throws AUDIT_FAILED. */
  authenticated(attributes: AuditedAttributes, annotations: Readonly<Record<string, string>> | undefined): void {
    const record = this.#begin(attributes);
    if (!record) return;
    for (const [key, value] of Object.entries(annotations ?? {})) record.annotate(key, value);
    if (!this.#options.auditor.received(record)) throw new CodedError(auditFailed, auditFailedText);
    this.#follow(record);
  }

  /** The credentials are no good: the refusal is all there is to write. */
  unauthenticated(attributes: Omit<AuditedAttributes, 'user'>): void {
    const record = this.#begin({ ...attributes, user: undefined });
    if (!record) return;
    record.endWithStart();
    this.#follow(record);
  }

  impersonated(user: UserInfo, constraint: string): void {
    this.#record?.impersonated(user, constraint);
  }

  /** Nobody else says that it is over where the client left before anybody listened for that. */
  served(): void {
    const { answer, info } = this.#options;
    if (isClosed(answer)) this.#record?.completed(undefined, isLongRunning(info));
  }

  #begin(attributes: AuditedAttributes): AuditRecord | undefined {
    const { auditor, request, auditId } = this.#options;
    return auditor.begin({
      attributes,
      auditId,
      uri: request.url ?? '/',
      userAgent: request.headers['user-agent'] ?? '',
      sourceIps: sourceIps(request),
      receivedMs: this.#receivedMs,
    });
  }

  #follow(record: AuditRecord): void {
    const { answer, info } = this.#options;
    this.#record = record;
    if ('writeHead' in answer) followResponse(record, answer, record.endsWithStart || isLongRunning(info));
    else followSocket(record, answer);
  }
}
