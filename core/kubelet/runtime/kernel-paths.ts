import { existsSync, readFileSync } from 'node:fs';

/** What tells or changes the whole machine. Source: pkg/securitycontext/util.go. */
export const readonlyPaths: readonly string[] = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

const alwaysMasked: readonly string[] = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];

let known: readonly string[] | undefined;

/** Processors do not come and go: looked up once. */
export function maskedPaths(): readonly string[] {
  known ??= [...alwaysMasked, ...thermalPaths()];
  return known;
}

/** From how they are throttled, secrets can be guessed. */
function thermalPaths(): string[] {
  let possible: string;
  try {
    possible = readFileSync('/sys/devices/system/cpu/possible', 'utf8');
  } catch {
    // Not on this system.
    return [];
  }
  return processors(possible)
    .map(cpu => `/sys/devices/system/cpu/cpu${cpu}/thermal_throttle`)
    .filter(path => existsSync(path));
}

/** `0-3,8` as the kernel writes lists. */
export function processors(list: string): number[] {
  return list
    .trim()
    .split(',')
    .filter(part => part !== '')
    .flatMap(part => {
      const [first = NaN, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, at) => first + at);
    });
}
