import type { AuditEvent as EventFields } from '../../api/generated/types.js';
import { goJsonText, quote } from '../../machinery/field-errors.js';
import { formatMicroTime } from '../../machinery/time.js';

/** What is known of a request at one of its stages, without the bodies. */
export type EventHead = Omit<
  EventFields,
  'requestObject' | 'responseObject' | 'requestReceivedTimestamp' | 'stageTimestamp' | 'annotations' | 'responseStatus'
> & { readonly responseStatus: object | undefined };

export interface EventContents {
  readonly head: EventHead;
  /** JSON on one line. */
  readonly requestText: string | undefined;
  readonly responseText: string | undefined;
  readonly receivedMs: number;
  readonly stageMs: number;
  readonly annotations: Readonly<Record<string, string>> | undefined;
}

const typeText = '{"kind":"Event","apiVersion":"audit.k8s.io/v1",';
const truncatedKey = 'audit.k8s.io/truncated';

/** One stage of one request. It does not change any more; its text is made when it is first asked for, and once. */
export class AuditEvent {
  readonly #contents: EventContents;
  #json: string | undefined;

  constructor(contents: EventContents) {
    this.#contents = contents;
  }

  get level(): string {
    return this.#contents.head.level;
  }

  /** An Event of audit.k8s.io/v1 as JSON on one line, fields in upstream's order. */
  get json(): string {
    return (this.#json ??= eventJson(this.#contents));
  }

  /** The same as an item of a list, which does not say what it is. */
  get itemJson(): string {
    return `{${this.json.slice(typeText.length)}`;
  }

  /** The format `legacy`. Source: apiserver pkg/audit/format.go. */
  get line(): string {
    const { head, receivedMs } = this.#contents;
    const { user, impersonatedUser, objectRef, sourceIPs } = head;
    const list = (groups: readonly string[]): string => groups.map(quote).join(',');
    const groups = user.username && user.groups?.length ? list(user.groups) : '<none>';
    const as = impersonatedUser ? (impersonatedUser.username ?? '') : '<self>';
    const asGroups = impersonatedUser?.groups ? list(impersonatedUser.groups) : '<lookup>';
    const code = head.responseStatus ? ((head.responseStatus as { code?: number }).code ?? 0) : '<deferred>';
    const words = {
      id: head.auditID,
      stage: head.stage,
      ip: sourceIPs?.[0] ?? '<unknown>',
      method: head.verb,
      user: user.username || '<none>',
      groups,
      as,
      asgroups: asGroups,
      'user-agent': head.userAgent ?? '',
      namespace: objectRef?.namespace || '<none>',
      uri: head.requestURI,
    };
    const text = Object.entries(words).map(([name, value]) => `${name}=${quote(value)}`);
    return `${nanoTime(receivedMs)} AUDIT: ${text.join(' ')} response="${code}"`;
  }

  /** The same without the bodies, and saying so. */
  truncated(): AuditEvent {
    return new AuditEvent({
      ...this.#contents,
      requestText: undefined,
      responseText: undefined,
      annotations: { ...this.#contents.annotations, [truncatedKey]: 'true' },
    });
  }
}

/** Go's RFC3339Nano: no zeros at the end. */
function nanoTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.?0+Z$/, 'Z');
}

function eventJson({ head, requestText, responseText, receivedMs, stageMs, annotations }: EventContents): string {
  const tail = {
    requestReceivedTimestamp: formatMicroTime(receivedMs),
    stageTimestamp: formatMicroTime(stageMs),
    ...(annotations ? { annotations: sorted(annotations) } : {}),
  };
  const parts = [goJsonText(head).slice(0, -1)];
  if (requestText !== undefined) parts.push(`"requestObject":${requestText}`);
  if (responseText !== undefined) parts.push(`"responseObject":${responseText}`);
  parts.push(goJsonText(tail).slice(1));
  return parts.join(',');
}

function sorted(annotations: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1)));
}
