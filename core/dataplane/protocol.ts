import { CodedError } from '../base/errors.js';

/** Raised when messages change their meaning. A child that speaks another one is replaced, not spoken to. */
export const dataplaneProtocol = 1;

/** A module that is enabled, and which code it is: another build of the same module cannot be imported by the same process. */
export interface ModuleSpec {
  readonly name: string;
  readonly url: string;
  readonly build: string;
}

export type EntryList = readonly (readonly [key: string, value: unknown])[];

/** From the control process to the child. */
export type ControlMessage =
  | { readonly type: 'hello'; readonly protocol: number }
  /** All modules that are enabled; others are drained and their state is removed. */
  | { readonly type: 'modules'; readonly modules: readonly ModuleSpec[] }
  | { readonly type: 'snapshot'; readonly channel: string; readonly generation: number; readonly entries: EntryList }
  | {
      readonly type: 'change';
      readonly channel: string;
      readonly generation: number;
      readonly set: EntryList;
      readonly deleted: readonly string[];
    }
  | { readonly type: 'ping' };

export type LogLevelName = 'debug' | 'info' | 'warn' | 'error';

/** From the child to the control process. */
export type ChildMessage =
  | {
      readonly type: 'welcome';
      readonly protocol: number;
      readonly pid: number;
      readonly build: string;
      readonly modules: readonly ModuleSpec[];
    }
  /** `fault`: why the module could not apply it. */
  | { readonly type: 'ack'; readonly channel: string; readonly generation: number; readonly fault?: string }
  | { readonly type: 'report'; readonly channel: string; readonly report: unknown }
  | {
      readonly type: 'log';
      readonly channel: string;
      readonly level: LogLevelName;
      readonly message: string;
      readonly fields?: Readonly<Record<string, unknown>>;
    }
  | { readonly type: 'pong'; readonly residentBytes: number };

const headerBytes = 4;
const maximumFrameBytes = 256 * 1024 * 1024;

/** A frame: its length in four bytes, big end first, then JSON. */
export function encodeFrame(message: ControlMessage | ChildMessage): Buffer {
  const body = Buffer.from(JSON.stringify(message));
  const frame = Buffer.allocUnsafe(headerBytes + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, headerBytes);
  return frame;
}

/** Cuts a byte stream into messages. Throws DATAPLANE_PROTOCOL on what cannot be a frame. */
export class FrameReader<Message> {
  #chunks: Buffer[] = [];
  #length = 0;

  push(chunk: Buffer): Message[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    const messages: Message[] = [];
    while (this.#length >= headerBytes) {
      const size = this.#header();
      if (size > maximumFrameBytes) throw protocolError(`a frame of ${size} bytes`);
      if (this.#length < headerBytes + size) break;
      const all = this.#joined();
      const text = all.toString('utf8', headerBytes, headerBytes + size);
      this.#chunks = [all.subarray(headerBytes + size)];
      this.#length -= headerBytes + size;
      try {
        messages.push(JSON.parse(text) as Message);
      } catch (error) {
        throw protocolError('a frame that is not JSON', error);
      }
    }
    return messages;
  }

  #header(): number {
    if (this.#chunks[0]!.length < headerBytes) this.#joined();
    return this.#chunks[0]!.readUInt32BE(0);
  }

  #joined(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0]!;
  }
}

function protocolError(what: string, cause?: unknown): CodedError {
  return new CodedError('DATAPLANE_PROTOCOL', `the other side of the dataplane's control socket sent ${what}`, { cause });
}
