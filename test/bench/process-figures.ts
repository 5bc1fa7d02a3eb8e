import { readdirSync, readFileSync } from 'node:fs';

/** Resident memory of a process, in MB. */
export function residentMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;
}

/** Processor time used so far, in milliseconds. */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** Bytes sent to disks so far. */
export function writtenBytes(pid: number): number {
  return Number(/^write_bytes: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))![1]);
}

/** Processes whose command line has this text in it. */
export function processesWith(text: string): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .map(Number)
    .filter(pid => commandLine(pid).includes(text));
}

function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    // It has ended meanwhile.
    return '';
  }
}

/** What a process costs while nothing happens: share of a core in percent, and how often a second something went to a disk. */
export async function idleCost(pid: number, seconds: number): Promise<{ cpuPercent: number; diskWritesPerSecond: number }> {
  const cpuBefore = cpuMs(pid);
  let bytes = writtenBytes(pid);
  let writes = 0;
  const lookMs = 50;
  for (let at = 0; at < (seconds * 1000) / lookMs; at++) {
    await new Promise(resolve => setTimeout(resolve, lookMs));
    const now = writtenBytes(pid);
    if (now !== bytes) writes++;
    bytes = now;
  }
  return { cpuPercent: (cpuMs(pid) - cpuBefore) / (seconds * 10), diskWritesPerSecond: writes / seconds };
}
