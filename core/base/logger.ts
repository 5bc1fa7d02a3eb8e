export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** A log sink with a name. Fields are small plain values; an `error` field may hold an Error. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose lines carry `name` behind this one's. */
  child(name: string): Logger;
}

export type LogFields = Readonly<Record<string, unknown>>;

export interface LogRecord {
  readonly timeMs: number;
  readonly level: LogLevel;
  readonly name: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** Hands every record at or above `level` to `write`. */
export class SinkLogger implements Logger {
  readonly #write: (record: LogRecord) => void;
  readonly #level: LogLevel;
  readonly #name: string;

  constructor(write: (record: LogRecord) => void, level: LogLevel = 'info', name = '') {
    this.#write = write;
    this.#level = level;
    this.#name = name;
  }

  debug(message: string, fields?: LogFields): void {
    this.#log('debug', message, fields);
  }
  info(message: string, fields?: LogFields): void {
    this.#log('info', message, fields);
  }
  warn(message: string, fields?: LogFields): void {
    this.#log('warn', message, fields);
  }
  error(message: string, fields?: LogFields): void {
    this.#log('error', message, fields);
  }

  child(name: string): Logger {
    return new SinkLogger(this.#write, this.#level, this.#name ? `${this.#name}.${name}` : name);
  }

  #log(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (rank[level] < rank[this.#level]) return;
    this.#write({ timeMs: Date.now(), level, name: this.#name, message, fields });
  }
}

/** One line of text: time, level, name, message, then `key=value` fields; control characters are escaped. */
export function formatRecord(record: LogRecord): string {
  let line = `${new Date(record.timeMs).toISOString()} ${record.level.toUpperCase().padEnd(5)} `;
  if (record.name) line += `${record.name}: `;
  line += escapeControl(record.message);
  for (const [key, value] of Object.entries(record.fields ?? {})) {
    if (value === undefined) continue;
    const text = value instanceof Error ? value.message : typeof value === 'string' ? value : JSON.stringify(value);
    line += ` ${key}=${/[\s"=]/.test(text) ? JSON.stringify(text) : escapeControl(text)}`;
  }
  return line;
}

function escapeControl(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what must not reach a terminal
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f]/g, character => JSON.stringify(character).slice(1, -1));
}

export const silentLogger: Logger = new SinkLogger(() => undefined, 'error');
