import { headerBytes, readName, recordType, responseCode, writeOptionRecord } from './wire.js';
import type { DnsRecord, Query } from './wire.js';

/** An answer of another server, ready to be given again and again: without EDNS record, with the places of its times to live. */
export interface StoredResponse {
  readonly message: Buffer;
  readonly rcode: number;
  readonly ttlOffsets: readonly number[];
  /** How long it may be kept, without any cap of ours. */
  readonly ttlSeconds: number;
  readonly isNegative: boolean;
}

/** Undefined when it is no answer to this question, or not well formed. `id` is that of the query that was sent. */
export function readResponse(
  message: Buffer,
  query: Query,
  id: number,
): (StoredResponse & { readonly truncated: boolean }) | undefined {
  if (message.length < headerBytes || message.readUInt16BE(0) !== id) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) === 0 || message.readUInt16BE(4) !== 1) return undefined;
  const question = readName(message, headerBytes);
  if (!question || question.next + 4 > message.length || question.name !== query.name) return undefined;
  // A compressed or longer question could not be replaced by the asker's own.
  if (question.next + 4 - headerBytes !== query.question.length) return undefined;
  if (message.readUInt16BE(question.next) !== query.type || message.readUInt16BE(question.next + 2) !== query.class)
    return undefined;
  const counts = [message.readUInt16BE(6), message.readUInt16BE(8), message.readUInt16BE(10)] as const;
  const ttlOffsets: number[] = [];
  let ttl = Number.POSITIVE_INFINITY;
  let negativeTtl: number | undefined;
  let answered = 0;
  let option: { start: number; end: number; extendedCode: number } | undefined;
  let at = question.next + 4;
  const total = counts[0] + counts[1] + counts[2];
  for (let index = 0; index < total; index++) {
    const owner = readName(message, at);
    if (!owner || owner.next + 10 > message.length) return undefined;
    const type = message.readUInt16BE(owner.next);
    const end = owner.next + 10 + message.readUInt16BE(owner.next + 8);
    if (end > message.length) return undefined;
    if (type === recordType.OPT) option = { start: at, end, extendedCode: message[owner.next + 4]! };
    else {
      const seconds = message.readUInt32BE(owner.next + 4);
      ttlOffsets.push(owner.next + 4);
      ttl = Math.min(ttl, seconds);
      if (index < counts[0]) answered += 1;
      if (type === recordType.SOA && end - owner.next > 14) {
        negativeTtl = Math.min(seconds, message.readUInt32BE(end - 4));
      }
    }
    at = end;
  }
  const rcode = (flags & 0xf) | ((option?.extendedCode ?? 0) << 4);
  const isNegative = answered === 0;
  const kept = withoutOption(message.subarray(0, at), option);
  const known = rcode === responseCode.NOERROR || rcode === responseCode.NXDOMAIN;
  const keepSeconds = isNegative ? (negativeTtl ?? 0) : ttl;
  return {
    message: kept,
    rcode,
    ttlOffsets: kept.length === at ? ttlOffsets : ttlOffsets.filter(offset => offset < kept.length),
    ttlSeconds: known && Number.isFinite(keepSeconds) ? keepSeconds : 0,
    isNegative,
    truncated: (flags & 0x0200) !== 0,
  };
}

/** Nobody's name is compressed into the EDNS record; where it is the last, as everybody sends it, it can be cut off. */
function withoutOption(message: Buffer, option: { start: number; end: number } | undefined): Buffer {
  if (!option || option.end !== message.length) return Buffer.from(message);
  const kept = Buffer.from(message.subarray(0, option.start));
  kept.writeUInt16BE(kept.readUInt16BE(10) - 1, 10);
  return kept;
}

/** The stored answer as this asker gets it: its id, its spelling, its size; `ageSeconds` older than it was. */
export function replay(stored: StoredResponse, query: Query, ageSeconds: number, limitBytes: number): Buffer {
  const { edns } = query;
  const optionBytes = edns ? 11 : 0;
  const fits = stored.message.length + optionBytes <= limitBytes;
  const length = fits ? stored.message.length : headerBytes + query.question.length;
  const answer = Buffer.allocUnsafe(length + optionBytes);
  stored.message.copy(answer, 0, 0, length);
  query.question.copy(answer, headerBytes);
  answer.writeUInt16BE(query.id, 0);
  // Kept: AD. Ours: recursion is available; not authoritative.
  let flags = 0x8080 | (stored.message.readUInt16BE(2) & 0x0020) | (stored.rcode & 0xf);
  if (query.recursionDesired) flags |= 0x0100;
  if (query.checkingDisabled) flags |= 0x0010;
  if (fits) {
    for (const offset of stored.ttlOffsets) {
      answer.writeUInt32BE(Math.max(0, stored.message.readUInt32BE(offset) - ageSeconds), offset);
    }
  } else {
    flags |= 0x0200;
    answer.fill(0, 6, headerBytes);
  }
  answer.writeUInt16BE(flags, 2);
  if (edns) {
    answer.writeUInt16BE(answer.readUInt16BE(10) + 1, 10);
    writeOptionRecord(answer, length, edns.dnssecOk, stored.rcode);
  }
  return answer;
}

/** Address and alias records among the answers, to be put behind an alias of ours. */
export function addressRecords({ message }: StoredResponse): DnsRecord[] {
  const records: DnsRecord[] = [];
  const count = message.readUInt16BE(6);
  let at = (readName(message, headerBytes)?.next ?? message.length) + 4;
  for (let index = 0; index < count; index++) {
    const owner = readName(message, at);
    if (!owner || owner.next + 10 > message.length) break;
    const type = message.readUInt16BE(owner.next);
    const ttlSeconds = message.readUInt32BE(owner.next + 4);
    const start = owner.next + 10;
    at = start + message.readUInt16BE(owner.next + 8);
    if (type === recordType.A || type === recordType.AAAA) {
      records.push({ name: owner.name, type, ttlSeconds, data: { address: Uint8Array.from(message.subarray(start, at)) } });
    } else if (type === recordType.CNAME) {
      const target = readName(message, start);
      if (target) records.push({ name: owner.name, type, ttlSeconds, data: { target: target.name } });
    }
  }
  return records;
}

/** A question of our own: for the target of an alias. */
export function questionFor(name: string, type: number, like: Query): Query | undefined {
  const labels = name === '' ? [] : name.split('.');
  if (name.length > 253 || labels.some(label => label === '' || label.length > 63)) return undefined;
  const question = Buffer.alloc(name === '' ? 5 : name.length + 6);
  let at = 0;
  for (const label of labels) {
    question[at] = label.length;
    question.write(label, at + 1, 'latin1');
    at += 1 + label.length;
  }
  question.writeUInt16BE(type, at + 1);
  question.writeUInt16BE(1, at + 3);
  return { ...like, name, type, class: 1, question, edns: undefined };
}
