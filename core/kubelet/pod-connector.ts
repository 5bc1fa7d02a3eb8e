import type { Readable } from 'node:stream';
import { CodedError } from '../base/errors.js';
import type { Pod, PodLogOptions } from '../api/generated/types.js';
import { parseTime } from '../api/time.js';
import type { ContainerRuntime, ContainerState, ExecOptions, ExecSession } from '../contracts/container-runtime.js';
import type { RuntimeCache } from './runtime/runtime-cache.js';
import { runningUid } from './static/static-pod.js';

export type LogOptions = Pick<
  PodLogOptions,
  'follow' | 'previous' | 'sinceSeconds' | 'sinceTime' | 'timestamps' | 'tailLines' | 'limitBytes'
> & { readonly signal?: AbortSignal; readonly nowMs?: number };

/** Reaches into pods of this node, for an API server in the same process. Errors: CONTAINER_NOT_FOUND, LOG_UNAVAILABLE, the runtime's. */
export class PodConnector {
  readonly #runtime: ContainerRuntime;
  readonly #cache: RuntimeCache;

  constructor(runtime: ContainerRuntime, cache: RuntimeCache) {
    this.#runtime = runtime;
    this.#cache = cache;
  }

  /** The container's output, bytes as `kubectl logs` shows them. */
  async *logs(pod: Pod, container: string, options: LogOptions = {}): AsyncGenerator<string> {
    const state = this.#container(pod, container, options.previous ?? false);
    if (!this.#runtime.logs) throw new CodedError('LOG_UNAVAILABLE', 'the runtime keeps logs in files');
    const source = this.#runtime.logs(state.id, { follow: options.follow ?? false, signal: options.signal });
    let left = options.limitBytes ?? Infinity;
    for await (const line of selectLines(recordsOf(source), options)) {
      if (left <= 0) return;
      const text = line.slice(0, left);
      left -= Buffer.byteLength(text);
      yield text;
    }
  }

  exec(pod: Pod, container: string, options: ExecOptions): Promise<ExecSession> {
    return this.#runtime.exec(this.#container(pod, container, false).id, options);
  }

  #container(pod: Pod, name: string, previous: boolean): ContainerState {
    const found = this.#cache.pod(runningUid(pod)).containers.filter(own => own.name === name);
    const state = found[previous ? 1 : 0];
    if (state) return state;
    const { name: podName } = pod.metadata;
    throw new CodedError(
      'CONTAINER_NOT_FOUND',
      previous && found.length > 0
        ? `previous terminated container "${name}" in pod "${podName}" not found`
        : `container "${name}" in pod "${podName}" is waiting to start`,
    );
  }
}

interface LogRecord {
  readonly time: string;
  readonly text: string;
}

async function* recordsOf(source: Readable): AsyncGenerator<LogRecord> {
  let rest = '';
  try {
    for await (const chunk of source) {
      const lines = (rest + String(chunk)).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        // TIME STREAM FLAGS TEXT
        const match = /^(\S+) \S+ \S+ (.*)$/s.exec(line);
        if (match) yield { time: match[1]!, text: match[2]! };
      }
    }
  } finally {
    source.destroy();
  }
}

async function* selectLines(records: AsyncIterable<LogRecord>, options: LogOptions): AsyncGenerator<string> {
  const { tailLines, timestamps, sinceSeconds, nowMs = Date.now() } = options;
  const sinceMs = sinceSeconds === undefined ? (parseTime(options.sinceTime) ?? -Infinity) : nowMs - sinceSeconds * 1000;
  const format = ({ time, text }: LogRecord): string => `${timestamps ? `${time} ` : ''}${text}\n`;
  const wanted = (record: LogRecord): boolean => sinceMs === -Infinity || Date.parse(record.time) >= sinceMs;
  if (tailLines === undefined || options.follow) {
    for await (const record of records) if (wanted(record)) yield format(record);
    return;
  }
  const kept: LogRecord[] = [];
  for await (const record of records) {
    if (!wanted(record)) continue;
    kept.push(record);
    if (kept.length > tailLines) kept.shift();
  }
  for (const record of kept) yield format(record);
}
