import { closeSync, openSync, writeSync } from 'node:fs';
import { CodedError, errorText } from '../base/errors.js';
import { formatRecord, SinkLogger } from '../base/logger.js';
import type { Logger, LogRecord } from '../base/logger.js';

export interface LogTargets {
  readonly debug: boolean;
  /** `--log`; absent: standard error. */
  readonly file: string | undefined;
  readonly alsoToStandardError: boolean;
}

/** Where log lines go. What is logged before `open` told where, is kept and written then. */
export class LogOutput {
  readonly logger: Logger;
  readonly #printError: (line: string) => void;
  #early: LogRecord[] | undefined = [];
  #targets: LogTargets = { debug: false, file: undefined, alsoToStandardError: false };
  #file: number | undefined;

  constructor(printError: (line: string) => void) {
    this.#printError = printError;
    this.logger = new SinkLogger(record => this.#write(record), 'debug');
  }

  /** Throws `LOG_FILE` when the file cannot be written. */
  open(targets: LogTargets): void {
    this.#targets = targets;
    if (targets.file !== undefined) {
      try {
        this.#file = openSync(targets.file, 'a', 0o600);
      } catch (error) {
        throw new CodedError('LOG_FILE', `--log ${targets.file} cannot be written: ${errorText(error)}`, { cause: error });
      }
    }
    this.#flush();
  }

  /** Writes what is kept and closes the file. */
  close(): void {
    this.#flush();
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #flush(): void {
    const early = this.#early ?? [];
    this.#early = undefined;
    for (const record of early) this.#write(record);
  }

  #write(record: LogRecord): void {
    if (this.#early) {
      this.#early.push(record);
      return;
    }
    if (record.level === 'debug' && !this.#targets.debug) return;
    const line = formatRecord(record);
    if (this.#file !== undefined) writeSync(this.#file, line + '\n');
    if (this.#file === undefined || this.#targets.alsoToStandardError) this.#printError(line);
  }
}
