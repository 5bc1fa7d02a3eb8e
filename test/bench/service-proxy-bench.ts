import { performance } from 'node:perf_hooks';
import { NftCommand } from '../../core/host/nftables.js';
import { mayUseNamespaces, NetworkNamespace } from '../../core/host/testing/network-namespace.js';
import { ServiceRules } from '../../plugins/service-proxy/nftables/service-rules.js';
import { service, slice, testSettings } from '../../plugins/service-proxy/nftables/testing/objects.js';
import type { BenchResult } from './bench-result.js';

const count = 10_000;

/** 10,000 Services of three endpoints: planning all, planning one change, and both in a kernel where that is allowed. */
export async function run(): Promise<BenchResult[]> {
  const rules = new ServiceRules(testSettings);
  const states = Array.from({ length: count }, (_, index) => stateOf(index, 3));
  const start = performance.now();
  rules.change(states);
  const script = rules.wholeTable();
  const wholeMs = performance.now() - start;
  const changes: string[] = [];
  const changeStart = performance.now();
  for (let index = 0; index < 100; index++) changes.push(rules.change([stateOf(index, 2)]).script);
  const changeMs = (performance.now() - changeStart) / changes.length;
  const results: BenchResult[] = [
    { name: `service proxy: plan ${count} Services`, value: wholeMs, unit: 'ms' },
    { name: `service proxy: plan one change among ${count} Services`, value: changeMs, unit: 'ms' },
    { name: 'service proxy: script of all', value: script.length / 2 ** 20, unit: 'MiB' },
  ];
  if (mayUseNamespaces()) results.push(...(await inKernel(script, changes)));
  return results;
}

async function inKernel(script: string, changes: readonly string[]): Promise<BenchResult[]> {
  const namespace = await NetworkNamespace.create('bench');
  try {
    const nftables = new NftCommand(namespace.commands);
    const start = performance.now();
    await nftables.apply(script);
    const wholeMs = performance.now() - start;
    const changesStart = performance.now();
    for (const change of changes.slice(0, 10)) await nftables.apply(change);
    const changeMs = (performance.now() - changesStart) / 10;
    return [
      { name: `service proxy: ${count} Services into the kernel`, value: wholeMs, unit: 'ms' },
      { name: `service proxy: one change among ${count} into the kernel`, value: changeMs, unit: 'ms' },
    ];
  } finally {
    await namespace.dispose();
  }
}

function stateOf(index: number, endpoints: number) {
  const name = `service-${index}`;
  const clusterIP = `10.43.${index >> 8}.${index & 255}`;
  const addresses = Array.from({ length: endpoints }, (_, i) => `10.42.${(index >> 6) & 255}.${((index * 3 + i) & 127) + 2}`);
  return { key: `default/${name}`, service: service(name, { clusterIP }), slices: [slice(name, addresses)] };
}
