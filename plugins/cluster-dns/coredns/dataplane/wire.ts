/**
 * The wire format of DNS messages, as far as a server and forwarder needs it. Own code: the library at hand does not compress names,
 * so that answers of a dozen records do not fit 512 bytes, which is all that resolvers without EDNS (musl) take over UDP.
 * Source: RFC 1035 section 4, RFC 6891 section 6.
 */
export const recordType = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
} as const;
export const responseCode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;

export const headerBytes = 12;
/** Without EDNS. */
export const plainUdpBytes = 512;
/** What we say we take, and never exceed over UDP: fits every path without fragments. Source: DNS flag day 2020. */
export const maximumUdpBytes = 1232;
const optionRecordBytes = 11;
const maximumNameBytes = 255;

export interface Query {
  readonly id: number;
  readonly opcode: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  /** Lower case, without the dot at the end; '' is the root. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The question as it was asked: case is given back. */
  readonly question: Buffer;
  readonly edns: { readonly udpBytes: number; readonly version: number; readonly dnssecOk: boolean } | undefined;
}

export type RecordData =
  | { readonly address: Uint8Array }
  | { readonly target: string }
  | { readonly priority: number; readonly weight: number; readonly port: number; readonly target: string }
  | { readonly texts: readonly string[] }
  | { readonly soa: SoaData };

export interface SoaData {
  readonly primary: string;
  readonly mailbox: string;
  readonly serial: number;
  readonly refreshSeconds: number;
  readonly retrySeconds: number;
  readonly expireSeconds: number;
  readonly minimumSeconds: number;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly ttlSeconds: number;
  readonly data: RecordData;
}

export interface Answer {
  readonly rcode: number;
  readonly authoritative: boolean;
  readonly answers: readonly DnsRecord[];
  readonly authority: readonly DnsRecord[];
  readonly additional: readonly DnsRecord[];
}

interface ReadName {
  readonly name: string;
  readonly next: number;
}

/** Undefined for what is not a name: cut short, too long, pointers that do not go back. */
export function readName(message: Buffer, start: number): ReadName | undefined {
  let name = '';
  let at = start;
  let next = -1;
  let length = 0;
  for (let limit = start; ;) {
    const size = message[at];
    if (size === undefined) return undefined;
    if (size === 0) return { name, next: next < 0 ? at + 1 : next };
    if ((size & 0xc0) === 0xc0) {
      const low = message[at + 1];
      if (low === undefined) return undefined;
      const target = ((size & 0x3f) << 8) | low;
      // Only ever further back: no circle can be built.
      if (target >= limit) return undefined;
      if (next < 0) next = at + 2;
      at = limit = target;
      continue;
    }
    if (size > 63) return undefined;
    length += size + 1;
    if (length >= maximumNameBytes || at + 1 + size > message.length) return undefined;
    const label = message.toString('latin1', at + 1, at + 1 + size);
    const plain = label.includes('.') ? label.replaceAll('.', '\\.') : label;
    name = name === '' ? plain.toLowerCase() : `${name}.${plain.toLowerCase()}`;
    at += 1 + size;
  }
}

/** What was asked. A number is the response code for a message that can only be refused; undefined is not worth an answer. */
export function parseQuery(message: Buffer): Query | number | undefined {
  if (message.length < headerBytes) return undefined;
  const flags = message.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return undefined;
  const opcode = (flags >> 11) & 0xf;
  if (opcode !== 0) return responseCode.NOTIMP;
  if (message.readUInt16BE(4) !== 1) return responseCode.FORMERR;
  const name = readName(message, headerBytes);
  if (!name || name.next + 4 > message.length) return responseCode.FORMERR;
  let at = name.next + 4;
  const question = message.subarray(headerBytes, at);
  let edns: Query['edns'];
  const others = message.readUInt16BE(6) + message.readUInt16BE(8);
  const records = others + message.readUInt16BE(10);
  for (let index = 0; index < records; index++) {
    const owner = readName(message, at);
    if (!owner || owner.next + 10 > message.length) return responseCode.FORMERR;
    const end = owner.next + 10 + message.readUInt16BE(owner.next + 8);
    if (end > message.length) return responseCode.FORMERR;
    if (index >= others && message.readUInt16BE(owner.next) === recordType.OPT) {
      if (edns) return responseCode.FORMERR;
      edns = {
        udpBytes: Math.max(plainUdpBytes, message.readUInt16BE(owner.next + 2)),
        version: message[owner.next + 5]!,
        dnssecOk: (message[owner.next + 6]! & 0x80) !== 0,
      };
    }
    at = end;
  }
  return {
    id: message.readUInt16BE(0),
    opcode,
    recursionDesired: (flags & 0x0100) !== 0,
    checkingDisabled: (flags & 0x0010) !== 0,
    name: name.name,
    type: message.readUInt16BE(name.next),
    class: message.readUInt16BE(name.next + 2),
    question,
    edns,
  };
}

/** How large an answer over UDP may be. */
export function udpLimit(query: Query): number {
  return query.edns ? Math.min(query.edns.udpBytes, maximumUdpBytes) : plainUdpBytes;
}

/** A refusal of a message that could not be parsed: its header alone. */
export function encodeRefusal(message: Buffer, rcode: number): Buffer {
  const answer = Buffer.alloc(headerBytes);
  message.copy(answer, 0, 0, 2);
  answer.writeUInt16BE(0x8000 | (message.readUInt16BE(2) & 0x7900) | (rcode & 0xf), 2);
  return answer;
}

const workspace = Buffer.allocUnsafe(65_535);

/** The whole message; records that do not fit `limitBytes` are left out, and the TC flag says so when answers are missing. */
export function encodeAnswer(query: Query, answer: Answer, limitBytes: number): Buffer {
  const writer = new MessageWriter(query, limitBytes - (query.edns ? optionRecordBytes : 0));
  const answered = writer.section(answer.answers);
  const truncated = answered < answer.answers.length;
  const authority = truncated ? 0 : writer.section(answer.authority);
  const additional = truncated ? 0 : writer.section(answer.additional);
  let flags = 0x8080 | (answer.rcode & 0xf);
  if (answer.authoritative) flags |= 0x0400;
  if (truncated) flags |= 0x0200;
  if (query.recursionDesired) flags |= 0x0100;
  if (query.checkingDisabled) flags |= 0x0010;
  return writer.finish({ flags, counts: [1, answered, authority, additional], rcode: answer.rcode });
}

class MessageWriter {
  readonly #query: Query;
  readonly #limit: number;
  readonly #offsets = new Map<string, number>();
  #at: number;

  constructor(query: Query, limitBytes: number) {
    this.#query = query;
    this.#limit = Math.min(limitBytes, workspace.length - optionRecordBytes);
    query.question.copy(workspace, headerBytes);
    this.#at = headerBytes + query.question.length;
    this.#remember(query.name, headerBytes);
  }

  /** How many records fit. */
  section(records: readonly DnsRecord[]): number {
    let count = 0;
    for (const record of records) {
      const before = this.#at;
      this.#record(record);
      if (this.#at > this.#limit) {
        this.#at = before;
        // Names that were first written in a record that is taken back are not there any more.
        for (const [name, offset] of this.#offsets) if (offset >= before) this.#offsets.delete(name);
        return count;
      }
      count += 1;
    }
    return count;
  }

  finish(header: { flags: number; counts: readonly [number, number, number, number]; rcode: number }): Buffer {
    const { edns, id } = this.#query;
    const [questions, answers, authority, additional] = header.counts;
    if (edns) this.#at = writeOptionRecord(workspace, this.#at, edns.dnssecOk, header.rcode);
    workspace.writeUInt16BE(id, 0);
    workspace.writeUInt16BE(header.flags, 2);
    workspace.writeUInt16BE(questions, 4);
    workspace.writeUInt16BE(answers, 6);
    workspace.writeUInt16BE(authority, 8);
    workspace.writeUInt16BE(additional + (edns ? 1 : 0), 10);
    return Buffer.from(workspace.subarray(0, this.#at));
  }

  #record({ name, type, ttlSeconds, data }: DnsRecord): void {
    // Far from the end of the workspace there is room for the largest record.
    if (this.#at + 1500 > workspace.length) {
      this.#at = workspace.length;
      return;
    }
    this.#name(name, true);
    workspace.writeUInt16BE(type, this.#at);
    workspace.writeUInt16BE(1, this.#at + 2);
    workspace.writeUInt32BE(ttlSeconds, this.#at + 4);
    const lengthAt = this.#at + 8;
    this.#at += 10;
    this.#data(data);
    workspace.writeUInt16BE(this.#at - lengthAt - 2, lengthAt);
  }

  #data(data: RecordData): void {
    if ('address' in data) {
      workspace.set(data.address, this.#at);
      this.#at += data.address.length;
    } else if ('port' in data) {
      workspace.writeUInt16BE(data.priority, this.#at);
      workspace.writeUInt16BE(data.weight, this.#at + 2);
      workspace.writeUInt16BE(data.port, this.#at + 4);
      this.#at += 6;
      // RFC 2782: the target of a SRV record is not compressed.
      this.#name(data.target, false);
    } else if ('target' in data) this.#name(data.target, true);
    else if ('texts' in data) {
      for (const text of data.texts) {
        const bytes = Buffer.from(text).subarray(0, 255);
        workspace[this.#at] = bytes.length;
        bytes.copy(workspace, this.#at + 1);
        this.#at += 1 + bytes.length;
      }
    } else {
      const { primary, mailbox, serial, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds } = data.soa;
      this.#name(primary, true);
      this.#name(mailbox, true);
      for (const value of [serial, refreshSeconds, retrySeconds, expireSeconds, minimumSeconds]) {
        workspace.writeUInt32BE(value, this.#at);
        this.#at += 4;
      }
    }
  }

  #name(name: string, compress: boolean): void {
    let rest = name;
    while (rest !== '') {
      const known = compress ? this.#offsets.get(rest) : undefined;
      if (known !== undefined) {
        workspace.writeUInt16BE(0xc000 | known, this.#at);
        this.#at += 2;
        return;
      }
      if (this.#at < 0x4000 && !this.#offsets.has(rest)) this.#offsets.set(rest, this.#at);
      const dot = rest.indexOf('.');
      const label = dot < 0 ? rest : rest.slice(0, dot);
      workspace[this.#at] = label.length;
      workspace.write(label, this.#at + 1, 'latin1');
      this.#at += 1 + label.length;
      rest = dot < 0 ? '' : rest.slice(dot + 1);
    }
    workspace[this.#at++] = 0;
  }

  /** All suffixes of a name that stands somewhere in the message. */
  #remember(name: string, offset: number): void {
    // A dot within a label makes lengths ambiguous; such names are answered without compression.
    if (name.includes('\\')) return;
    for (let rest = name, at = offset; rest !== '';) {
      this.#offsets.set(rest, at);
      const dot = rest.indexOf('.');
      if (dot < 0) return;
      at += dot + 1;
      rest = rest.slice(dot + 1);
    }
  }
}

/** Returns where it ends. */
export function writeOptionRecord(into: Buffer, at: number, dnssecOk: boolean, rcode = 0): number {
  into[at] = 0;
  into.writeUInt16BE(recordType.OPT, at + 1);
  into.writeUInt16BE(maximumUdpBytes, at + 3);
  into[at + 5] = rcode >> 4;
  into[at + 6] = 0;
  into.writeUInt16BE(dnssecOk ? 0x8000 : 0, at + 7);
  into.writeUInt16BE(0, at + 9);
  return at + optionRecordBytes;
}

/** The question of a query, to be asked of another server with an id of its own. */
export function encodeQuery(query: Query, id: number): Buffer {
  const message = Buffer.allocUnsafe(headerBytes + query.question.length + optionRecordBytes);
  message.writeUInt16BE(id, 0);
  message.writeUInt16BE(0x0100 | (query.checkingDisabled ? 0x0010 : 0), 2);
  message.writeUInt16BE(1, 4);
  message.writeUInt32BE(0, 6);
  message.writeUInt16BE(1, 10);
  query.question.copy(message, headerBytes);
  writeOptionRecord(message, headerBytes + query.question.length, query.edns?.dnssecOk ?? false);
  return message;
}

/** The bytes of an address in text; undefined when it is none. */
export function addressBytes(text: string): Uint8Array | undefined {
  if (!text.includes(':')) {
    const parts = text.split('.');
    if (parts.length !== 4 || !parts.every(part => /^\d{1,3}$/.test(part) && Number(part) < 256)) return undefined;
    return Uint8Array.from(parts, Number);
  }
  const [head = '', tail, more] = text.split('::');
  if (more !== undefined) return undefined;
  const groups = (part: string): number[] | undefined => {
    if (part === '') return [];
    const words: number[] = [];
    const pieces = part.split(':');
    for (const [index, piece] of pieces.entries()) {
      if (index === pieces.length - 1 && piece.includes('.')) {
        const bytes = addressBytes(piece);
        if (!bytes) return undefined;
        words.push((bytes[0]! << 8) | bytes[1]!, (bytes[2]! << 8) | bytes[3]!);
      } else if (/^[0-9a-fA-F]{1,4}$/.test(piece)) words.push(Number.parseInt(piece, 16));
      else return undefined;
    }
    return words;
  };
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  if (!left || !right) return undefined;
  const missing = 8 - left.length - right.length;
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const words = [...left, ...Array.from({ length: missing }, () => 0), ...right];
  return Uint8Array.from(words.flatMap(word => [word >> 8, word & 0xff]));
}
