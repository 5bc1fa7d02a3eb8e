import { dump } from 'js-yaml';
import type { RuntimeRequest } from './request.js';

/** Where a command writes; of the process, or of a test. */
export interface RuntimeOutput {
  /** A whole line. */
  print(line: string): void;
  /** Text as it is, of a container's own output. */
  write(stream: 'stdout' | 'stderr', text: string): void;
}

const formats = ['table', 'json', 'yaml'] as const;

export function formatOf(request: RuntimeRequest, otherwise: (typeof formats)[number] = 'table'): (typeof formats)[number] {
  return request.oneOf('output', formats, otherwise);
}

export function printObject(format: 'json' | 'yaml', object: unknown, output: RuntimeOutput): void {
  if (format === 'json') output.print(JSON.stringify(object, undefined, 2));
  else output.print(dump(object, { lineWidth: -1, noRefs: true }).trimEnd());
}

const shortestColumn = 20;
const columnGap = 3;

export function printTable(header: readonly string[], rows: readonly (readonly string[])[], output: RuntimeOutput): void {
  const widths = header.map((title, column) =>
    Math.max(shortestColumn, columnGap + Math.max(title.length, ...rows.map(row => row[column]!.length))),
  );
  for (const row of [header, ...rows]) {
    output.print(
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join('')
        .trimEnd(),
    );
  }
}

export const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 13);
export const idOf = (id: string, request: RuntimeRequest): string => (request.has('no-trunc') ? id : shortId(id));

/** CRI's 64-bit numbers are strings in JSON; a time is in nanoseconds. */
export const nanosText = (ms: number): string => String(BigInt(Math.round(ms)) * 1_000_000n);

/** As crictl words it, through Docker's HumanDuration. */
export function age(createdAtMs: number, nowMs: number): string {
  return `${duration(Math.max(0, nowMs - createdAtMs) / 1000)} ago`;
}

function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.round(seconds / 3600);
  if (seconds < 1) return 'Less than a second';
  if (seconds < 2) return '1 second';
  if (seconds < 60) return `${Math.floor(seconds)} seconds`;
  if (minutes === 1) return 'About a minute';
  if (minutes < 60) return `${minutes} minutes`;
  if (hours === 1) return 'About an hour';
  if (hours < 48) return `${hours} hours`;
  if (hours < 24 * 14) return `${Math.floor(hours / 24)} days`;
  if (hours < 24 * 60) return `${Math.floor(hours / 24 / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.floor(hours / 24 / 30)} months`;
  return `${Math.floor(hours / 24 / 365)} years`;
}

/** Decimal units. */
export function size(bytes: number, digits: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(digits))}${units[power]}`;
}
