import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { FakeDraDriver } from '../../core/kubelet/claims/testing/fake-dra-driver.js';
import { FakeDevicePlugin, healthy } from '../../core/kubelet/devices/testing/fake-device-plugin.js';
import { pluginChannel } from '../../core/kubelet/extensions/plugin-wire.js';
import { until } from '../../core/testing/until.js';
import { hostLeftovers } from '../support/host-leftovers.js';
import { RealNode } from '../support/real-node.js';

const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);
const mark = 'k3s-plugins';
const resource = 'example.com/thing';

(runsHere ? describe : describe.skip)('plugins of a real node (needs root)', () => {
  let node: RealNode;

  beforeAll(async () => {
    expect(hostLeftovers(mark)).toEqual([]);
    node = new RealNode(mark);
    await node.start();
  }, 120_000);

  afterAll(async () => {
    await node.remove();
    expect(hostLeftovers(mark)).toEqual([]);
  }, 60_000);

  async function k(text: string, input?: string): Promise<string> {
    const result = await node.kubectl(text.split(' '), { timeoutMs: 60_000, ...(input === undefined ? {} : { input }) });
    if (result.code !== 0) throw new Error(`kubectl ${text}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  const kubeletFile = (...names: string[]): string => join(node.dataDirectory, 'agent/kubelet', ...names);

  describe('a device plugin', () => {
    let plugin: FakeDevicePlugin;

    async function plug(): Promise<void> {
      plugin = new FakeDevicePlugin({
        directory: kubeletFile('device-plugins'),
        resource,
        devices: healthy('a', 'b'),
        answer: ids => ({
          envs: { THINGS: ids.join(), OWN: 'of the plugin' },
          devices: ids.map(id => ({ hostPath: '/dev/zero', containerPath: `/dev/thing-${id}`, permissions: 'r' })),
          mounts: [{ hostPath: '/etc/hostname', containerPath: '/lib/thing', readOnly: true }],
        }),
      });
      // As plugins do, it waits for the kubelet.
      await until("the kubelet's socket", () => existsSync(kubeletFile('device-plugins/kubelet.sock')));
      await plugin.listen();
      await plugin.register();
    }

    const offered = (amount: number): Promise<unknown> =>
      until(`${amount} devices in the Node`, async () => {
        const fields = `{.status.capacity.example\\.com/thing}/{.status.allocatable.example\\.com/thing}`;
        return (await k(`get node ${mark} -o jsonpath=${fields}`)) === `${amount}/${amount}`;
      });

    const pod = (name: string, more = ''): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
    - name: c
      image: ${node.image}
      command: [sh, -c, 'echo $THINGS $OWN; head -c 3 /dev/thing-$THINGS | od -An -tx1; test -s /lib/thing && echo mounted; exec sleep 1000']
      env: [{name: OWN, value: of the pod}]
      resources: {limits: {${resource}: 1}}
${more}`;

    beforeAll(async () => {
      await plug();
      await offered(2);
    }, 60_000);

    afterAll(() => plugin.stop());

    it('gives pods devices, variables and mounts, and names them in their status', async () => {
      await k('apply -f -', pod('first'));
      await k('wait --for=condition=Ready pod/first --timeout=30s');
      const said = await until('all lines', async () => {
        const text = await k('logs first');
        return text.includes('mounted') && text;
      });
      expect(said.split('\n')).toEqual(['a of the pod', ' 00 00 00', 'mounted', '']);
      const status = await k('get pod first -o jsonpath={.status.containerStatuses[0].allocatedResourcesStatus}');
      expect(JSON.parse(status)).toEqual([{ name: resource, resources: [{ resourceID: 'a', health: 'Healthy' }] }]);
      const channel = pluginChannel(kubeletFile('pod-resources/kubelet.sock'));
      const { podResources = [] } = await channel.call('podResources.List', {});
      channel.close();
      const devices = [{ resourceName: resource, deviceIds: ['a'] }];
      const containers = [{ name: 'c', devices }];
      expect(podResources.filter(({ name }) => name === 'first')).toEqual([{ name: 'first', namespace: 'default', containers }]);
      expect(await k('describe node')).toMatch(/example\.com\/thing +1 +1/);
    }, 60_000);

    it('is found again by the next kubelet, which knows who holds what', async () => {
      await node.stop('SIGTERM');
      // The kubelet's socket is made anew, and with it the plugin's has gone.
      await node.launch();
      const running = '{.status.phase}/{.status.containerStatuses[0].restartCount}';
      expect(await k(`get pod first -o jsonpath=${running}`)).toBe('Running/0');
      await plugin.stop();
      await plug();
      await offered(2);
      await k('apply -f -', pod('second'));
      await k('wait --for=condition=Ready pod/second --timeout=30s');
      expect(await k('logs second')).toMatch(/^b of the pod/);
      expect(plugin.asked).toEqual(['allocate b']);
    }, 90_000);

    it('has no more than it has: pods wait, or are refused where they are bound by hand', async () => {
      await k('apply -f -', pod('waiting'));
      await k('apply -f -', pod('bound', `  nodeName: ${mark}\n`));
      await k('wait --for=jsonpath={.status.phase}=Failed pod/bound --timeout=30s');
      const told = JSON.parse(await k('get pod bound -o jsonpath={.status}')) as { reason: string; message: string };
      expect(told.reason).toBe('UnexpectedAdmissionError');
      expect(told.message).toBe(
        `Pod was rejected: Allocate failed due to requested number of devices unavailable for ${resource}. Requested: 1, Available: 0, which is unexpected`,
      );
      expect(await k('get pod waiting -o jsonpath={.status.conditions[0].message}')).toContain(`Insufficient ${resource}`);
      await k('delete pod first');
      await k('wait --for=condition=Ready pod/waiting --timeout=30s');
      expect(await k('logs waiting')).toMatch(/^a of the pod/);
    }, 90_000);

    it('whose device falls ill is told of', async () => {
      plugin.setDevices([{ id: 'a', health: 'Unhealthy' }, ...healthy('b')]);
      await until('the health of the device', async () => {
        const path = '{.status.containerStatuses[0].allocatedResourcesStatus[0].resources[0].health}';
        return (await k(`get pod waiting -o jsonpath=${path}`)) === 'Unhealthy';
      });
      const fields = `{.status.capacity.example\\.com/thing}/{.status.allocatable.example\\.com/thing}`;
      expect(await k(`get node ${mark} -o jsonpath=${fields}`)).toBe('2/1');
    }, 60_000);
  });

  describe('a driver of dynamic resource allocation', () => {
    const driverName = 'gpu.example.com';
    const specFile = `/var/run/cdi/${mark}.json`;
    let driver: FakeDraDriver;
    let made: string | undefined;

    /** What drivers write for the container runtime. */
    function writeSpec(): void {
      made = mkdirSync('/var/run/cdi', { recursive: true });
      const devices = ['a', 'b'].map(name => ({
        name,
        containerEdits: {
          env: [`GPU_${name}=of the driver`],
          mounts: [{ hostPath: '/etc/hostname', containerPath: `/gpu-${name}`, options: ['ro', 'bind'] }],
        },
      }));
      writeFileSync(specFile, JSON.stringify({ cdiVersion: '0.3.0', kind: `${mark}.local/gpu`, devices }));
    }

    const slice = (): string => `apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: ${mark}-slice}
spec:
  driver: ${driverName}
  nodeName: ${mark}
  pool: {name: ${mark}, generation: 1, resourceSliceCount: 1}
  devices: [{name: a}, {name: b}]
`;

    const claims = `apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu}
spec: {selectors: [{cel: {expression: device.driver == '${driverName}'}}]}
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: gpu}
spec: {spec: {devices: {requests: [{name: one, exactly: {deviceClassName: gpu}}]}}}
`;

    const pod = (name: string): string => `apiVersion: v1
kind: Pod
metadata: {name: ${name}}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  resourceClaims: [{name: gpu, resourceClaimTemplateName: gpu}]
  containers:
    - name: c
      image: ${node.image}
      command: [sh, -c, 'env | grep ^GPU_; test -s /gpu-a -o -s /gpu-b && echo mounted; exec sleep 1000']
      resources: {claims: [{name: gpu}]}
    - {name: other, image: ${node.image}, command: [sh, -c, 'env | grep -c ^GPU_; exec sleep 1000']}
`;

    const makeDriver = (): FakeDraDriver =>
      new FakeDraDriver({
        rootDir: kubeletFile(),
        name: driverName,
        // Which one it was given, it reads from the claim; here the pool has them in order.
        devices: () => [{ poolName: mark, deviceName: 'a', requestNames: ['one'], cdiDeviceIds: [`${mark}.local/gpu=a`] }],
      });

    beforeAll(async () => {
      writeSpec();
      driver = makeDriver();
      await driver.start();
      await until('the registration', () => driver.registration.told.length > 0);
      expect(driver.registration.told).toEqual([{ pluginRegistered: true }]);
      await k('apply -f -', slice());
      await k('apply -f -', claims);
    }, 60_000);

    afterAll(async () => {
      await driver.stop();
      rmSync(made ?? specFile, { recursive: true });
    });

    it('makes the claim of a pod ready, and the container that names it has the device', async () => {
      await k('apply -f -', pod('claiming'));
      await k('wait --for=condition=Ready pod/claiming --timeout=30s');
      const said = await until('all lines', async () => {
        const text = await k('logs claiming -c c');
        if (!text.includes('mounted')) throw new Error(JSON.stringify(text));
        return text;
      });
      expect(said).toBe('GPU_a=of the driver\nmounted\n');
      expect(await k('logs claiming -c other')).toBe('0\n');
      expect(driver.asked).toEqual([expect.stringMatching(/^prepare claiming-gpu-/)]);
      const status = await k('get pod claiming -o jsonpath={.status.containerStatuses[0].allocatedResourcesStatus}');
      const resources = [{ resourceID: `${mark}.local/gpu=a`, health: 'Unknown' }];
      expect(JSON.parse(status)).toEqual([{ name: 'claim:gpu', resources }]);
    }, 60_000);

    it('is asked by the next kubelet to take back what pods leave, before the claim is freed', async () => {
      await node.stop('SIGTERM');
      await node.launch();
      await until('the registration', () => driver.registration.told.length > 1);
      expect(await k('get pod claiming -o jsonpath={.status.phase}')).toBe('Running');
      await k('delete pod claiming');
      expect(driver.asked.slice(1)).toEqual([expect.stringMatching(/^unprepare claiming-gpu-/)]);
      await until('no claim', async () => (await k('get resourceclaims -o name')) === '');
    }, 90_000);

    it('that has gone offers nothing any more', async () => {
      expect(await k('get resourceslices -o name')).toContain(`${mark}-slice`);
      await driver.stop();
      await until('no slices', async () => (await k('get resourceslices -o name')) === '', 60_000);
    }, 90_000);
  });
});
