import { readFile, statfs } from 'node:fs/promises';
import { arch, cpus, networkInterfaces, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';

/** What a machine is, as its Node says it. */
export interface HostFacts {
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  readonly operatingSystem: string;
  /** Go's name: `amd64`, `arm64`. */
  readonly architecture: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  /** Of the filesystem that holds `directory`. */
  readonly storageBytes: number;
  readonly swapBytes: number;
}

const goArchitectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' };

/** Facts that the machine does not tell are empty. */
export async function readHostFacts(directory: string): Promise<HostFacts> {
  const [machineId, systemUuid, bootId, osRelease, memory] = await Promise.all(
    [
      '/etc/machine-id',
      '/sys/class/dmi/id/product_uuid',
      '/proc/sys/kernel/random/boot_id',
      '/etc/os-release',
      '/proc/meminfo',
    ].map(readText),
  );
  return {
    machineId: machineId!.trim(),
    systemUuid: systemUuid!.trim() || machineId!.trim(),
    bootId: bootId!.trim(),
    kernelVersion: release(),
    osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(osRelease!)?.[1] ?? platform(),
    operatingSystem: platform(),
    architecture: goArchitectures[arch()] ?? arch(),
    cpus: cpus().length,
    memoryBytes: totalmem(),
    storageBytes: await storageBytes(directory),
    swapBytes: Number(/^SwapTotal:\s+(\d+)/m.exec(memory!)?.[1] ?? 0) * 1024,
  };
}

/** How many processes and threads the machine can have. Source: pkg/kubelet/stats/pidlimit. */
export async function maximumThreads(directory = '/proc/sys/kernel'): Promise<number> {
  const limits = await Promise.all(['pid_max', 'threads-max'].map(name => readFile(join(directory, name), 'utf8')));
  return Math.min(...limits.map(Number));
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch {
    // Not on this system, or only for root.
    return '';
  }
}

async function storageBytes(directory: string): Promise<number> {
  for (const path of [directory, '/']) {
    try {
      const { blocks, bsize } = await statfs(path);
      return blocks * bsize;
    } catch {
      // The directory is not there yet.
    }
  }
  return 0;
}

/** The address that packets to the world leave from: of the interface with the default route, else of the first one. IPv4 where there is any. */
export async function defaultAddress(families: readonly ('IPv4' | 'IPv6')[] = ['IPv4', 'IPv6']): Promise<string | undefined> {
  const routes = (await readText('/proc/net/route')).split('\n').slice(1);
  const defaultInterface = routes.map(line => line.split('\t')).find(fields => fields[1] === '00000000')?.[0];
  const interfaces = networkInterfaces();
  const ordered = [...(defaultInterface ? [defaultInterface] : []), ...Object.keys(interfaces)];
  for (const family of families) {
    for (const name of ordered) {
      const found = interfaces[name]?.find(own => own.family === family && !own.internal && !own.address.startsWith('fe80:'));
      if (found) return found.address;
    }
  }
  return undefined;
}
