import type { RequestInfo } from '../handlers/request-info.js';

/** Upper bounds in seconds, upstream's. */
const boundsSeconds = [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60];

const verbs: Readonly<Record<string, string>> = {
  get: 'GET',
  head: 'HEAD',
  list: 'LIST',
  watch: 'WATCH',
  create: 'POST',
  post: 'POST',
  update: 'PUT',
  put: 'PUT',
  patch: 'PATCH',
  delete: 'DELETE',
  deletecollection: 'DELETECOLLECTION',
};
const readOnly: ReadonlySet<string> = new Set(['get', 'head', 'list', 'watch']);

export interface RequestMetricsOptions {
  /** Whether the names of a request are ours: a client must not be able to make as many series as it likes. */
  readonly isKnown: (info: RequestInfo) => boolean;
  /** Whether a request lasts as long as its client wants: watches, logs and streams. */
  readonly isLongRunning: (info: RequestInfo) => boolean;
}

interface Series {
  readonly labels: string;
  readonly codes: Map<number, number>;
  readonly buckets: number[];
  sumSeconds: number;
  count: number;
}

/** A request that was begun; `end` is called once, with the status that went out. */
export interface MeasuredRequest {
  end(code: number): void;
}

/** Counts and times requests. Source: the names and labels of apiserver pkg/endpoints/metrics. */
export class RequestMetrics {
  readonly #options: RequestMetricsOptions;
  readonly #series = new Map<string, Series>();
  readonly #running = { mutating: 0, readOnly: 0 };
  #longRunning = 0;

  constructor(options: RequestMetricsOptions) {
    this.#options = options;
  }

  begin(info: RequestInfo): MeasuredRequest {
    const startedMs = performance.now();
    const long = this.#options.isLongRunning(info);
    const kind = readOnly.has(info.verb) ? 'readOnly' : 'mutating';
    if (long) this.#longRunning++;
    else this.#running[kind]++;
    return {
      end: code => {
        if (long) this.#longRunning--;
        else this.#running[kind]--;
        const series = this.#seriesOf(info);
        series.codes.set(code, (series.codes.get(code) ?? 0) + 1);
        if (!long) observe(series, (performance.now() - startedMs) / 1000);
      },
    };
  }

  #seriesOf(info: RequestInfo): Series {
    const scope = info.name ? 'resource' : info.namespace ? 'namespace' : 'cluster';
    const key = `${info.verb}/${info.group}/${info.version}/${info.resource}/${info.subresource}/${scope}`;
    const known = this.#series.get(key);
    if (known) return known;
    if (!info.resourceRequest || !this.#options.isKnown(info))
      return this.#add(`other ${verbs[info.verb] ?? ''}`, info, undefined);
    return this.#add(key, info, scope);
  }

  #add(key: string, { verb, group, version, resource, subresource }: RequestInfo, scope: string | undefined): Series {
    const known = this.#series.get(key);
    if (known) return known;
    const word = verbs[verb] ?? 'other';
    const names = scope
      ? `group="${group}",resource="${resource}",scope="${scope}",subresource="${subresource}",verb="${word}",version="${version}"`
      : `group="",resource="",scope="",subresource="",verb="${word}",version=""`;
    const labels = `component="apiserver",dry_run="",${names}`;
    const series = { labels, codes: new Map<number, number>(), buckets: boundsSeconds.map(() => 0), sumSeconds: 0, count: 0 };
    this.#series.set(key, series);
    return series;
  }

  /** In Prometheus' text format. */
  text(): string {
    const { mutating, readOnly: reading } = this.#running;
    const lines = [
      '# HELP apiserver_current_inflight_requests Requests that are being answered, long-running ones left out.',
      '# TYPE apiserver_current_inflight_requests gauge',
      `apiserver_current_inflight_requests{request_kind="mutating"} ${mutating}`,
      `apiserver_current_inflight_requests{request_kind="readOnly"} ${reading}`,
      '# HELP apiserver_longrunning_requests Watches, logs and streams that are open.',
      '# TYPE apiserver_longrunning_requests gauge',
      `apiserver_longrunning_requests{component="apiserver"} ${this.#longRunning}`,
      '# HELP apiserver_request_total Requests that were answered.',
      '# TYPE apiserver_request_total counter',
    ];
    for (const { labels, codes } of this.#series.values()) {
      for (const [code, count] of codes) lines.push(`apiserver_request_total{code="${code}",${labels}} ${count}`);
    }
    const name = 'apiserver_request_duration_seconds';
    lines.push(`# HELP ${name} How long answers took.`, `# TYPE ${name} histogram`);
    for (const { labels, buckets, sumSeconds, count } of this.#series.values()) {
      if (count === 0) continue;
      let below = 0;
      boundsSeconds.forEach((bound, index) => {
        below += buckets[index]!;
        lines.push(`${name}_bucket{${labels},le="${bound}"} ${below}`);
      });
      lines.push(
        `${name}_bucket{${labels},le="+Inf"} ${count}`,
        `${name}_sum{${labels}} ${sumSeconds}`,
        `${name}_count{${labels}} ${count}`,
      );
    }
    return `${lines.join('\n')}\n`;
  }
}

function observe(series: Series, seconds: number): void {
  series.count++;
  series.sumSeconds += seconds;
  const at = boundsSeconds.findIndex(bound => seconds <= bound);
  if (at >= 0) series.buckets[at]!++;
}

/** What the process itself uses, by the names of Prometheus' own clients. */
export function processMetrics(): string {
  const { user, system } = process.cpuUsage();
  const started = Date.now() / 1000 - process.uptime();
  return `# HELP process_cpu_seconds_total Processor time used.
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total ${(user + system) / 1e6}
# HELP process_resident_memory_bytes Memory that is resident.
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes ${process.memoryUsage.rss()}
# HELP process_start_time_seconds When the process began.
# TYPE process_start_time_seconds gauge
process_start_time_seconds ${started.toFixed(3)}
`;
}
