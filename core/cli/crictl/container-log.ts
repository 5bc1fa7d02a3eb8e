import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CodedError, errorCode } from '../../base/errors.js';
import type { ContainerOfRuntime, RuntimeOfNode } from '../../cluster/runtime-access.js';
import type { RuntimeOutput } from './output.js';
import type { RuntimeRequest } from './request.js';

type Stream = 'stdout' | 'stderr';

/** A line of the file, which may be a part of what the container printed as one line. */
interface LogRecord {
  readonly time: string;
  readonly stream: Stream;
  readonly isWhole: boolean;
  readonly text: string;
}

/** What `crictl logs` shows: the two streams go where the container sent them. */
export async function showLogs(
  runtime: RuntimeOfNode,
  container: ContainerOfRuntime,
  request: RuntimeRequest,
  output: RuntimeOutput,
): Promise<number> {
  const stream = request.value('stream');
  if (stream !== undefined && stream !== 'stdout' && stream !== 'stderr') {
    throw new CodedError('USAGE', `invalid stream "${stream}", must be "stdout" or "stderr"`);
  }
  const tail = request.count('tail') ?? -1;
  if (stream !== undefined && tail >= 0) throw new CodedError('USAGE', '--tail and --stream are mutually exclusive');
  const limitBytes = request.count('limit-bytes') ?? -1;
  const writer = new RecordWriter(output, {
    withTime: request.has('timestamps'),
    stream,
    sinceMs: sinceMs(request.value('since'), Date.now()),
    limitBytes: limitBytes < 0 ? Infinity : limitBytes,
  });
  const path = request.has('previous') ? previousLog(container) : container.logPath;
  const last = tail < 0 ? undefined : new LastLines(tail);
  const position = await readRecords(path, record => (last ? last.add(record) : writer.write(record)));
  for (const record of last?.records() ?? []) writer.write(record);
  if (request.has('follow') && !request.has('previous')) await follow(runtime, container, position, writer);
  return 0;
}

/** The log of the attempt before lies beside this one's. */
function previousLog({ name, attempt, logPath }: ContainerOfRuntime): string {
  if (attempt === 0) throw new CodedError('LOG_MISSING', `previous terminated container ${name} not found`);
  return join(dirname(logPath), `${attempt - 1}.log`);
}

/** Resolves where the last whole line ends; what was begun after it is for who follows. */
async function readRecords(path: string, take: (record: LogRecord) => void): Promise<number> {
  const lines = new LineSplitter(recordsTo(take));
  let position = 0;
  try {
    for await (const bytes of createReadStream(path)) {
      lines.add(bytes as Buffer);
      position += (bytes as Buffer).length;
    }
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    throw new CodedError('LOG_MISSING', `the log ${path} is not there (any more)`, { cause: error });
  }
  return position - lines.restBytes;
}

function recordsTo(take: (record: LogRecord) => void): (line: string) => void {
  return line => {
    const record = parseRecord(line);
    if (record) take(record);
  };
}

/** A line of CRI's log format: time, stream, tags, text. Source: KEP-0020, the CRI logging format. */
function parseRecord(line: string): LogRecord | undefined {
  const match = /^(\S+) (stdout|stderr) (\S+) ?(.*)$/s.exec(line);
  if (!match) return undefined;
  const [, time = '', stream, tags = '', text = ''] = match;
  return { time, stream: stream as Stream, isWhole: tags.split(':')[0] !== 'P', text };
}

interface WriterOptions {
  readonly withTime: boolean;
  readonly stream: Stream | undefined;
  readonly sinceMs: number;
  readonly limitBytes: number;
}

class RecordWriter {
  readonly #output: RuntimeOutput;
  readonly #options: WriterOptions;
  /** Streams that are within a line. */
  readonly #open = new Set<Stream>();
  #restBytes: number;

  constructor(output: RuntimeOutput, options: WriterOptions) {
    this.#output = output;
    this.#options = options;
    this.#restBytes = options.limitBytes;
  }

  get isFull(): boolean {
    return this.#restBytes <= 0;
  }

  write({ time, stream, isWhole, text }: LogRecord): void {
    const { withTime, stream: only, sinceMs: since } = this.#options;
    if (this.isFull || (only !== undefined && only !== stream) || Date.parse(time) < since) return;
    const stamp = withTime && !this.#open.has(stream) ? `${time} ` : '';
    if (isWhole) this.#open.delete(stream);
    else this.#open.add(stream);
    const bytes = Buffer.from(`${stamp}${text}${isWhole ? '\n' : ''}`);
    this.#output.write(stream, (bytes.length > this.#restBytes ? bytes.subarray(0, this.#restBytes) : bytes).toString());
    this.#restBytes -= bytes.length;
  }
}

/** The records of the last lines; the parts of one line count once. */
class LastLines {
  readonly #limit: number;
  #lines: LogRecord[][] = [];
  readonly #open = new Map<Stream, LogRecord[]>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(record: LogRecord): void {
    const open = this.#open.get(record.stream);
    const line = open ?? [];
    line.push(record);
    if (record.isWhole) this.#open.delete(record.stream);
    else this.#open.set(record.stream, line);
    if (open) return;
    this.#lines.push(line);
    // Not with every line, which would move the whole list each time.
    if (this.#lines.length > 2 * this.#limit + 64) this.#lines = this.#kept();
  }

  records(): LogRecord[] {
    return this.#kept().flat();
  }

  #kept(): LogRecord[][] {
    return this.#limit === 0 ? [] : this.#lines.slice(-this.#limit);
  }
}

const followPollMs = 200;
const readAtOnceBytes = 1024 * 1024;

/** Until the container has ended and its log was read to the end. A log that is rotated meanwhile is read to its end first. */
async function follow(
  runtime: RuntimeOfNode,
  { id, logPath }: ContainerOfRuntime,
  from: number,
  writer: RecordWriter,
): Promise<void> {
  const lines = new LineSplitter(recordsTo(record => writer.write(record)));
  let file = await open(logPath);
  let position = from;
  try {
    while (!writer.isFull) {
      const isRunning = await runtime.container(id).then(
        ({ state }) => state === 'running' || state === 'created',
        (error: unknown) => {
          if (errorCode(error) === 'RUNTIME_NOT_FOUND') return false;
          throw error;
        },
      );
      position = await readOn(file, position, lines);
      const next = await open(logPath).catch(() => undefined);
      const [own, other] = await Promise.all([file.stat(), next?.stat()]);
      if (next && other && other.ino !== own.ino) {
        // What came to the old one between the reading and the renaming.
        await readOn(file, position, lines);
        await file.close();
        file = next;
        position = 0;
        continue;
      }
      await next?.close();
      if (own.size < position) {
        position = 0;
        continue;
      }
      if (!isRunning) return;
      await new Promise(resolve => setTimeout(resolve, followPollMs));
    }
  } finally {
    await file.close();
  }
}

async function readOn(file: Awaited<ReturnType<typeof open>>, from: number, lines: LineSplitter): Promise<number> {
  const buffer = Buffer.alloc(readAtOnceBytes);
  for (let position = from; ;) {
    const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
    if (bytesRead === 0) return position;
    position += bytesRead;
    lines.add(buffer.subarray(0, bytesRead));
  }
}

/** Cuts at line ends, so that no character is torn. */
class LineSplitter {
  readonly #take: (line: string) => void;
  #rest = Buffer.alloc(0);

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  get restBytes(): number {
    return this.#rest.length;
  }

  add(bytes: Buffer): void {
    const all = Buffer.concat([this.#rest, bytes]);
    let begin = 0;
    for (let end = all.indexOf(0x0a); end >= 0; end = all.indexOf(0x0a, begin)) {
      this.#take(all.toString('utf8', begin, end));
      begin = end + 1;
    }
    this.#rest = all.subarray(begin);
  }
}

const unitsMs: Readonly<Record<string, number>> = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration back from now (`42m`, `1h30m`), a time (`2026-01-02T13:23:37`, with or without a zone), or seconds since 1970. */
export function sinceMs(text: string | undefined, nowMs: number): number {
  if (text === undefined || text === '') return -Infinity;
  if (/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) {
    let passedMs = 0;
    for (const [, count, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
      passedMs += Number(count) * unitsMs[unit!]!;
    }
    return nowMs - passedMs;
  }
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN;
  if (!Number.isNaN(time)) return time;
  throw new CodedError('USAGE', `--since must be a duration like 42m or a time like 2026-01-02T13:23:37, not "${text}"`);
}
