import type { Readable } from 'node:stream';
import type { RawData, WebSocket } from 'ws';

const highWaterBytes = 512 * 1024;
const lowWaterBytes = 128 * 1024;

/** A WebSocket that carries several channels: a byte, or a digit and base64, before each message. Source: apimachinery wsstream. */
export class ChannelSocket {
  readonly #socket: WebSocket;
  readonly #base64: boolean;
  readonly #paused = new Set<Readable>();

  constructor(socket: WebSocket, base64: boolean) {
    this.#socket = socket;
    this.#base64 = base64;
  }

  get isOpen(): boolean {
    return this.#socket.readyState === this.#socket.OPEN;
  }

  /** `received` says false when it has to be waited for, and calls `resume` later. */
  listen(received: (channel: number, data: Buffer) => boolean): void {
    this.#socket.on('message', (raw: RawData) => {
      const message = Array.isArray(raw) ? Buffer.concat(raw) : Buffer.isBuffer(raw) ? raw : Buffer.from(raw);
      if (message.length === 0) return;
      const first = message[0]!;
      const data = this.#base64 ? Buffer.from(message.toString('latin1', 1), 'base64') : message.subarray(1);
      if (!received(this.#base64 ? first - 48 : first, data)) this.#socket.pause();
    });
  }

  resume(): void {
    if (this.isOpen) this.#socket.resume();
  }

  pause(): void {
    this.#socket.pause();
  }

  onClose(closed: () => void): void {
    this.#socket.once('close', closed);
  }

  send(channel: number, data: Buffer, sent: () => void = () => undefined): void {
    if (!this.isOpen) return;
    const message = this.#base64 ? `${channel}${data.toString('base64')}` : Buffer.concat([Buffer.of(channel), data]);
    this.#socket.send(message, () => sent());
  }

  /** Sends all that a stream says; resolves at its end. Reads no faster than the client. */
  pump(channel: number, source: Readable | undefined): Promise<void> {
    if (!source) return Promise.resolve();
    return new Promise(resolve => {
      source.on('data', (chunk: Buffer | string) => {
        const data = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
        this.send(channel, data, () => this.#sent());
        if (this.#socket.bufferedAmount < highWaterBytes) return;
        source.pause();
        this.#paused.add(source);
      });
      source.once('error', () => resolve());
      source.once('end', () => resolve());
      source.once('close', () => resolve());
    });
  }

  close(): void {
    this.#socket.close(1000);
  }

  #sent(): void {
    if (this.#socket.bufferedAmount > lowWaterBytes) return;
    for (const source of this.#paused) source.resume();
    this.#paused.clear();
  }
}
