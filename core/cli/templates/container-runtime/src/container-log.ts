import { PassThrough } from 'node:stream';
import type { Readable } from 'node:stream';

const lineLimit = 2000;

/** The last lines of a container's output in CRI's log format, kept in memory. */
export class ContainerLog {
  #lines: string[] = [];
  readonly #partial = { stdout: '', stderr: '' };
  readonly #followers = new Set<PassThrough>();
  #closed = false;

  write(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const lines = (this.#partial[stream] + chunk.toString()).split('\n');
    this.#partial[stream] = lines.pop()!;
    for (const line of lines) this.#add(`${stream} F ${line}`);
  }

  /** No more output: followers end. */
  close(): void {
    for (const stream of ['stdout', 'stderr'] as const)
      if (this.#partial[stream]) this.#add(`${stream} P ${this.#partial[stream]}`);
    this.#closed = true;
    for (const follower of this.#followers) follower.end();
    this.#followers.clear();
  }

  read(follow: boolean, signal?: AbortSignal): Readable {
    const output = new PassThrough();
    for (const line of this.#lines) output.write(line);
    if (!follow || this.#closed || signal?.aborted) return output.end();
    this.#followers.add(output);
    const stop = (): void => void (this.#followers.delete(output) && output.end());
    signal?.addEventListener('abort', stop, { once: true });
    return output.once('close', () => {
      signal?.removeEventListener('abort', stop);
      this.#followers.delete(output);
    });
  }

  #add(text: string): void {
    const line = `${new Date().toISOString()} ${text}\n`;
    this.#lines.push(line);
    if (this.#lines.length > 2 * lineLimit) this.#lines = this.#lines.slice(-lineLimit);
    for (const follower of this.#followers) follower.write(line);
  }
}
