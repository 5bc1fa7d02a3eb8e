export const types = { A: 1, CNAME: 5, PTR: 12, AAAA: 28, SRV: 33, OPT: 41 } as const;
export const codes = { none: 0, serverFailure: 2, nameError: 3 } as const;

export interface Question {
  /** In lower case, without a dot at the end. */
  readonly name: string;
  readonly type: number;
  /** Where the question ends in the message. */
  readonly endBytes: number;
  readonly hasEdns: boolean;
  /** What the asker takes in a datagram. */
  readonly datagramBytes: number;
}

export interface DnsRecord {
  readonly name: string;
  readonly type: number;
  readonly data: Buffer;
}

export interface Reply {
  readonly code: number;
  readonly records: readonly DnsRecord[];
}

const headerBytes = 12;
const plainDatagramBytes = 512;
const largestDatagramBytes = 1232;
const ttlSeconds = 5;

/** Undefined: nothing that can be answered. */
export function parseQuestion(message: Buffer): Question | undefined {
  if (message.length < headerBytes || message.length > 4096) return undefined;
  // A question, of the usual kind, one.
  if ((message.readUInt16BE(2) & 0xf8_00) !== 0 || message.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = headerBytes;
  for (let length = message[at]; length !== 0; length = message[at]) {
    // Nobody points back in the first name of a message.
    if (length === undefined || length > 63 || at - headerBytes > 255) return undefined;
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const endBytes = at + 5;
  if (endBytes > message.length || message.readUInt16BE(at + 3) !== 1) return undefined;
  const rest = message.subarray(endBytes);
  const hasEdns = rest.length >= 11 && rest[0] === 0 && rest.readUInt16BE(1) === types.OPT;
  const datagramBytes = hasEdns ? Math.min(largestDatagramBytes, rest.readUInt16BE(3)) : plainDatagramBytes;
  return {
    name: labels.join('.').toLowerCase(),
    type: message.readUInt16BE(at + 1),
    endBytes,
    hasEdns,
    datagramBytes: Math.max(plainDatagramBytes, datagramBytes),
  };
}

/** The answer to a message; without its records and marked as truncated when it would be larger than `limitBytes`. */
export function encodeReply(message: Buffer, question: Question, { code, records }: Reply, limitBytes: number): Buffer {
  const bodies = records.map(({ name, type, data }) => {
    const fixed = Buffer.alloc(10);
    fixed.writeUInt16BE(type, 0);
    fixed.writeUInt16BE(1, 2);
    fixed.writeUInt32BE(ttlSeconds, 4);
    fixed.writeUInt16BE(data.length, 8);
    // The name that was asked for is written once.
    return Buffer.concat([name === question.name ? Buffer.of(0xc0, headerBytes) : encodeName(name), fixed, data]);
  });
  const options = question.hasEdns
    ? [Buffer.of(0, 0, types.OPT, largestDatagramBytes >> 8, largestDatagramBytes & 0xff, 0, 0, 0, 0, 0, 0)]
    : [];
  const header = Buffer.from(message.subarray(0, headerBytes));
  const whole = Buffer.concat([header, message.subarray(headerBytes, question.endBytes), ...bodies, ...options]);
  const isTruncated = whole.length > limitBytes;
  // An answer, by one who knows, to one who may want others to be asked.
  whole.writeUInt16BE(0x84_80 | (message.readUInt16BE(2) & 0x01_00) | (isTruncated ? 0x02_00 : 0) | code, 2);
  whole.writeUInt16BE(isTruncated ? 0 : bodies.length, 6);
  whole.writeUInt16BE(0, 8);
  whole.writeUInt16BE(isTruncated ? 0 : options.length, 10);
  return isTruncated ? whole.subarray(0, question.endBytes) : whole;
}

export function encodeName(name: string): Buffer {
  const labels = name.split('.').filter(label => label !== '');
  return Buffer.concat([
    ...labels.map(label => Buffer.concat([Buffer.of(Buffer.byteLength(label)), Buffer.from(label)])),
    Buffer.of(0),
  ]);
}

/** Of an A or AAAA record. */
export function encodeAddress(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  return Buffer.from(groupsOf(address).join(''), 'hex');
}

/** The eight groups of an IPv6 address, four digits each. */
export function groupsOf(address: string): string[] {
  const [before = '', after] = address.toLowerCase().split('::');
  const left = before === '' ? [] : before.split(':');
  const right = after ? after.split(':') : [];
  const missing = after === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<string>(missing).fill('0'), ...right].map(group => group.padStart(4, '0'));
}
