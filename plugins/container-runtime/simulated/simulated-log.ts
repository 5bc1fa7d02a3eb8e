import { Readable } from 'node:stream';

const lineLimit = 2000;

/** A container's output in CRI format, the last lines of it, in memory. */
export class SimulatedLog {
  #lines: string[] = [];
  readonly #followers = new Set<Readable>();
  #closed = false;

  write(stream: 'stdout' | 'stderr', text: string, nowMs: number): void {
    for (const line of text.replace(/\n$/, '').split('\n')) {
      const record = `${new Date(nowMs).toISOString().replace('Z', '000000Z')} ${stream} F ${line}\n`;
      this.#lines.push(record);
      for (const follower of this.#followers) follower.push(record);
    }
    if (this.#lines.length > lineLimit * 2) this.#lines = this.#lines.slice(-lineLimit);
  }

  /** No more output: followers end. */
  close(): void {
    this.#closed = true;
    for (const follower of this.#followers) follower.push(null);
    this.#followers.clear();
  }

  read(follow: boolean, signal?: AbortSignal): Readable {
    const readable = new Readable({ read: () => undefined });
    for (const line of this.#lines) readable.push(line);
    if (!follow || this.#closed || signal?.aborted) {
      readable.push(null);
      return readable;
    }
    this.#followers.add(readable);
    const stop = (): void => {
      if (this.#followers.delete(readable)) readable.push(null);
    };
    signal?.addEventListener('abort', stop, { once: true });
    readable.once('close', () => {
      this.#followers.delete(readable);
      signal?.removeEventListener('abort', stop);
    });
    return readable;
  }
}
