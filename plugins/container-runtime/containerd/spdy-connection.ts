import { request } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { CodedError } from '../../../core/plugin-api/index.js';

const cancelStatus = 5;

/**
 * The client's side of SPDY/3.1 as containerd's streaming server speaks it: streams that we open, data both ways, half-close.
 * Header blocks are written as stored deflate blocks; replies' headers say nothing that is needed and are not read. The server keeps no
 * flow-control windows, so that back-pressure is TCP's.
 */
export class SpdyConnection {
  readonly #socket: Socket;
  readonly #streams = new Map<number, SpdyStream>();
  #nextId = 1;
  #firstHeaders = true;
  #pending: Buffer = Buffer.alloc(0);
  #closed = false;

  private constructor(socket: Socket, head: Buffer) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', error => this.#end(error));
    socket.on('close', () => this.#end(undefined));
    if (head.length > 0) this.#receive(head);
  }

  /** Throws `RUNTIME_UNAVAILABLE` when nobody answers, `RUNTIME_FAILED` when the upgrade is refused. */
  static async connect(url: string, protocol: string): Promise<SpdyConnection> {
    const { socket, head } = await upgradeToSpdy(url, protocol);
    return new SpdyConnection(socket, head);
  }

  /** The stream's end is told only when `holdEnd` has settled. */
  open(headers: Readonly<Record<string, string>>, holdEnd?: Promise<unknown>): SpdyStream {
    const id = this.#nextId;
    this.#nextId += 2;
    const stream = new SpdyStream(holdEnd, {
      write: (chunk, done) => this.#writeData(id, chunk, false, done),
      end: done => this.#writeData(id, Buffer.alloc(0), true, done),
      resume: () => this.#socket.resume(),
      destroyed: () => this.#forget(id),
    });
    this.#streams.set(id, stream);
    const block = this.#headerBlock(headers);
    const frame = Buffer.alloc(18);
    frame.writeUInt32BE(0x80030001, 0);
    frame.writeUInt32BE(10 + block.length, 4);
    frame.writeUInt32BE(id, 8);
    this.#socket.write(Buffer.concat([frame, block]));
    return stream;
  }

  close(): void {
    this.#socket.destroy();
  }

  #headerBlock(headers: Readonly<Record<string, string>>): Buffer {
    const entries = Object.entries(headers);
    const parts: Buffer[] = [uint32(entries.length)];
    for (const [name, value] of entries) {
      parts.push(uint32(Buffer.byteLength(name)), Buffer.from(name), uint32(Buffer.byteLength(value)), Buffer.from(value));
    }
    const plain = Buffer.concat(parts);
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(plain.length, 1);
    stored.writeUInt16LE(plain.length ^ 0xffff, 3);
    const start = this.#firstHeaders ? Buffer.of(0x78, 0x01) : Buffer.alloc(0);
    this.#firstHeaders = false;
    // The empty block at the end is zlib's sync flush.
    return Buffer.concat([start, stored, plain, Buffer.of(0, 0, 0, 0xff, 0xff)]);
  }

  #writeData(id: number, chunk: Buffer, last: boolean, done: (error?: Error | null) => void): void {
    if (this.#closed) return done();
    const frame = Buffer.alloc(8);
    frame.writeUInt32BE(id, 0);
    frame.writeUInt32BE(((last ? 1 : 0) << 24) | chunk.length, 4);
    this.#socket.write(chunk.length > 0 ? Buffer.concat([frame, chunk]) : frame, error => done(error));
  }

  #receive(chunk: Buffer): void {
    let buffer = this.#pending.length > 0 ? Buffer.concat([this.#pending, chunk]) : chunk;
    while (buffer.length >= 8) {
      const length = buffer.readUInt32BE(4) & 0xffffff;
      if (buffer.length < 8 + length) break;
      this.#frame(buffer.readUInt32BE(0), buffer[4]!, buffer.subarray(8, 8 + length));
      buffer = buffer.subarray(8 + length);
    }
    this.#pending = Buffer.from(buffer);
  }

  #frame(word: number, flags: number, body: Buffer): void {
    if (word < 0x80000000) {
      const stream = this.#streams.get(word);
      if (!stream) return;
      if (body.length > 0 && !stream.receive(Buffer.from(body))) this.#socket.pause();
      if (flags & 1) stream.receive(null);
      return;
    }
    const type = word & 0xffff;
    if (type === 3) {
      const stream = this.#streams.get(body.readUInt32BE(0));
      const status = body.readUInt32BE(4);
      // The server lets go of its streams so when a container has ended.
      if (status === cancelStatus) stream?.receive(null);
      else stream?.destroy(new CodedError('RUNTIME_FAILED', `the runtime reset a stream (SPDY status ${status})`));
    } else if (type === 6) {
      const answer = Buffer.alloc(12);
      answer.writeUInt32BE(0x80030006, 0);
      answer.writeUInt32BE(4, 4);
      body.copy(answer, 8, 0, 4);
      this.#socket.write(answer);
    } else if (type === 2 && flags & 1) this.#streams.get(body.readUInt32BE(0))?.receive(null);
  }

  #forget(id: number): void {
    this.#streams.delete(id);
    if (this.#streams.size === 0) this.#socket.end();
  }

  #end(error: Error | undefined): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const stream of [...this.#streams.values()]) {
      if (error)
        stream.destroy(
          new CodedError('RUNTIME_UNAVAILABLE', `a stream to the runtime broke: ${error.message}`, { cause: error }),
        );
      else stream.receive(null);
    }
  }
}

/** Asks the runtime's streaming server for SPDY. Throws as `SpdyConnection.connect` does. */
export function upgradeToSpdy(url: string, protocol: string): Promise<{ readonly socket: Socket; readonly head: Buffer }> {
  return new Promise((resolve, reject) => {
    const call = request(url, {
      method: 'POST',
      agent: false,
      headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol, 'content-length': '0' },
    });
    call.once('upgrade', (_response, socket: Socket, head: Buffer) => resolve({ socket, head }));
    call.once('response', response => {
      response.resume();
      reject(new CodedError('RUNTIME_FAILED', `the runtime refused a stream: ${response.statusCode} ${response.statusMessage}`));
    });
    call.once('error', error => {
      reject(
        new CodedError('RUNTIME_UNAVAILABLE', `the runtime's streaming server does not answer: ${error.message}`, {
          cause: error,
        }),
      );
    });
    call.end();
  });
}

interface StreamSide {
  write(chunk: Buffer, done: (error?: Error | null) => void): void;
  end(done: (error?: Error | null) => void): void;
  resume(): void;
  destroyed(): void;
}

/** One stream of the connection. Ending it is a half-close. */
export class SpdyStream extends Duplex {
  readonly #side: StreamSide;
  readonly #holdEnd: Promise<unknown> | undefined;
  #ended = false;

  constructor(holdEnd: Promise<unknown> | undefined, side: StreamSide) {
    super({ allowHalfOpen: true });
    this.#side = side;
    this.#holdEnd = holdEnd;
  }

  /** False when the reader is behind. Null is the end. */
  receive(chunk: Buffer | null): boolean {
    if (this.#ended || this.destroyed) return true;
    if (chunk !== null) return this.push(chunk);
    this.#ended = true;
    const end = (): void => {
      if (!this.destroyed) this.push(null);
    };
    if (this.#holdEnd) this.#holdEnd.then(end, end);
    else end();
    return true;
  }

  override _read(): void {
    this.#side.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#side.write(chunk, done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#side.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#side.destroyed();
    done(error);
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
