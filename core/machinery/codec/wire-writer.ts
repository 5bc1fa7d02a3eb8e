/**
 * Writes a protobuf message from its end to its start, so that the length of what is inside is known when its prefix is
 * written, without measuring first.
 */
export class WireWriter {
  #buffer: Buffer;
  #at: number;

  constructor(initialBytes = 4096) {
    this.#buffer = Buffer.allocUnsafeSlow(initialBytes);
    this.#at = initialBytes;
  }

  /** Bytes written so far; the difference of two is the length of what lies between. */
  get length(): number {
    return this.#buffer.length - this.#at;
  }

  /** A copy of all that was written; the writer starts anew. */
  finish(): Buffer {
    const out = Buffer.from(this.#buffer.subarray(this.#at));
    this.#at = this.#buffer.length;
    return out;
  }

  #reserve(bytes: number): void {
    if (this.#at >= bytes) return;
    const written = this.length;
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, written + bytes));
    this.#buffer.copy(grown, grown.length - written, this.#at);
    this.#buffer = grown;
    this.#at = grown.length - written;
  }

  /** An unsigned number of up to 32 bits. */
  varint(value: number): void {
    this.#reserve(5);
    const buffer = this.#buffer;
    if (value < 0x80) {
      buffer[--this.#at] = value;
    } else if (value < 0x4000) {
      buffer[--this.#at] = value >>> 7;
      buffer[--this.#at] = (value & 0x7f) | 0x80;
    } else {
      const size = value < 0x200000 ? 3 : value < 0x10000000 ? 4 : 5;
      this.#at -= size;
      let at = this.#at;
      let rest = value;
      for (; rest >= 0x80; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80;
      buffer[at] = rest;
    }
  }

  /** An integer as 64 bits of two's complement. */
  integer(value: number | bigint): void {
    if (value >= 0 && value <= 0xffffffff) {
      this.varint(Number(value));
      return;
    }
    this.#reserve(10);
    let bits = BigInt.asUintN(64, typeof value === 'bigint' ? value : BigInt(Math.trunc(value)));
    const bytes: number[] = [];
    for (; bits >= 0x80n; bits >>= 7n) bytes.push(Number(bits & 0x7fn) | 0x80);
    bytes.push(Number(bits));
    this.#at -= bytes.length;
    this.#buffer.set(bytes, this.#at);
  }

  float64(value: number): void {
    this.#reserve(8);
    this.#at -= 8;
    this.#buffer.writeDoubleLE(value, this.#at);
  }

  float32(value: number): void {
    this.#reserve(4);
    this.#at -= 4;
    this.#buffer.writeFloatLE(value, this.#at);
  }

  /** Bytes with their length. */
  bytes(value: Uint8Array): void {
    this.raw(value);
    this.varint(value.length);
  }

  raw(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#at -= value.length;
    this.#buffer.set(value, this.#at);
  }

  /** UTF-8 with its length. */
  string(value: string): void {
    const { length } = value;
    if (length < 48 && this.#ascii(value)) {
      this.varint(length);
      return;
    }
    const size = Buffer.byteLength(value);
    this.#reserve(size);
    this.#at -= size;
    this.#buffer.write(value, this.#at, size, 'utf8');
    this.varint(size);
  }

  /** Writes a short text unless a character is not ASCII; the call into the runtime costs more than the loop. */
  #ascii(value: string): boolean {
    const { length } = value;
    this.#reserve(length);
    const buffer = this.#buffer;
    const start = this.#at - length;
    for (let i = 0; i < length; i++) {
      const code = value.charCodeAt(i);
      if (code > 0x7f) return false;
      buffer[start + i] = code;
    }
    this.#at = start;
    return true;
  }
}
