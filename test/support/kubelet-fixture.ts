import { FakeClock } from '../../core/base/fake-clock.js';
import { silentLogger } from '../../core/base/logger.js';
import { Nodes, Pods } from '../../core/api/generated/resources.js';
import type { Container, Node, Pod, PodSpec } from '../../core/api/generated/types.js';
import { Client } from '../../core/client/client.js';
import { FakeRecorder } from '../../core/client/testing/fake-recorder.js';
import { FakeTransport } from '../../core/client/testing/fake-transport.js';
import type { KubeletSettings } from '../../core/kubelet/kubelet-context.js';
import { Kubelet } from '../../core/kubelet/kubelet.js';
import type { KubeletPlugins } from '../../core/kubelet/extensions/pod-plugins.js';
import { nodeIdentity } from '../../core/kubelet/kubelet-part.js';
import { SimulatedRuntime } from '../../plugins/container-runtime/simulated/simulated-runtime.js';

export const testHost = {
  machineId: 'machine',
  systemUuid: 'system',
  bootId: 'boot',
  kernelVersion: '6.1.0',
  osImage: 'Test Linux',
  operatingSystem: 'linux',
  architecture: 'amd64',
  cpus: 4,
  memoryBytes: 8 * 1024 ** 3,
  storageBytes: 100 * 1024 ** 3,
  swapBytes: 0,
};

export function testSettings(nodeName: string): KubeletSettings {
  return {
    nodeName,
    version: 'v1.36.3+k3s-ts',
    nodeIps: ['192.0.2.10'],
    externalIps: [],
    internalDns: [],
    externalDns: [],
    labels: ['tier=edge'],
    taints: [],
    clusterDns: ['10.43.0.10'],
    clusterDomain: 'cluster.local',
    maximumPods: 110,
    port: 10250,
    rootDir: '/nowhere/kubelet',
    podLogsDir: '/nowhere/pods',
    containerLogsDir: '/nowhere/containers',
    podManifestsDir: '/nowhere/manifests',
    cgroupRoot: '',
    resolvConf: [],
  };
}

/** A kubelet on a simulated runtime and an API in memory, in time that only the test moves. */
export class KubeletFixture {
  readonly clock = new FakeClock();
  readonly transport = new FakeTransport(this.clock);
  readonly runtime: SimulatedRuntime;
  readonly recorder = new FakeRecorder();
  readonly client: Client;
  readonly nodeName: string;
  readonly #podManifestsDir: string | undefined;
  readonly #plugins: KubeletPlugins | undefined;
  kubelet: Kubelet;

  /** `podManifestsDir`: there are static pods. */
  constructor(nodeName = 'node-a', podManifestsDir?: string, plugins?: KubeletPlugins) {
    this.nodeName = nodeName;
    this.#podManifestsDir = podManifestsDir;
    this.#plugins = plugins;
    this.runtime = new SimulatedRuntime({
      clock: this.clock,
      nodeName,
      clusterCidrs: ['10.42.0.0/16'],
      'pod-cidr': '10.42.0.0/24',
    });
    this.client = new Client(this.transport, { name: 'admin', groups: ['system:masters'] });
    this.kubelet = this.newKubelet();
  }

  /** Another kubelet object on the same runtime and API, as after a restart. */
  newKubelet(): Kubelet {
    const settings = testSettings(this.nodeName);
    const podManifestsDir = this.#podManifestsDir ?? settings.podManifestsDir;
    return new Kubelet({
      settings: { ...settings, podManifestsDir },
      staticPods: this.#podManifestsDir !== undefined,
      client: new Client(this.transport, nodeIdentity(this.nodeName)),
      runtime: this.runtime,
      recorder: this.recorder,
      clock: this.clock,
      logger: silentLogger,
      hostFacts: () => Promise.resolve(testHost),
      ...(this.#plugins ? { plugins: this.#plugins } : {}),
    });
  }

  async start(): Promise<void> {
    await this.kubelet.start();
    await this.settle();
  }

  async stop(): Promise<void> {
    await this.kubelet.stop();
    this.runtime.stop();
  }

  /** Lets everything run that needs no time. */
  settle(): Promise<void> {
    return this.clock.advance(0).then(async () => {
      for (let turn = 0; turn < 30; turn++) await new Promise(resolve => setImmediate(resolve));
    });
  }

  async advance(seconds: number): Promise<void> {
    await this.clock.advance(seconds * 1000);
    await this.settle();
  }

  async createPod(name: string, spec: Partial<PodSpec> = {}, metadata: Partial<Pod['metadata']> = {}): Promise<Pod> {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'default', ...metadata, name },
      spec: {
        restartPolicy: 'Always',
        terminationGracePeriodSeconds: 30,
        containers: [testContainer('web')],
        nodeName: this.nodeName,
        ...spec,
      },
    } as Pod;
    await this.client.resource(Pods, 'default').create(pod);
    await this.settle();
    return this.pod(name);
  }

  pod(name: string): Promise<Pod> {
    return this.client.resource(Pods, 'default').get(name);
  }

  node(): Promise<Node> {
    return this.client.resource(Nodes).get(this.nodeName);
  }

  async deletePod(name: string, gracePeriodSeconds?: number): Promise<void> {
    await this.client.resource(Pods, 'default').delete(name, gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds });
    await this.settle();
  }

  async exists(name: string): Promise<boolean> {
    return this.pod(name).then(
      () => true,
      () => false,
    );
  }
}

export function testContainer(name: string, more: Partial<Container> = {}): Container {
  return { name, image: 'nginx', resources: {}, ...more };
}
