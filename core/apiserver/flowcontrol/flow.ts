import { createHash } from 'node:crypto';
import type { FlowSchema } from '../../api/generated/types.js';
import { RecentCache } from '../auth/recent-cache.js';
import type { FlowSeries } from './flow-metrics.js';
import type { PriorityLevel } from './priority-level.js';
import { dealHand } from './shuffle-sharding.js';

/** Flows by namespace that a schema keeps: another namespace than the most recent ones pays a hash. */
const keptFlows = 1024;

/** Requests that one queue set takes for one: of one schema and of one user or namespace, if the schema tells these apart. */
export class Flow {
  readonly schema: ClassifyingSchema;
  readonly distinguisher: string;
  /** That its requests have now. */
  seats = 0;
  #hash: bigint | undefined;
  #hand: readonly number[] = [];
  #queues = 0;
  #handSize = 0;

  constructor(schema: ClassifyingSchema, distinguisher: string) {
    this.schema = schema;
    this.distinguisher = distinguisher;
  }

  /** The queues that its requests may stand in; dealt once. */
  hand(queues: number, handSize: number): readonly number[] {
    if (this.#queues !== queues || this.#handSize !== handSize) {
      this.#hash ??= createHash('sha256').update(`${this.schema.name}\0${this.distinguisher}`).digest().readBigUInt64LE();
      this.#hand = dealHand(this.#hash, queues, handSize);
      this.#queues = queues;
      this.#handSize = handSize;
    }
    return this.#hand;
  }
}

/** A FlowSchema that is in use: its level exists. */
export class ClassifyingSchema {
  readonly name: string;
  readonly uid: string;
  readonly spec: FlowSchema['spec'];
  readonly level: PriorityLevel;
  readonly series: FlowSeries;
  /** Of all requests, where none are told apart. */
  readonly only: Flow;
  readonly #byNamespace = new RecentCache<Flow>(keptFlows);

  constructor({ metadata, spec }: FlowSchema, level: PriorityLevel, series: FlowSeries) {
    this.name = metadata.name!;
    this.uid = metadata.uid ?? '';
    this.spec = spec;
    this.level = level;
    this.series = series;
    this.only = new Flow(this, '');
  }

  ofNamespace(namespace: string): Flow {
    let flow = this.#byNamespace.get(namespace);
    if (!flow) {
      flow = new Flow(this, namespace);
      this.#byNamespace.set(namespace, flow);
    }
    return flow;
  }
}
