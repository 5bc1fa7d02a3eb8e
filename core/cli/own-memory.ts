import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { errorText } from '../base/errors.js';
import type { Logger } from '../base/logger.js';
import type { ProcessMemory } from './memory-keeper.js';

type Collector = (options: { type: 'major'; flavor: 'last-resort' }) => void;
type Utilization = ReturnType<typeof performance.eventLoopUtilization>;

/** The memory of the process that this is. */
export class OwnMemory implements ProcessMemory {
  #last: Utilization | undefined;
  #collect: Collector | undefined;
  #trim: ((pad: number) => number) | undefined;
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  residentBytes(): number {
    return process.memoryUsage.rss();
  }

  busyShare(): number {
    const now = performance.eventLoopUtilization();
    const { utilization } = this.#last ? performance.eventLoopUtilization(now, this.#last) : now;
    this.#last = now;
    return utilization;
  }

  async giveBack(): Promise<void> {
    this.#collect ??= collector();
    this.#trim ??= await this.#trimmer();
    // This flavour also gives up pages that V8 keeps for later.
    this.#collect({ type: 'major', flavor: 'last-resort' });
    this.#trim(0);
  }

  /** `malloc_trim` of glibc; other C libraries have none, and keep what they have. Loaded with the first use, for 1 MB. */
  async #trimmer(): Promise<(pad: number) => number> {
    try {
      const { default: koffi } = await import('koffi');
      return koffi.load('libc.so.6').func('int malloc_trim(size_t pad)') as (pad: number) => number;
    } catch (error) {
      this.#logger.debug('there is no malloc_trim here: only what V8 has is given back', { error: errorText(error) });
      return () => 0;
    }
  }
}

function collector(): Collector {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collector;
}
