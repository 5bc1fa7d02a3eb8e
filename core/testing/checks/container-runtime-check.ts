import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SinglePlugin } from '../../cluster/index.js';
import { contractToken } from '../../plugin-api/index.js';
import type { ContainerRuntime } from '../../plugin-api/index.js';
import { containerRuntimeSuite, sandboxSpec } from '../container-runtime-suite.js';
import type { RuntimeUnderTest } from '../container-runtime-suite.js';
import { startCluster } from '../start-cluster.js';
import type { TestCluster } from '../start-cluster.js';
import type { Suite } from '../test-runner.js';
import type { SlotCheck } from './slot-check.js';

/** It has `sh`, `echo` and `sleep`. */
const image = 'docker.io/library/busybox:1.37';
const otherImage = 'docker.io/library/busybox:1.36';

export const checkContainerRuntime: SlotCheck = async (plugin, { directory, note }) => {
  const home = new RuntimeHome(plugin, directory);
  const keeps = await home.run(subject => keepsSandboxes(subject, () => home.restart()));
  if (!keeps) note('keeps nothing over a stop, so what a new start promises was not tried');
  // Each case has a runtime of its own, so that one that is broken breaks no other.
  return ({ describe, it }) => {
    const suite: Suite = runner =>
      containerRuntimeSuite(runner, () => ({ ...home.subject, ...(keeps && { restart: () => home.restart() }) }));
    suite({ describe, it: (name, body) => it(name, () => home.run(body)) });
  };
};

/** A cluster without a kubelet, which would remove sandboxes of pods that it does not know. */
class RuntimeHome {
  readonly #plugin: SinglePlugin;
  readonly #package: string;
  #directory = '';
  #cluster: TestCluster | undefined;
  #subject: RuntimeUnderTest | undefined;

  constructor(plugin: SinglePlugin, directory: string) {
    this.#plugin = plugin;
    this.#package = directory;
  }

  get subject(): RuntimeUnderTest {
    return this.#subject!;
  }

  async run<T>(body: (subject: RuntimeUnderTest) => Promise<T>): Promise<T> {
    this.#directory = await mkdtemp(join(tmpdir(), 'k3s-plugin-check-'));
    try {
      const runtime = await this.#start();
      await runtime.pullImage(image, {});
      this.#subject = { runtime, image, otherImage, logDirectory: join(this.#directory, 'logs'), cgroupRoot: '' };
      return await body(this.#subject);
    } finally {
      await this.#stop();
      await rm(this.#directory, { recursive: true, force: true });
    }
  }

  async restart(): Promise<ContainerRuntime> {
    await this.#stop();
    return this.#start();
  }

  async #start(): Promise<ContainerRuntime> {
    const { id, slot, contract } = this.#plugin.descriptor;
    const only = ['kubelet=none', 'metrics=none', 'helm=none', `${slot}=${id}`].flatMap(each => ['--slot', each]);
    this.#cluster = await startCluster({
      arguments: ['--data-dir', join(this.#directory, 'data'), '--plugin', this.#package, ...only],
    });
    const runtime = this.#cluster.get<ContainerRuntime>(contractToken({ id: slot, contract }));
    await runtime.setPodCidrs?.(['10.42.0.0/24']);
    return runtime;
  }

  async #stop(): Promise<void> {
    const cluster = this.#cluster;
    this.#cluster = undefined;
    await cluster?.stop();
  }
}

async function keepsSandboxes(subject: RuntimeUnderTest, restart: () => Promise<ContainerRuntime>): Promise<boolean> {
  const id = await subject.runtime.runSandbox(sandboxSpec(subject));
  const runtime = await restart();
  const kept = (await runtime.listSandboxes()).some(sandbox => sandbox.id === id);
  await runtime.stopSandbox(id);
  await runtime.removeSandbox(id);
  return kept;
}
