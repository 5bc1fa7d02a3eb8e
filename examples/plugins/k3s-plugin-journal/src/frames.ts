import { crc32 } from 'node:zlib';
import { datastoreError } from 'k3s-ts/plugin';

/**
 * A frame is one commit: magic, length of the payload, checksum of the payload, checksum of these twelve bytes, payload.
 * A payload is records: length of the JSON, length of the value, JSON, value. Numbers are 32 bits, little endian.
 */
const magic = 0x4a53334b;
const headerBytes = 16;

export interface JournalRecord {
  readonly kind: 'start' | 'item' | 'put' | 'delete' | 'compact';
  /** Of `start`. */
  readonly format?: number;
  /** Of the change; the compacted revision for `start` and `compact`; the modification revision for `item`. */
  readonly revision: number;
  readonly key?: string;
  readonly createRevision?: number;
  readonly expiresAtMs?: number;
  readonly value?: Uint8Array;
}

export function encodeFrame(records: readonly JournalRecord[]): Buffer {
  const parts: Uint8Array[] = [];
  for (const { value, ...fields } of records) {
    const json = Buffer.from(JSON.stringify(fields));
    const lengths = Buffer.alloc(8);
    lengths.writeUInt32LE(json.length, 0);
    lengths.writeUInt32LE(value?.byteLength ?? 0, 4);
    parts.push(lengths, json, ...(value ? [value] : []));
  }
  const payload = Buffer.concat(parts);
  const header = Buffer.alloc(headerBytes);
  header.writeUInt32LE(magic, 0);
  header.writeUInt32LE(payload.length, 4);
  header.writeUInt32LE(crc32(payload), 8);
  header.writeUInt32LE(crc32(header.subarray(0, 12)), 12);
  return Buffer.concat([header, payload]);
}

/**
 * The records of all whole frames, and where they end. One commit is on its way to the disk at a time, so only the last frame can be
 * torn; a bad frame with a sound one behind it is damage, and throws DATASTORE_CORRUPT.
 */
export function decodeFrames(bytes: Buffer): { records: JournalRecord[]; endBytes: number } {
  const records: JournalRecord[] = [];
  let at = 0;
  for (let payload = payloadAt(bytes, at); payload; payload = payloadAt(bytes, at)) {
    readRecords(payload, records);
    at += headerBytes + payload.length;
  }
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(magic);
  for (let next = bytes.indexOf(mark, at + 1); next >= 0; next = bytes.indexOf(mark, next + 1)) {
    if (payloadAt(bytes, next)) throw datastoreError('DATASTORE_CORRUPT', `the journal is damaged at byte ${at}`);
  }
  return { records, endBytes: at };
}

function payloadAt(bytes: Buffer, at: number): Buffer | undefined {
  if (bytes.length < at + headerBytes) return undefined;
  const header = bytes.subarray(at, at + headerBytes);
  if (header.readUInt32LE(0) !== magic || header.readUInt32LE(12) !== crc32(header.subarray(0, 12))) return undefined;
  const payload = bytes.subarray(at + headerBytes, at + headerBytes + header.readUInt32LE(4));
  return payload.length === header.readUInt32LE(4) && crc32(payload) === header.readUInt32LE(8) ? payload : undefined;
}

function readRecords(payload: Buffer, records: JournalRecord[]): void {
  for (let at = 0; at < payload.length;) {
    const jsonEnd = at + 8 + payload.readUInt32LE(at);
    const end = jsonEnd + payload.readUInt32LE(at + 4);
    const fields = JSON.parse(payload.toString('utf8', at + 8, jsonEnd)) as JournalRecord;
    // A copy: a view would keep the whole file in memory for as long as one of its values lives.
    records.push(
      fields.kind === 'put' || fields.kind === 'item'
        ? { ...fields, value: Uint8Array.from(payload.subarray(jsonEnd, end)) }
        : fields,
    );
    at = end;
  }
}
