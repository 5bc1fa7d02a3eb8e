import type { RequestInfo } from '../handlers/request-info.js';
import { isTrue } from '../handlers/request-info.js';
import type { ClassifyingSchema } from './flow.js';
import type { WorkEstimate } from './seat-request.js';
import { oneSeat } from './seat-request.js';
import type { WatchCounts } from './watch-counts.js';

/** Objects of a resource, and how many bytes they have together. */
export interface StoredAmount {
  readonly count: number;
  readonly bytes: number;
}

export interface WorkEstimatorOptions {
  /** Undefined for what is no stored resource. */
  readonly stored: (info: RequestInfo) => StoredAmount | undefined;
  readonly watches: WatchCounts;
}

const bytesASeat = 100_000;
/** Lists out of the cache are written in pieces. */
const mostCachedBytes = 1_000_000;
const mostListSeats = 100;
const mostMutatingSeats = 10;
const watchesASeat = 10;
const millisecondsAnEvent = 5;

/** How many seats a request takes. Source: apiserver pkg/util/flowcontrol/request. */
export class WorkEstimator {
  readonly #options: WorkEstimatorOptions;

  constructor(options: WorkEstimatorOptions) {
    this.#options = options;
  }

  /** `name` is the object's, also where a field selector names it. */
  estimate(info: RequestInfo, name: string, schema: ClassifyingSchema): WorkEstimate {
    switch (info.verb) {
      case 'list':
      case 'watch':
        return this.#list(info, name, schema);
      case 'create':
      case 'update':
      case 'patch':
      case 'delete':
        return this.#change(info, schema);
      default:
        return oneSeat;
    }
  }

  #list(info: RequestInfo, name: string, schema: ClassifyingSchema): WorkEstimate {
    const { verb, query } = info;
    const isWatch = verb === 'watch';
    const version = query.get('resourceVersion') ?? '';
    const showsState = isTrue(query.get('sendInitialEvents')) || version === '' || version === '0';
    if (isWatch && !showsState) return oneSeat;
    const stored = this.#options.stored(info);
    if (!stored || stored.count === 0) return oneSeat;
    const isCached = isWatch || !readsHistory(query, version);
    const limit = Number(query.get('limit') ?? 0);
    const shown = limit > 0 && limit < stored.count ? limit : stored.count;
    const selects = query.get('fieldSelector') || query.get('labelSelector');
    let objects = !isCached && selects ? Math.max(shown, stored.count / 2) : shown;
    if (name !== '') objects = 1;
    const bytes = (objects * stored.bytes) / stored.count;
    const seats = Math.ceil((isCached ? Math.min(bytes, mostCachedBytes) : bytes) / bytesASeat);
    const most = mostSeats(schema, mostListSeats);
    const initialSeats = Math.max(1, Math.min(seats, most));
    return initialSeats === 1 ? oneSeat : { initialSeats, finalSeats: 0, additionalLatencyMs: 0 };
  }

  /** Every watcher is told of a change, which goes on when the request has been answered. */
  #change(info: RequestInfo, schema: ClassifyingSchema): WorkEstimate {
    if (info.resource === 'serviceaccounts' && info.subresource === 'token') return oneSeat;
    const watchers = this.#options.watches.interested(info);
    schema.series.watchers.observe(watchers);
    if (watchers < watchesASeat) return oneSeat;
    const wanted = Math.ceil(watchers / watchesASeat);
    const finalSeats = Math.min(wanted, mostSeats(schema, mostMutatingSeats));
    return { initialSeats: 1, finalSeats, additionalLatencyMs: (wanted * millisecondsAnEvent) / finalSeats };
  }
}

function mostSeats({ level }: ClassifyingSchema, most: number): number {
  return level.maximumSeats === 0 ? most : Math.min(level.maximumSeats, most);
}

/** Whether a list asks for a state of its own, which the cache may not have. */
function readsHistory(query: URLSearchParams, version: string): boolean {
  const match = query.get('resourceVersionMatch') ?? '';
  if (match !== '') return match !== 'NotOlderThan';
  return Boolean(query.get('continue')) || (Number(query.get('limit') ?? 0) > 0 && version !== '' && version !== '0');
}
