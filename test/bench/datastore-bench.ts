import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchResult } from './bench-result.js';
import { SystemClock } from '../../core/base/clock.js';
import { silentLogger } from '../../core/base/logger.js';
import type { Datastore } from '../../core/contracts/datastore.js';
import { MemoryDatastore } from '../../plugins/datastore/memory/memory-datastore.js';
import { SqliteDatastore } from '../../plugins/datastore/sqlite/sqlite-datastore.js';
import { startEtcd } from './etcd-baseline.js';

const outstanding = 64;
const valueBytes = 1024;
const warmUpWrites = 5_000;
const measuredWrites = 60_000;
const etcdWrites = 20_000;
const watchers = 100;

/** Durable 1 KB creates through the contract with 64 outstanding, and what the disk itself needs for a sync. */
export async function run(): Promise<BenchResult[]> {
  const directory = await mkdtemp(join(tmpdir(), 'datastore-bench-'));
  try {
    const results = syncTimes(join(directory, 'sync'));
    const sqlite = new SqliteDatastore({ directory, logger: silentLogger, clock: new SystemClock() });
    results.push(...(await measure('sqlite', sqlite)));
    results.push(...(await compareWithEtcd(directory, results)));
    results.push(...(await measure('memory', new MemoryDatastore({ logger: silentLogger, clock: new SystemClock() }))));
    return results;
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** The same writes into an etcd on the same disk, in the same run; nothing where this machine has no etcd. */
async function compareWithEtcd(directory: string, results: readonly BenchResult[]): Promise<BenchResult[]> {
  const etcd = await startEtcd(directory);
  if (!etcd) return [];
  try {
    let next = 0;
    const key = (): string => `/registry/resource1/${next++}`;
    await puts(etcd.put, warmUpWrites, key);
    const startMs = performance.now();
    const times = await puts(etcd.put, etcdWrites, key);
    const perSecond = etcdWrites / ((performance.now() - startMs) / 1000);
    const ours = results.find(each => each.name === createsName('sqlite'))!.value;
    return [
      { name: 'etcd: puts of 1 KB, 64 outstanding', value: perSecond, unit: '1/s' },
      { name: 'etcd: put p50, 64 outstanding', value: quantile(times, 0.5), unit: 'ms' },
      { name: 'etcd: put p99, 64 outstanding', value: quantile(times, 0.99), unit: 'ms' },
      { name: 'sqlite: creates for each put of etcd', value: ours / perSecond, unit: 'x', budget: 3 },
    ];
  } finally {
    await etcd.stop();
  }
}

function createsName(store: string): string {
  return `${store}: creates of 1 KB, 64 outstanding`;
}

/** fdatasync of 4 KB appends to a file on the same disk. */
function syncTimes(file: string): BenchResult[] {
  const descriptor = openSync(file, 'w');
  const block = Buffer.alloc(4096, 1);
  const times: number[] = [];
  for (let index = 0; index < 300; index++) {
    writeSync(descriptor, block);
    const startMs = performance.now();
    fdatasyncSync(descriptor);
    times.push(performance.now() - startMs);
  }
  closeSync(descriptor);
  return [{ name: 'disk: fdatasync p50', value: quantile(times, 0.5) * 1000, unit: 'us' }];
}

async function measure(name: string, store: Datastore): Promise<BenchResult[]> {
  await store.open();
  const subscriptions = Array.from({ length: watchers }, (_, index) =>
    store.watch(`/registry/resource${index}/`, 1, { batch: () => undefined, end: () => undefined }),
  );
  let next = 0;
  const put = (key: string, value: Buffer): Promise<number> => store.create(key, value);
  await puts(put, warmUpWrites, () => `/registry/resource1/${next++}`);
  const before = process.cpuUsage();
  const threadBefore = process.threadCpuUsage();
  const startMs = performance.now();
  const times = await puts(put, measuredWrites, () => `/registry/resource1/${next++}`);
  const seconds = (performance.now() - startMs) / 1000;
  const thread = process.threadCpuUsage(threadBefore);
  const all = process.cpuUsage(before);
  const single: number[] = [];
  for (let index = 0; index < 500; index++) single.push(...(await puts(put, 1, () => `/registry/resource1/${next++}`)));
  const listStartMs = performance.now();
  const page = await store.list('/registry/resource1/');
  const listMs = performance.now() - listStartMs;
  for (const subscription of subscriptions) void subscription.dispose();
  await store.close();
  return [
    { name: createsName(name), value: measuredWrites / seconds, unit: '1/s' },
    { name: `${name}: create p50, 64 outstanding`, value: quantile(times, 0.5), unit: 'ms' },
    { name: `${name}: create p99, 64 outstanding`, value: quantile(times, 0.99), unit: 'ms' },
    { name: `${name}: create p50, alone`, value: quantile(single, 0.5), unit: 'ms' },
    { name: `${name}: main thread's time for a create`, value: (thread.user + thread.system) / measuredWrites, unit: 'us' },
    { name: `${name}: processor time for a create`, value: (all.user + all.system) / measuredWrites, unit: 'us' },
    { name: `${name}: list of ${page.items.length} keys`, value: listMs, unit: 'ms' },
  ];
}

async function puts(put: (key: string, value: Buffer) => Promise<unknown>, count: number, key: () => string): Promise<number[]> {
  const value = Buffer.alloc(valueBytes, 'x');
  const times: number[] = [];
  let left = count;
  const writer = async (): Promise<void> => {
    while (left-- > 0) {
      const startMs = performance.now();
      await put(key(), value);
      times.push(performance.now() - startMs);
    }
  };
  await Promise.all(Array.from({ length: Math.min(outstanding, count) }, writer));
  return times;
}

function quantile(times: number[], fraction: number): number {
  const sorted = times.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))] ?? 0;
}
