import type Router from '@koa/router';
import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import type { Logger } from '../../base/logger.js';
import { FlowSchemas, PriorityLevelConfigurations } from '../../api/generated/resources.js';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/generated/types.js';
import type { ExposedMetrics } from '../../contracts/exposed-metrics.js';
import type { KubeObject } from '../../machinery/object.js';
import { semanticEqual } from '../../machinery/object.js';
import { feedFrom } from '../cache-feed.js';
import type { ApiServer } from '../api-server.js';
import { FlowControlDumps } from './flow-control-dumps.js';
import { FlowMetrics } from './flow-metrics.js';
import { InFlightLimits } from './in-flight-limits.js';
import { PriorityAndFairness } from './priority-and-fairness.js';
import { PriorityLevels } from './priority-levels.js';
import type { RequestLimiter } from './request-limiter.js';
import { Turns } from './turns.js';
import { WatchCounts } from './watch-counts.js';
import type { StoredAmount } from './work-estimator.js';
import { WorkEstimator } from './work-estimator.js';

/** How many requests are served at a time. */
export interface RequestLimits {
  /** Requests that read. */
  readonly readOnly: number;
  readonly mutating: number;
  /** By priority levels, which share the sum of both; otherwise each by itself, 0 being no limit. */
  readonly isFair: boolean;
}

/** Upstream's. */
export const defaultRequestLimits: RequestLimits = { readOnly: 400, mutating: 200, isFair: true };

export interface FlowControlOptions {
  readonly limits: RequestLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly stored: (resource: { group: string; version: string; resource: string }) => StoredAmount | undefined;
}

const debugPath = '/debug/api_priority_and_fairness';

/** What limits the requests of one server: by priority and fairness, or plainly. */
export class FlowControl implements ExposedMetrics {
  readonly limiter: RequestLimiter;
  readonly #fair:
    | { readonly levels: PriorityLevels; readonly metrics: FlowMetrics; readonly dumps: FlowControlDumps }
    | undefined;

  constructor({ limits, clock, logger, stored }: FlowControlOptions) {
    if (!limits.isFair) {
      this.limiter = new InFlightLimits(limits);
      return;
    }
    const metrics = new FlowMetrics(clock);
    const levels = new PriorityLevels({ clock, logger, metrics, seats: limits.readOnly + limits.mutating });
    this.#fair = { levels, metrics, dumps: new FlowControlDumps(() => levels.all(), clock) };
    const watches = new WatchCounts();
    const estimator = new WorkEstimator({ stored, watches });
    this.limiter = new PriorityAndFairness({ clock, levels, estimator, metrics, turns: new Turns(), watches });
  }

  get isFair(): boolean {
    return this.#fair !== undefined;
  }

  text(): string {
    return this.#fair?.metrics.text() ?? '';
  }

  /** Goes by the objects of the API from now on. Before the server starts. */
  follow(server: ApiServer): Disposable {
    const levels = new Map<string, PriorityLevelConfiguration>();
    const schemas = new Map<string, FlowSchema>();
    let isStale = false;
    // Many objects come in one turn, and are taken together.
    const digest = (): void => {
      if (isStale) return;
      isStale = true;
      queueMicrotask(() => {
        isStale = false;
        this.#fair?.levels.digest([...levels.values()], [...schemas.values()]);
      });
    };
    const feeds = [
      feedFrom(server, PriorityLevelConfigurations, keeping(levels, digest)),
      feedFrom(server, FlowSchemas, keeping(schemas, digest)),
    ];
    return {
      dispose: async () => {
        for (const feed of feeds) await feed.dispose();
        this.#fair?.levels.dispose();
      },
    };
  }

  /** Tables of what is going on. */
  addRoutes(router: Router): void {
    if (!this.#fair) return;
    const { dumps } = this.#fair;
    const serve = (name: string, text: (query: Readonly<Record<string, unknown>>) => string): void => {
      router.all(`${debugPath}/${name}`, context => {
        context.set('Content-Type', 'text/plain; charset=utf-8');
        context.body = text(context.query);
      });
    };
    serve('dump_priority_levels', () => dumps.priorityLevels());
    serve('dump_queues', () => dumps.queues());
    serve('dump_requests', ({ includeRequestDetails }) => dumps.requests(Boolean(includeRequestDetails)));
  }
}

/** A feed that tells of each object whose spec is another one than before. */
function keeping<T extends FlowSchema | PriorityLevelConfiguration>(
  objects: Map<string, T>,
  changed: () => void,
): { upsert(object: KubeObject): void; delete(namespace: string, name: string): void } {
  return {
    upsert(object) {
      const given = object as unknown as T;
      const name = given.metadata.name!;
      const old = objects.get(name);
      objects.set(name, given);
      if (old?.metadata.uid !== given.metadata.uid || !semanticEqual(old?.spec, given.spec)) changed();
    },
    delete(_namespace, name) {
      objects.delete(name);
      changed();
    },
  };
}
