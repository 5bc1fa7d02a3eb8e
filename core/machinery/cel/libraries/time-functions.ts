import { durationType, intType, stringType, timestampType } from '../cel-type.js';
import type { FunctionDeclaration } from '../declarations.js';
import { declare, memberOverload } from '../declarations.js';
import type { CivilTime } from '../timestamps.js';
import { civil, zoneOffset } from '../timestamps.js';
import type { CelValue, Duration, Timestamp } from '../values.js';
import { CelError } from '../values.js';

/** Parts of a timestamp, in UTC or a given zone, and whole units of a duration. */

type Part = (time: CivilTime) => number;

function timestampPart(name: string, id: string, part: Part, zonedId = `${id}_with_tz`): FunctionDeclaration {
  return declare(
    name,
    memberOverload(id, [timestampType], intType, (timestamp: Timestamp): CelValue => BigInt(part(civil(timestamp, 0)))),
    memberOverload(zonedId, [timestampType, stringType], intType, (timestamp: Timestamp, zone: string): CelValue => {
      const offset = zoneOffset(timestamp, zone);
      return offset instanceof CelError ? offset : BigInt(part(civil(timestamp, offset)));
    }),
  );
}

function alsoOfDuration(declaration: FunctionDeclaration, id: string, nanosPerUnit: bigint): FunctionDeclaration {
  const whole = memberOverload(id, [durationType], intType, (duration: Duration): CelValue => duration.nanos / nanosPerUnit);
  return { ...declaration, overloads: [...declaration.overloads, whole] };
}

export const timeFunctions: readonly FunctionDeclaration[] = [
  timestampPart('getFullYear', 'timestamp_to_year', time => time.year),
  timestampPart('getMonth', 'timestamp_to_month', time => time.month - 1),
  timestampPart('getDayOfYear', 'timestamp_to_day_of_year', time => time.dayOfYear),
  timestampPart('getDayOfMonth', 'timestamp_to_day_of_month', time => time.day - 1),
  timestampPart('getDate', 'timestamp_to_day_of_month_1_based', time => time.day),
  timestampPart('getDayOfWeek', 'timestamp_to_day_of_week', time => time.weekday),
  alsoOfDuration(
    timestampPart('getHours', 'timestamp_to_hours', time => time.hour),
    'duration_to_hours',
    3_600_000_000_000n,
  ),
  alsoOfDuration(
    timestampPart('getMinutes', 'timestamp_to_minutes', time => time.minute),
    'duration_to_minutes',
    60_000_000_000n,
  ),
  alsoOfDuration(
    timestampPart('getSeconds', 'timestamp_to_seconds', time => time.second, 'timestamp_to_seconds_tz'),
    'duration_to_seconds',
    1_000_000_000n,
  ),
  alsoOfDuration(
    timestampPart('getMilliseconds', 'timestamp_to_milliseconds', time => time.millisecond),
    'duration_to_milliseconds',
    1_000_000n,
  ),
];
