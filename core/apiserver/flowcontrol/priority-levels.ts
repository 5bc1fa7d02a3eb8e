import type { Clock } from '../../base/clock.js';
import type { Disposable } from '../../base/disposable.js';
import { errorText } from '../../base/errors.js';
import type { Logger } from '../../base/logger.js';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/generated/types.js';
import { byPrecedence, catchAllName, exemptName, mandatoryFlowSchemas, mandatoryPriorityLevels } from './default-flow-control.js';
import { ClassifyingSchema } from './flow.js';
import type { FlowMetrics } from './flow-metrics.js';
import { FlowSchemaMatcher } from './flow-schema-matcher.js';
import { PriorityLevel } from './priority-level.js';
import type { SeatClaim } from './seat-allocation.js';
import { allocateSeats } from './seat-allocation.js';

/** How often levels lend each other seats anew while there is any demand. */
const adjustEveryMs = 10_000;
const negligibleDemand = 0.001;

export interface PriorityLevelsOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: FlowMetrics;
  /** Seats of the server. */
  readonly seats: number;
}

/** Whether a level can be used. What was stored was validated, so that only one of another version cannot. */
export function isUsable({ metadata, spec: { type, limited, exempt } }: PriorityLevelConfiguration): boolean {
  if ((type === 'Limited') !== (limited !== undefined) || (type === 'Exempt') !== (exempt !== undefined)) return false;
  if ((type === 'Exempt') !== (metadata.name === exemptName)) return false;
  return !limited || (limited.limitResponse.type === 'Reject') === (limited.limitResponse.queuing === undefined);
}

/**
 * The levels and schemas that are in use, made of the objects of the API, and the seats of each level: its share, less what it lends
 * and more what it borrows. Source: KEP-1040, apiserver pkg/util/flowcontrol/apf_controller.go.
 */
export class PriorityLevels implements Disposable {
  readonly #options: PriorityLevelsOptions;
  #levels: ReadonlyMap<string, PriorityLevel> = new Map();
  #nominal = 0;
  #schemas: readonly FlowSchema[] = [];
  #configurations: readonly PriorityLevelConfiguration[] = [];
  #timer: Disposable | undefined;
  #disposed = false;
  matcher!: FlowSchemaMatcher;

  /** With the levels that no server is without. */
  constructor(options: PriorityLevelsOptions) {
    this.#options = options;
    options.metrics.levels = () => this.all();
    this.digest([], []);
  }

  /** By name. */
  all(): PriorityLevel[] {
    return [...this.#levels.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  dispose(): void {
    this.#disposed = true;
    void this.#timer?.dispose();
  }

  /** Uses these from now on. Schemas without a level are left out; a level that is not among them lives on until it is idle. */
  digest(configurations: readonly PriorityLevelConfiguration[], schemas: readonly FlowSchema[]): void {
    const { clock, metrics } = this.#options;
    this.#configurations = configurations;
    this.#schemas = schemas;
    const levels = new Map<string, PriorityLevel>();
    for (const configuration of configurations.filter(isUsable)) {
      const name = configuration.metadata.name!;
      const level = this.#levels.get(name) ?? new PriorityLevel(configuration, clock);
      level.configuration = configuration;
      level.isQuiescing = false;
      levels.set(name, level);
    }
    const used = schemas.filter(({ spec }) => levels.has(spec.priorityLevelConfiguration.name)).sort(byPrecedence);
    if (!used.some(({ metadata }) => metadata.name === exemptName)) used.unshift(mandatoryFlowSchemas().get(exemptName)!);
    if (!used.some(({ metadata }) => metadata.name === catchAllName)) used.push(mandatoryFlowSchemas().get(catchAllName)!);
    this.#keepOld(levels);
    for (const [name, configuration] of mandatoryPriorityLevels())
      if (!levels.has(name)) levels.set(name, new PriorityLevel(configuration, clock));
    this.#levels = levels;
    this.#divide();
    const compiled = used.map(schema => {
      const level = levels.get(schema.spec.priorityLevelConfiguration.name)!;
      return new ClassifyingSchema(schema, level, metrics.flow(level.name, schema.metadata.name!));
    });
    this.matcher = new FlowSchemaMatcher(
      compiled,
      compiled.find(({ name }) => name === catchAllName)!,
    );
  }

  /** Old levels that are needed, or have requests, beside the new ones. */
  #keepOld(levels: Map<string, PriorityLevel>): void {
    for (const [name, level] of this.#levels) {
      if (levels.has(name)) continue;
      const isNeeded = name === exemptName || name === catchAllName;
      if (!isNeeded && level.queues.isIdle) continue;
      level.isQuiescing = !isNeeded;
      levels.set(name, level);
    }
  }

  #divide(): void {
    const { metrics, seats } = this.#options;
    let shares = 0;
    for (const level of this.#levels.values()) shares += level.shares;
    this.#nominal = 0;
    let mayWait = 0;
    for (const level of this.#levels.values()) {
      level.divide(seats, shares);
      this.#nominal += level.nominal;
      const queuing = level.configuration.spec.limited?.limitResponse.queuing;
      if (queuing) mayWait += queuing.queues * queuing.queueLengthLimit;
    }
    metrics.setLimits(this.#nominal, mayWait);
    this.#adjust();
  }

  /** A request has come: seats are lent anew from time to time until there is no demand any more. */
  noteDemand(): void {
    if (this.#timer || this.#disposed) return;
    this.#timer = this.#options.clock.setTimer(adjustEveryMs, () => {
      this.#timer = undefined;
      this.#adjust();
      const levels = [...this.#levels.values()];
      if (levels.some(level => level.demanded.highest > 0 || level.smoothedDemand > negligibleDemand)) this.noteDemand();
    });
  }

  /** A level has nobody left. */
  noteIdle(level: PriorityLevel): void {
    if (level.isQuiescing) this.digest(this.#configurations, this.#schemas);
  }

  /** Source: updateBorrowingLocked. */
  #adjust(): void {
    const { clock, metrics, seats } = this.#options;
    const nowMs = clock.monotonicMs();
    let left = this.#nominal;
    let lowerSum = 0;
    let neededSum = 0;
    const limited: PriorityLevel[] = [];
    const claims: SeatClaim[] = [];
    for (const level of this.#levels.values()) {
      level.measure(nowMs);
      const { lower, upper, nominal, demanded, smoothedDemand } = level;
      if (level.isExempt) {
        const needed = Math.max(lower, demanded.highest);
        left -= needed;
        level.target = needed;
        level.configure(needed, seats, nowMs);
        continue;
      }
      const needed = Math.max(lower, Math.min(nominal, demanded.highest));
      lowerSum += lower;
      neededSum += needed;
      level.target = Math.max(needed, smoothedDemand);
      limited.push(level);
      claims.push({ lower: needed, upper, target: level.target });
    }
    const limits = this.#limits(limited, claims, { left, lowerSum, neededSum });
    metrics.fairFraction = limits.fairFraction;
    for (const [at, level] of limited.entries()) level.configure(limits.seats[at]!, seats, nowMs);
  }

  #limits(
    levels: readonly PriorityLevel[],
    claims: readonly SeatClaim[],
    { left, lowerSum, neededSum }: { left: number; lowerSum: number; neededSum: number },
  ): { readonly seats: readonly number[]; readonly fairFraction: number } {
    if (left <= lowerSum) return { seats: levels.map(({ lower }) => lower), fairFraction: 0 };
    if (left <= neededSum) {
      const part = (left - lowerSum) / (neededSum - lowerSum);
      const seats = levels.map(({ lower }, at) => lower + Math.round((claims[at]!.lower - lower) * part));
      return { seats, fairFraction: 0 };
    }
    try {
      const { seats, fairFraction } = allocateSeats(this.#nominal, claims);
      return { seats: seats.map(Math.round), fairFraction };
    } catch (error) {
      // A level that may borrow little can leave seats that nobody may have.
      this.#options.logger.debug('seats of priority levels stay as they are', { error: errorText(error) });
      return { seats: levels.map(level => level.queues.limit || level.nominal), fairFraction: 0 };
    }
  }
}
