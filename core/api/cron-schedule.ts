import { CodedError } from '../base/errors.js';
import { durationToMs } from '../machinery/time.js';
import { zoneClock } from './time-zone.js';
import type { WallTime, ZoneClock } from './time-zone.js';

/** When a CronJob is due. Times are whole seconds, in milliseconds since the epoch. */
export interface CronSchedule {
  /** The first time after `afterMs`; undefined when there is none in five years. */
  next(afterMs: number): number | undefined;
}

interface Bounds {
  readonly minimum: number;
  readonly maximum: number;
  readonly names?: readonly string[];
  /** The number of the first name. */
  readonly firstName?: number;
}

interface Field {
  readonly values: ReadonlySet<number>;
  /** `*` or `?`: the field does not choose days. */
  readonly any: boolean;
}

const minutes: Bounds = { minimum: 0, maximum: 59 };
const hours: Bounds = { minimum: 0, maximum: 23 };
const daysOfMonth: Bounds = { minimum: 1, maximum: 31 };
const months: Bounds = {
  minimum: 1,
  maximum: 12,
  names: ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'],
  firstName: 1,
};
const daysOfWeek: Bounds = {
  minimum: 0,
  maximum: 6,
  names: ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'],
  firstName: 0,
};

const descriptors: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const horizonYears = 5;

/**
 * Five fields, a descriptor (`@hourly`) or `@every DURATION`, with an optional `TZ=ZONE ` before it; `timeZone` counts where that
 * is absent, and the machine's zone where both are. Throws INVALID_SCHEDULE with the words of robfig/cron, which upstream uses.
 */
export function parseCronSchedule(text: string, timeZone?: string): CronSchedule {
  if (text === '') throw invalid('empty spec string');
  let zone = timeZone;
  let spec = text;
  const prefix = /^(?:CRON_)?TZ=(\S*)\s+(.*)$/s.exec(text);
  if (prefix) {
    zone = prefix[1];
    spec = prefix[2]!.trim();
  }
  const clock = zoneClock(zone);
  if (!clock) throw invalid(`provided bad location ${zone}: unknown time zone ${zone}`);
  if (spec.startsWith('@every ')) return parseEvery(spec.slice('@every '.length));
  if (spec.startsWith('@')) {
    const fields = descriptors[spec];
    if (fields === undefined) throw invalid(`unrecognized descriptor: ${spec}`);
    spec = fields;
  }
  const fields = spec.split(/\s+/).filter(field => field !== '');
  if (fields.length !== 5) throw invalid(`expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`);
  const [minute, hour, dayOfMonth, month, dayOfWeek] = [minutes, hours, daysOfMonth, months, daysOfWeek].map((bounds, index) =>
    parseField(fields[index]!, bounds),
  ) as [Field, Field, Field, Field, Field];
  return new FieldSchedule({ minute, hour, dayOfMonth, month, dayOfWeek }, clock);
}

function parseEvery(text: string): CronSchedule {
  let everyMs: number;
  try {
    everyMs = Math.max(1000, Math.floor(durationToMs(text) / 1000) * 1000);
  } catch (error) {
    throw invalid(`failed to parse duration @every ${text}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return { next: afterMs => Math.floor(afterMs / 1000) * 1000 + everyMs };
}

function parseField(text: string, bounds: Bounds): Field {
  const values = new Set<number>();
  let any = false;
  for (const expression of text.split(',').filter(part => part !== '')) {
    any = parseRange(expression, bounds, values) || any;
  }
  return { values, any };
}

/** Adds the values of `N`, `N-M`, `*` and these with `/STEP`; true for a star that leaves nothing out. */
function parseRange(expression: string, bounds: Bounds, values: Set<number>): boolean {
  const [range = '', stepText, ...moreSlashes] = expression.split('/');
  const [low = '', high, ...moreHyphens] = range.split('-');
  const star = low === '*' || low === '?';
  let start = bounds.minimum;
  let end = bounds.maximum;
  if (!star) {
    start = parseNumber(low, bounds);
    if (moreHyphens.length > 0) throw invalid(`too many hyphens: ${expression}`);
    end = high === undefined ? start : parseNumber(high, bounds);
  }
  if (moreSlashes.length > 0) throw invalid(`too many slashes: ${expression}`);
  let step = 1;
  if (stepText !== undefined) {
    step = parseNumber(stepText, {});
    if (high === undefined) end = bounds.maximum;
  }
  if (start < bounds.minimum) throw invalid(`beginning of range (${start}) below minimum (${bounds.minimum}): ${expression}`);
  if (end > bounds.maximum) throw invalid(`end of range (${end}) above maximum (${bounds.maximum}): ${expression}`);
  if (start > end) throw invalid(`beginning of range (${start}) beyond end of range (${end}): ${expression}`);
  if (step === 0) throw invalid(`step of range should be a positive number: ${expression}`);
  for (let value = start; value <= end; value += step) values.add(value);
  return star && step === 1;
}

function parseNumber(text: string, { names, firstName = 0 }: Partial<Bounds>): number {
  const named = names?.indexOf(text.toLowerCase()) ?? -1;
  if (named >= 0) return named + firstName;
  if (!/^[+-]?\d+$/.test(text)) {
    throw invalid(`failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  }
  const value = Number(text);
  if (value < 0) throw invalid(`negative number (${value}) not allowed: ${text}`);
  return value;
}

interface Fields {
  readonly minute: Field;
  readonly hour: Field;
  readonly dayOfMonth: Field;
  readonly month: Field;
  readonly dayOfWeek: Field;
}

const hourMs = 3_600_000;
const minuteMs = 60_000;

/**
 * Walks from field to field as robfig/cron does, so that days on which clocks change go as upstream: a time that the day leaves
 * out is left out, one that comes twice comes twice.
 */
class FieldSchedule implements CronSchedule {
  readonly #fields: Fields;
  readonly #clock: ZoneClock;

  constructor(fields: Fields, clock: ZoneClock) {
    this.#fields = fields;
    this.#clock = clock;
  }

  next(afterMs: number): number | undefined {
    const { month, hour, minute } = this.#fields;
    const clock = this.#clock;
    let at = Math.floor(afterMs / 1000) * 1000 + 1000;
    const lastYear = clock.wall(at).year + horizonYears;
    for (;;) {
      const wall = clock.wall(at);
      if (wall.year > lastYear) return undefined;
      if (!month.values.has(wall.month)) {
        at = clock.instant(wall.year, wall.month + 1, 1);
      } else if (!this.#dayMatches(wall)) {
        at = this.#nextMidnight(wall);
      } else if (!hour.values.has(wall.hour)) {
        at = at - (wall.minute * 60 + wall.second) * 1000 + hourMs;
      } else if (!minute.values.has(wall.minute)) {
        at = at - wall.second * 1000 + minuteMs;
      } else if (wall.second !== 0) {
        at = at - wall.second * 1000 + minuteMs;
      } else return at;
    }
  }

  #dayMatches({ day, weekday }: WallTime): boolean {
    const { dayOfMonth, dayOfWeek } = this.#fields;
    const byMonth = dayOfMonth.values.has(day);
    const byWeek = dayOfWeek.values.has(weekday);
    return dayOfMonth.any || dayOfWeek.any ? byMonth && byWeek : byMonth || byWeek;
  }

  /** Some zones leave midnight out when clocks change: then the day begins an hour later. */
  #nextMidnight({ year, month, day }: WallTime): number {
    const at = this.#clock.instant(year, month, day + 1);
    const { hour } = this.#clock.wall(at);
    if (hour === 0) return at;
    return hour > 12 ? at + (24 - hour) * hourMs : at - hour * hourMs;
  }
}

function invalid(message: string): CodedError {
  return new CodedError('INVALID_SCHEDULE', message);
}
