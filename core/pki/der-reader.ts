import { pkiError } from './pki-errors.js';

/** ASN.1 tags that certificates use. */
export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Reads DER element by element. Every length is checked against the enclosing element, so hostile input cannot run past it. */
export class DerReader {
  readonly #bytes: Buffer;
  #at: number;
  readonly #end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = start;
    this.#end = end;
  }

  get done(): boolean {
    return this.#at >= this.#end;
  }

  /** The tag of the next element, undefined at the end. */
  peekTag(): number | undefined {
    return this.done ? undefined : this.#bytes[this.#at];
  }

  /** The next element. Throws PKI_MALFORMED when it does not fit. */
  next(): DerElement {
    const tag = this.#byte();
    if ((tag & 0x1f) === 0x1f) throw malformed('multi-byte tag');
    let length = this.#byte();
    if (length === 0x80) throw malformed('indefinite length');
    if (length > 0x80) {
      const lengthBytes = length & 0x7f;
      if (lengthBytes > 4) throw malformed('length of more than four bytes');
      length = 0;
      for (let i = 0; i < lengthBytes; i++) length = length * 256 + this.#byte();
    }
    const start = this.#at;
    if (length > this.#end - start) throw malformed('element longer than what encloses it');
    this.#at = start + length;
    return new DerElement(tag, this.#bytes.subarray(start, start + length));
  }

  /** The next element, which must have this tag. */
  expect(tag: number): DerElement {
    const element = this.next();
    if (element.tag !== tag) throw malformed(`tag 0x${element.tag.toString(16)} instead of 0x${tag.toString(16)}`);
    return element;
  }

  #byte(): number {
    if (this.#at >= this.#end) throw malformed('unexpected end');
    return this.#bytes[this.#at++]!;
  }
}

export class DerElement {
  readonly tag: number;
  readonly content: Buffer;

  constructor(tag: number, content: Buffer) {
    this.tag = tag;
    this.content = content;
  }

  children(): DerReader {
    return new DerReader(this.content);
  }

  /** An OBJECT IDENTIFIER as dotted numbers. */
  objectIdentifier(): string {
    if (this.tag !== derTag.objectIdentifier || this.content.length === 0) throw malformed('not an object identifier');
    const arcs: number[] = [];
    let value = 0;
    for (const byte of this.content) {
      if (value > 2 ** 45) throw malformed('object identifier too large');
      value = value * 128 + (byte & 0x7f);
      if (byte & 0x80) continue;
      if (arcs.length === 0) {
        const first = Math.min(2, Math.floor(value / 40));
        arcs.push(first, value - first * 40);
      } else arcs.push(value);
      value = 0;
    }
    return arcs.join('.');
  }

  /** The text of any of the string types. */
  text(): string {
    if (this.tag === derTag.bmpString) return Buffer.from(this.content).swap16().toString('utf16le');
    return this.content.toString(this.tag === derTag.utf8String ? 'utf8' : 'latin1');
  }
}

function malformed(detail: string): Error {
  return pkiError('PKI_MALFORMED', `malformed DER: ${detail}`);
}
