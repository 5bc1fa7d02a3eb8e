import { SystemClock } from '../../core/base/clock.js';
import { SinkLogger, formatRecord } from '../../core/base/logger.js';
import { Client } from '../../core/client/client.js';
import { FakeRecorder } from '../../core/client/testing/fake-recorder.js';
import { FakeTransport } from '../../core/client/testing/fake-transport.js';
import { nodeIdentity } from '../../core/kubelet/kubelet-part.js';
import { Kubelet } from '../../core/kubelet/kubelet.js';
import type { TestRunner } from '../../core/testing/test-runner.js';
import { ContainerdNode } from '../support/containerd-node.js';
import { testSettings } from '../support/kubelet-fixture.js';
import { serveCases } from '../support/remote-cases.js';
import { cgroupCases } from './cgroups-cases.js';

/** A kubelet on a containerd of its own and an API in memory, in the network namespace that this process was started in. */
export class NodeUnderTest {
  readonly nodeName = 'node-a';
  readonly root = process.env['K3S_TEST_CGROUP']!;
  readonly #node = new ContainerdNode(process.env['K3S_TEST_DIRECTORY']!, this.root.slice(1));
  readonly #clock = new SystemClock();
  readonly #transport = new FakeTransport(this.#clock);
  readonly client = new Client(this.#transport, { name: 'admin', groups: ['system:masters'] });
  #kubelet: Kubelet | undefined;

  async setUp(): Promise<void> {
    await this.#node.start();
    await this.start();
  }

  async start(): Promise<void> {
    const { agent } = this.#node.paths;
    this.#kubelet = new Kubelet({
      settings: {
        ...testSettings(this.nodeName),
        rootDir: agent.kubeletDir,
        podLogsDir: agent.podLogsDir,
        containerLogsDir: agent.containerLogsDir,
        podManifestsDir: agent.podManifestsDir,
        cgroupRoot: this.root,
      },
      client: new Client(this.#transport, nodeIdentity(this.nodeName)),
      runtime: this.#node.part.runtime,
      recorder: new FakeRecorder(),
      clock: this.#clock,
      logger: new SinkLogger(record => process.stderr.write(`${formatRecord(record)}\n`), 'debug'),
    });
    await this.#kubelet.start();
  }

  async stop(): Promise<void> {
    await this.#kubelet?.stop();
    this.#kubelet = undefined;
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async cleanUp(): Promise<void> {
    await this.stop();
    await this.#node.remove();
  }
}

const node = new NodeUnderTest();
const define = (runner: TestRunner): void => cgroupCases(runner, () => node);
await serveCases(define, { setUp: () => node.setUp(), cleanUp: () => node.cleanUp() });
