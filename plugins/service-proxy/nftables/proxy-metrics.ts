import type { Clock } from '../../../core/plugin-api/index.js';
import type { IpFamily } from './service-port.js';

const bucketSeconds = Array.from({ length: 15 }, (_, power) => 0.001 * 2 ** power);

class Histogram {
  readonly #counts = bucketSeconds.map(() => 0);
  #sum = 0;
  #count = 0;

  observe(seconds: number): void {
    this.#sum += seconds;
    this.#count++;
    bucketSeconds.forEach((limit, index) => {
      if (seconds <= limit) this.#counts[index]!++;
    });
  }

  lines(name: string, labels: string): string[] {
    return [
      ...bucketSeconds.map((limit, index) => `${name}_bucket{${labels},le="${limit}"} ${this.#counts[index]}`),
      `${name}_bucket{${labels},le="+Inf"} ${this.#count}`,
      `${name}_sum{${labels}} ${this.#sum}`,
      `${name}_count{${labels}} ${this.#count}`,
    ];
  }
}

/** What dashboards for kube-proxy ask for. Source: pkg/proxy/metrics of Kubernetes. One table serves both families: both say the same. */
export class ProxyMetrics {
  readonly #clock: Clock;
  readonly #families: readonly IpFamily[];
  readonly #durations = { all: new Histogram(), full: new Histogram(), partial: new Histogram() };
  readonly #codes = { healthz: new Map<number, number>(), livez: new Map<number, number>() };
  #serviceChanges = 0;
  #endpointChanges = 0;
  #pendingServices = 0;
  #pendingEndpoints = 0;
  #failures = 0;
  #queuedSeconds = 0;
  #syncedSeconds = 0;

  constructor(clock: Clock, families: readonly IpFamily[]) {
    this.#clock = clock;
    this.#families = families;
  }

  changed(what: 'service' | 'endpoints'): void {
    this.#queuedSeconds = this.#clock.now() / 1000;
    if (what === 'service') {
      this.#serviceChanges++;
      this.#pendingServices++;
    } else {
      this.#endpointChanges++;
      this.#pendingEndpoints++;
    }
  }

  /** What is pending from here on came after the beginning of a synchronization. */
  taken(): void {
    this.#pendingServices = 0;
    this.#pendingEndpoints = 0;
  }

  synced(durationMs: number, isFull: boolean): void {
    const seconds = durationMs / 1000;
    this.#durations.all.observe(seconds);
    this.#durations[isFull ? 'full' : 'partial'].observe(seconds);
    this.#syncedSeconds = this.#clock.now() / 1000;
  }

  failed(): void {
    this.#failures++;
  }

  asked(path: 'healthz' | 'livez', code: number): void {
    const codes = this.#codes[path];
    codes.set(code, (codes.get(code) ?? 0) + 1);
  }

  text(): string {
    const lines: string[] = [];
    const each = (name: string, type: string, give: (labels: string) => string[]): void => {
      lines.push(`# TYPE ${name} ${type}`);
      for (const family of this.#families) lines.push(...give(`ip_family="IPv${family}"`));
    };
    const plain = (name: string, type: string, value: number): void => {
      lines.push(`# TYPE ${name} ${type}`, `${name} ${value}`);
    };
    for (const [infix, histogram] of [
      ['', this.#durations.all],
      ['full_', this.#durations.full],
      ['partial_', this.#durations.partial],
    ] as const) {
      const name = `kubeproxy_sync_${infix}proxy_rules_duration_seconds`;
      each(name, 'histogram', labels => histogram.lines(name, labels));
    }
    const rules = 'kubeproxy_sync_proxy_rules_';
    for (const [name, type, value] of [
      ['last_timestamp_seconds', 'gauge', this.#syncedSeconds],
      ['last_queued_timestamp_seconds', 'gauge', this.#queuedSeconds],
      ['nftables_sync_failures_total', 'counter', this.#failures],
    ] as const) {
      each(rules + name, type, labels => [`${rules}${name}{${labels}} ${value}`]);
    }
    plain(`${rules}endpoint_changes_pending`, 'gauge', this.#pendingEndpoints);
    plain(`${rules}endpoint_changes_total`, 'counter', this.#endpointChanges);
    plain(`${rules}service_changes_pending`, 'gauge', this.#pendingServices);
    plain(`${rules}service_changes_total`, 'counter', this.#serviceChanges);
    for (const path of ['healthz', 'livez'] as const) {
      lines.push(`# TYPE kubeproxy_proxy_${path}_total counter`);
      for (const [code, count] of this.#codes[path]) lines.push(`kubeproxy_proxy_${path}_total{code="${code}"} ${count}`);
    }
    plain('process_resident_memory_bytes', 'gauge', process.memoryUsage.rss());
    return `${lines.join('\n')}\n`;
  }
}
