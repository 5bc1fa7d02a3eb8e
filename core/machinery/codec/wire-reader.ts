import { CodedError } from '../../base/errors.js';
import { bytesType, fixed32Type, fixed64Type, varintType } from './wire-plan.js';

/** What toString('utf8') calls after its checks, which cost as much as the rest. */
interface SliceableBuffer extends Buffer {
  utf8Slice(start: number, end: number): string;
}

export function wireError(message: string): CodedError {
  return new CodedError('DECODE_ERROR', message);
}

/** Reads one message; every step is checked against its end. Throws DECODE_ERROR. */
export class WireReader {
  readonly buffer: Buffer;
  at: number;
  end: number;

  constructor(buffer: Buffer) {
    this.buffer = buffer;
    this.at = 0;
    this.end = buffer.length;
  }

  /** Unsigned, low 32 bits of what may be 64. */
  varint(): number {
    const { buffer, end } = this;
    if (this.at < end) {
      const first = buffer[this.at]!;
      if (first < 0x80) {
        this.at++;
        return first;
      }
    }
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      if (this.at >= end) throw wireError('unexpected EOF');
      const byte = buffer[this.at++]!;
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw wireError('proto: integer overflow');
  }

  /** Signed 64 bits; a BigInt beyond what a number holds exactly. */
  int64(): number | bigint {
    const { buffer, end } = this;
    let low = 0;
    let high = 0;
    for (let index = 0; index < 10; index++) {
      if (this.at >= end) throw wireError('unexpected EOF');
      const byte = buffer[this.at++]!;
      const bits = byte & 0x7f;
      if (index < 4) low |= bits << (index * 7);
      else if (index === 4) {
        low |= bits << 28;
        high |= bits >>> 4;
      } else high |= bits << (index * 7 - 32);
      if (byte >= 0x80) continue;
      const value = high === 0 ? low >>> 0 : high * 0x100000000 + (low >>> 0);
      return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low >>> 0);
    }
    throw wireError('proto: integer overflow');
  }

  float64(): number {
    this.#need(8);
    this.at += 8;
    return this.buffer.readDoubleLE(this.at - 8);
  }

  float32(): number {
    this.#need(4);
    this.at += 4;
    return this.buffer.readFloatLE(this.at - 4);
  }

  /** The length that stands before bytes, strings and messages, checked. */
  size(): number {
    const size = this.varint();
    this.#need(size);
    return size;
  }

  bytes(): Buffer {
    const size = this.size();
    this.at += size;
    return this.buffer.subarray(this.at - size, this.at);
  }

  string(): string {
    const size = this.size();
    const start = this.at;
    this.at += size;
    return size === 0 ? '' : (this.buffer as SliceableBuffer).utf8Slice(start, this.at);
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case varintType:
        this.varint();
        return;
      case fixed64Type:
        this.#need(8);
        this.at += 8;
        return;
      case bytesType:
        this.bytes();
        return;
      case fixed32Type:
        this.#need(4);
        this.at += 4;
        return;
      default:
        throw wireError(`proto: illegal wireType ${tag & 7}`);
    }
  }

  #need(bytes: number): void {
    if (bytes > this.end - this.at) throw wireError('unexpected EOF');
  }
}
