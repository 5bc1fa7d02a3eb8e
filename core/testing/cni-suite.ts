import assert from 'node:assert/strict';
import { isAbsolute } from 'node:path';
import { BlockList } from 'node:net';
import { errorCode, errorText } from '../plugin-api/index.js';
import type { Cni } from '../plugin-api/index.js';
import { askFromNode, callPlugin, findPlugin, PodNamespace, readConfiguration, runTool } from './cni-pods.js';
import type { CniConfiguration, CniResult } from './cni-pods.js';
import type { TestRunner } from './test-runner.js';

/** A pod network under test, started on a node that has its range. Each case gets one of its own. */
export interface CniUnderTest {
  readonly cni: Cni;
  /** The node's, as its Node says. */
  readonly podCidrs: readonly string[];
  /** Pods are really wired, in the network namespace of this process (`hasOwnNetwork`). False: the folders alone are looked at. */
  readonly wiresPods: boolean;
  /** An orderly stop of k3s and a next start. */
  restart(): Promise<Cni>;
  /** How long a case waits for what must come; 15 s when absent. */
  readonly patienceMs?: number;
  dispose(): Promise<void>;
}

/** Every promise of the pod network of one node: as a container runtime and, unless `pods` is false, pods see it. */
export function cniSuite(
  { describe, it }: TestRunner,
  subject: () => Promise<CniUnderTest>,
  { pods = true }: { readonly pods?: boolean } = {},
): void {
  const test = (name: string, body: (bench: CniWorkbench) => Promise<void>): void =>
    it(name, async () => {
      const bench = new CniWorkbench(await subject());
      try {
        await body(bench);
      } finally {
        await bench.dispose();
      }
    });
  const wired = (name: string, body: (bench: CniWorkbench) => Promise<void>): void =>
    test(name, async bench => {
      if (bench.subject.wiresPods) await body(bench);
    });
  describe('its folders', () => folderCases(test));
  if (pods) describe('pods', () => podCases(wired));
}

type Case = (name: string, body: (bench: CniWorkbench) => Promise<void>) => void;

/** What a case works with: does what a runtime does with the configuration, and takes it back at the end. */
class CniWorkbench {
  readonly subject: CniUnderTest;
  cni: Cni;
  readonly #pods: PodNamespace[] = [];

  constructor(subject: CniUnderTest) {
    this.subject = subject;
    this.cni = subject.cni;
  }

  async configuration(): Promise<CniConfiguration> {
    const found = await this.until('a configuration', () => readConfiguration(this.cni.paths));
    assert.ok(found);
    return found;
  }

  /** Resolves what `look` finds as soon as it does. */
  async until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    for (const deadline = Date.now() + (this.subject.patienceMs ?? 15_000); ;) {
      const found = await look();
      if (found !== undefined) return found;
      assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }

  async restart(): Promise<void> {
    this.cni = await this.subject.restart();
  }

  /** A wired pod. */
  async pod(): Promise<{ pod: PodNamespace; address: string }> {
    const pod = await PodNamespace.make();
    this.#pods.push(pod);
    return { pod, address: await this.add(pod) };
  }

  /** Wires a pod by all plugins of the configuration, in order. Its IPv4 address with its length. */
  async add({ containerId, path }: Pick<PodNamespace, 'containerId' | 'path'>): Promise<string> {
    const { cniVersion, name, plugins } = await this.configuration();
    let result: CniResult = {};
    for (const [index, plugin] of plugins.entries()) {
      const file = await findPlugin(this.cni.paths, plugin.type);
      const input = { ...plugin, cniVersion, name, ...(index > 0 && { prevResult: result }) };
      result = await callPlugin(this.cni.paths, file, { command: 'ADD', containerId, namespace: path }, input);
    }
    const address = result.ips?.find(each => !each.address.includes(':'))?.address;
    assert.ok(address, `the result has an IPv4 address: ${JSON.stringify(result)}`);
    return address;
  }

  /** Takes a pod's wires away, in the other order. */
  async remove({ containerId }: PodNamespace, namespace: string): Promise<void> {
    const { cniVersion, name, plugins } = await this.configuration();
    for (const plugin of plugins.toReversed()) {
      const file = await findPlugin(this.cni.paths, plugin.type);
      await callPlugin(this.cni.paths, file, { command: 'DEL', containerId, namespace }, { ...plugin, cniVersion, name });
    }
  }

  /** Links that lead from the node to pods. */
  async links(): Promise<string[]> {
    const links = JSON.parse(await runTool('ip', '-json', 'link', 'show', 'type', 'veth')) as { ifname?: string }[];
    return links.flatMap(({ ifname }) => ifname ?? []).sort();
  }

  async dispose(): Promise<void> {
    const failures: string[] = [];
    for (const pod of this.#pods) {
      await this.remove(pod, pod.path).catch((error: unknown) => failures.push(errorText(error)));
      await pod.dispose();
    }
    await this.subject.dispose();
    assert.deepEqual(failures, [], 'pods are taken away at the end');
  }
}

function folderCases(test: Case): void {
  test('are known at once, and the same after a new start', async bench => {
    const { configurationDirectory, binaryDirectories } = bench.cni.paths;
    assert.ok(binaryDirectories.length > 0, 'a folder of plugins');
    for (const path of [configurationDirectory, ...binaryDirectories]) assert.ok(isAbsolute(path), path);
    await bench.restart();
    assert.deepEqual(bench.cni.paths, { configurationDirectory, binaryDirectories });
  });

  test('hold a configuration as soon as the node has its range', async bench => {
    const { name, cniVersion, plugins } = await bench.configuration();
    assert.match(name, /^[a-zA-Z0-9][\w.-]*$/);
    assert.match(cniVersion, /^\d+\.\d+\.\d+$/);
    assert.ok(plugins.length > 0, 'a plugin');
    for (const { type } of plugins) assert.match(type, /^[\w.-]+$/);
  });

  test('hold the same configuration after a new start', async bench => {
    const before = await bench.configuration();
    await bench.restart();
    assert.deepEqual(await bench.configuration(), before);
  });

  test('hold the plugins that the configuration names, of its version', async bench => {
    const { cniVersion, plugins } = await bench.configuration();
    for (const { type } of plugins) {
      const file = await findPlugin(bench.cni.paths, type);
      const answer = await callPlugin(bench.cni.paths, file, { command: 'VERSION' }, { cniVersion });
      const versions = (answer['supportedVersions'] ?? []) as readonly string[];
      assert.ok(versions.includes(cniVersion), `${type} supports ${versions.join(', ')}, not ${cniVersion}`);
    }
  });
}

function podCases(test: Case): void {
  test("a pod has an address of the node's range on its link, and a way out", async bench => {
    const { pod, address } = await bench.pod();
    const ranges = new BlockList();
    for (const range of bench.subject.podCidrs.filter(each => !each.includes(':'))) {
      const [network = '', length = ''] = range.split('/');
      ranges.addSubnet(network, Number(length));
    }
    const [ip = ''] = address.split('/');
    assert.ok(ranges.check(ip), `${address} is of ${bench.subject.podCidrs.join()}`);
    const [link] = JSON.parse(await pod.run('ip', '-json', 'address', 'show', 'eth0')) as LinkOfTool[];
    assert.ok(link, 'it has the link eth0');
    const own = link.addr_info.map(({ local }) => local);
    assert.ok(own.includes(ip), `${own.join()} is ${ip}`);
    assert.ok(link.flags.includes('UP') && link.flags.includes('LOWER_UP'), link.flags.join());
    assert.match(await pod.run('ip', 'route', 'show', 'default'), /^default /);
  });

  test('pods that come together have addresses of their own, and reach each other and the node', async bench => {
    const pods = await Promise.all([bench.pod(), bench.pod(), bench.pod()]);
    assert.equal(new Set(pods.map(({ address }) => address)).size, 3);
    const [one, two] = pods.map(({ pod, address }) => ({ pod, ip: address.split('/')[0]! }));
    await two!.pod.listen(8080);
    assert.equal(await one!.pod.ask(two!.ip, 8080), one!.ip, 'who a pod is to another');
    assert.match(await askFromNode(two!.ip, 8080), /^\d+\.\d+\.\d+\.\d+$/, 'the node reaches a pod');
    const [, gateway] = /^default via (\S+)/.exec(await one!.pod.run('ip', 'route', 'show', 'default')) ?? [];
    // Nobody listens there, which the node says.
    if (gateway !== undefined) assert.equal(await one!.pod.ask(gateway, 9), 'error ECONNREFUSED', 'a pod reaches the node');
  });

  test('a pod that goes leaves nothing, and goes twice without an error', async bench => {
    const before = await bench.links();
    const { pod } = await bench.pod();
    assert.notDeepEqual(await bench.links(), before);
    await bench.remove(pod, pod.path);
    assert.deepEqual(await bench.links(), before);
    await bench.remove(pod, pod.path);
    await bench.add(pod);
    await pod.dispose();
    await bench.remove(pod, '');
    await bench.until('the links to go', async () => ((await bench.links()).join() === before.join() ? true : undefined));
  });

  test('what pods leave is given to others, and a pod too many is told', async bench => {
    const length = Number(bench.subject.podCidrs.find(each => !each.includes(':'))?.split('/')[1]);
    // In a larger range this would take too long.
    if (length < 29) return;
    const { pod } = await bench.pod();
    for (let count = 0; count < 2 ** (32 - length) + 2; count++) {
      await bench.remove(pod, pod.path);
      await bench.add(pod);
    }
    const crowd = await Promise.all(Array.from({ length: 2 ** (32 - length) }, () => PodNamespace.make()));
    const outcomes: string[] = [];
    for (const each of crowd) outcomes.push(await bench.add(each).catch((error: unknown) => errorCode(error) ?? 'no code'));
    for (const each of crowd) {
      await bench.remove(each, each.path);
      await each.dispose();
    }
    assert.match(outcomes.at(-1)!, /^CNI_\d+$/);
  });

  test('a pod that cannot be wired is told, and leaves nothing', async bench => {
    const before = await bench.links();
    const nobody = { containerId: 'f'.repeat(32), path: '/proc/1/ns/nothing' };
    await assert.rejects(bench.add(nobody), { code: /^CNI_\d+$/ });
    assert.deepEqual(await bench.links(), before);
  });

  test('pods go on over a new start, and keep their addresses to themselves', async bench => {
    const { pod, address } = await bench.pod();
    const [ip = ''] = address.split('/');
    await pod.listen(8080);
    await bench.restart();
    const other = await bench.pod();
    assert.notEqual(other.address, address);
    assert.equal(await other.pod.ask(ip, 8080), other.address.split('/')[0]);
  });
}

interface LinkOfTool {
  readonly flags: readonly string[];
  readonly addr_info: readonly { readonly local: string }[];
}
