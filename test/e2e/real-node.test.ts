import { execFile } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hostLeftovers } from '../support/host-leftovers.js';
import { RealNode, nodeAddress } from '../support/real-node.js';

const run = promisify(execFile);
const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);
const mark = 'k3s-node';
const image = 'k3s.local/box:1';

const application = `apiVersion: v1
kind: ConfigMap
metadata: {name: texts}
data: {greeting: hello from a config map}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: ${image}
          command: [sh, -c, 'cp /texts/greeting /srv/index.html; echo $POD >> /data/starts; exec httpd -f -p 8080 -h /srv']
          env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
          readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
          volumeMounts: [{name: texts, mountPath: /texts}, {name: data, mountPath: /data}]
      volumes:
        - {name: texts, configMap: {name: texts}}
        - {name: data, persistentVolumeClaim: {claimName: data}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 8081, targetPort: 8080}]}
`;

(runsHere ? describe : describe.skip)('a real node in a network namespace of its own (needs root)', () => {
  let node: RealNode;

  beforeAll(async () => {
    expect(hostLeftovers(mark)).toEqual([]);
    node = new RealNode(mark);
    await node.start();
  }, 120_000);

  afterAll(() => node.remove(), 60_000);

  async function k(text: string): Promise<string> {
    const result = await node.kubectl(text.split(' '), { timeoutMs: 60_000 });
    if (result.code !== 0) throw new Error(`kubectl ${text}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  /** The answer over HTTP as a process of the node gets it. */
  async function get(address: string, port: number, path = '/'): Promise<string> {
    const script = `fetch('http://${address}:${port}${path}',{signal:AbortSignal.timeout(3000)}).then(r=>r.text()).then(t=>process.stdout.write(t))`;
    const [program, ...words] = [...node.inside, process.execPath, '-e', script];
    return (await run(program!, words)).stdout;
  }

  const containerLogs = (): string => join(node.dataDirectory, 'agent/container-logs');

  const identities = (): Promise<string> =>
    k(
      'get pods -l app=web -o jsonpath={range.items[*]}{.status.containerStatuses[0].containerID}/{.status.containerStatuses[0].restartCount};{end}',
    );

  it('runs an application that answers by pod, service, node port and load balancer', async () => {
    expect(await node.kubectl(['apply', '-f', '-'], { input: application })).toMatchObject({ code: 0 });
    await k('rollout status deployment web --timeout=60s');
    const [podIp, clusterIp, nodePort] = await Promise.all([
      k('get pods -l app=web -o jsonpath={.items[0].status.podIP}'),
      k('get service web -o jsonpath={.spec.clusterIP}'),
      k('get service web -o jsonpath={.spec.ports[0].nodePort}'),
    ]);
    await k(`wait --for=jsonpath={.status.loadBalancer.ingress[0].ip}=${nodeAddress} service/web --timeout=20s`);
    for (const [address, port] of [
      [podIp, 8080],
      [clusterIp, 8081],
      [nodeAddress, Number(nodePort)],
      [nodeAddress, 8081],
    ] as const) {
      expect(await get(address, port)).toBe('hello from a config map');
    }
    expect(await k('get persistentvolumeclaim data -o jsonpath={.status.phase}')).toBe('Bound');
    const links = readdirSync(containerLogs()).filter(name => name.startsWith('web-'));
    for (const name of links) expect(name).toMatch(/^web-[^_]+_default_web-[0-9a-f]{64}\.log$/);
    expect(links).toHaveLength(2);
    expect(existsSync(join(containerLogs(), links[0]!))).toBe(true);
  }, 90_000);

  it('tells what its pods use', async () => {
    const raw = (path: string): Promise<string> => k(`get --raw /api/v1/nodes/${mark}/proxy${path}`);
    const summary = JSON.parse(await raw('/stats/summary')) as {
      node: Record<string, object>;
      pods: { podRef: { name: string }; network?: { rxBytes: number }; volume?: { name: string }[]; containers: object[] }[];
    };
    const room = { availableBytes: expect.any(Number), capacityBytes: expect.any(Number), usedBytes: expect.any(Number) };
    expect(summary.node).toMatchObject({ fs: room, runtime: { imageFs: room }, network: { name: 'up0' } });
    const web = summary.pods.find(({ podRef }) => podRef.name.startsWith('web-'))!;
    expect(web).toMatchObject({ network: { name: 'eth0' }, containers: [{ rootfs: room, logs: room }] });
    expect(web.network!.rxBytes).toBeGreaterThan(0);
    expect(web.volume!.map(({ name }) => name)).toContain('texts');
    const cadvisor = await raw('/metrics/cadvisor');
    expect(cadvisor).toMatch(/^container_network_receive_bytes_total\{.*interface="eth0".*pod="web-[^"]+"\} [1-9]/m);
    expect(cadvisor).toMatch(/^container_memory_working_set_bytes\{container="web".*pod="web-[^"]+"\} [1-9]/m);
    expect(await raw('/metrics/probes')).toMatch(
      /prober_probe_total\{container="web".*probe_type="Readiness",result="successful"\} [1-9]/,
    );
    expect(await raw('/logs/')).toMatch(/^<pre>\n/);
  }, 30_000);

  it("resizes a container that runs, and keeps its root from the kernel's files", async () => {
    const sized = `apiVersion: v1
kind: Pod
metadata: {name: sized}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: c
      image: ${image}
      command: [sleep, '1000']
      resources: {requests: {cpu: 100m, memory: 32Mi}, limits: {cpu: 100m, memory: 32Mi}}
`;
    expect(await node.kubectl(['apply', '-f', '-'], { input: sized })).toMatchObject({ code: 0 });
    await k('wait --for=condition=Ready pod/sized --timeout=30s');
    const files = [
      'cat /sys/fs/cgroup/memory/memory.limit_in_bytes 2>/dev/null || cat /sys/fs/cgroup/memory.max',
      'cat /sys/fs/cgroup/cpu/cpu.cfs_quota_us 2>/dev/null || cut -d" " -f1 /sys/fs/cgroup/cpu.max',
    ];
    const inside = async (script: string) => node.kubectl(['exec', 'sized', '--', 'sh', '-c', script]);
    const limits = async (): Promise<string[]> => (await inside(files.join('; '))).stdout.trim().split('\n');
    expect(await limits()).toEqual([String(32 * 1024 ** 2), '10000']);
    const status = async () => JSON.parse(await k('get pod sized -o jsonpath={.status.containerStatuses[0]}')) as object;
    const { containerID } = (await status()) as { containerID: string };
    const wanted = { requests: { cpu: '200m', memory: '48Mi' }, limits: { cpu: '200m', memory: '48Mi' } };
    const patch = JSON.stringify({ spec: { containers: [{ name: 'c', resources: wanted }] } });
    await k(`patch pod sized --subresource resize -p ${patch}`);
    const granted = '{.status.containerStatuses[0].allocatedResources.memory}=48Mi';
    await k(`wait --for=jsonpath=${granted} pod/sized --timeout=20s`);
    expect(await limits()).toEqual([String(48 * 1024 ** 2), '20000']);
    expect(await status()).toMatchObject({
      containerID,
      restartCount: 0,
      resources: wanted,
      allocatedResources: { cpu: '200m', memory: '48Mi' },
    });
    const written = await inside('cat /dev/null > /proc/sys/kernel/core_pattern');
    expect(written).toMatchObject({ code: 1, stderr: expect.stringContaining('Read-only file system') });
    await k('delete pod sized');
  }, 60_000);

  it('begins a pod anew when a rule says so, and refuses what it cannot keep to', async () => {
    const pods = `apiVersion: v1
kind: Pod
metadata: {name: again}
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  initContainers: [{name: init, image: ${image}, command: [sh, -c, 'echo init >> /data/runs'], volumeMounts: [{name: data, mountPath: /data}]}]
  containers:
    - name: worker
      image: ${image}
      command: [sh, -c, 'echo run >> /data/runs; [ $(grep -c run /data/runs) = 2 ] || exit 42; exec sleep 1000']
      restartPolicy: Never
      restartPolicyRules: [{action: RestartAllContainers, exitCodes: {operator: In, values: [42]}}]
      volumeMounts: [{name: data, mountPath: /data}]
    - {name: other, image: ${image}, command: [sleep, '1000']}
  volumes: [{name: data, emptyDir: {}}]
---
apiVersion: v1
kind: Pod
metadata: {name: unsafe}
spec:
  securityContext: {sysctls: [{name: kernel.msgmax, value: '8193'}]}
  containers: [{name: c, image: ${image}}]
---
apiVersion: v1
kind: Pod
metadata: {name: strict}
spec:
  securityContext: {supplementalGroupsPolicy: Strict}
  containers: [{name: c, image: ${image}}]
`;
    expect(await node.kubectl(['apply', '-f', '-'], { input: pods })).toMatchObject({ code: 0 });
    await k('wait --for=jsonpath={.status.containerStatuses[1].restartCount}=1 pod/again --timeout=30s');
    await k('wait --for=condition=Ready pod/again --timeout=30s');
    expect(await k('exec again -c worker -- cat /data/runs')).toBe('init\nrun\ninit\nrun\n');
    expect(await k('get pod again -o jsonpath={.status.containerStatuses[*].restartCount}')).toBe('1 1');
    const reasons = '-o jsonpath={range.items[*]}{.metadata.name}={.status.reason};{end}';
    await k('wait --for=jsonpath={.status.phase}=Failed pod/unsafe pod/strict --timeout=20s');
    expect(await k(`get pods unsafe strict ${reasons}`)).toBe(
      'unsafe=SysctlForbidden;strict=SupplementalGroupsPolicyNotSupported;',
    );
    await k('delete pod again unsafe strict');
  }, 90_000);

  it('answers where load balancers and monitors ask for kube-proxy', async () => {
    expect(JSON.parse(await get('127.0.0.1', 10_256, '/healthz'))).toMatchObject({ healthy: true, nodeEligible: true });
    expect(await get('127.0.0.1', 10_249, '/metrics')).toContain('kubeproxy_sync_proxy_rules_duration_seconds_count');
  }, 30_000);

  it('runs a static pod, whatever becomes of its mirror', async () => {
    const file = join(node.dataDirectory, 'agent/pod-manifests/fixed.yaml');
    const spec = `{terminationGracePeriodSeconds: 0, containers: [{name: c, image: '${image}', command: [sh, -c, 'echo began; sleep 1000']}]}`;
    writeFileSync(file, `{kind: Pod, apiVersion: v1, metadata: {name: fixed}, spec: ${spec}}`);
    const mirror = `pod/fixed-${mark}`;
    const get = (path: string): Promise<string> => k(`get ${mirror} -o jsonpath={${path}}`);
    const ready = async (): Promise<void> => {
      await k(`wait --for=create ${mirror} --timeout=30s`);
      await k(`wait --for=condition=Ready ${mirror} --timeout=30s`);
    };
    await ready();
    const [uid, container] = [await get('.metadata.uid'), await get('.status.containerStatuses[0].containerID')];
    await k(`delete ${mirror} --wait=true`);
    await ready();
    expect(await get('.metadata.uid')).not.toBe(uid);
    expect(await get('.status.containerStatuses[0].containerID')).toBe(container);
    expect(await k(`logs ${mirror}`)).toBe('began\n');
    expect(await k(`exec ${mirror} -- echo here`)).toBe('here\n');
    rmSync(file);
    await k(`wait --for=delete ${mirror} --timeout=30s`);
  }, 120_000);

  it('keeps pods running while the server is stopped, and adopts them', async () => {
    const before = await identities();
    await node.stop('SIGTERM');
    expect(await get(nodeAddress, 8081)).toBe('hello from a config map');
    await node.launch();
    expect(await identities()).toBe(before);
  }, 90_000);

  it('does the same after a kill -9', async () => {
    const before = await identities();
    await node.stop('SIGKILL');
    expect(await get(nodeAddress, 8081)).toBe('hello from a config map');
    await node.launch();
    expect(await identities()).toBe(before);
  }, 90_000);

  it('keeps what pods wrote when they are replaced', async () => {
    await k('rollout restart deployment web');
    await k('rollout status deployment web --timeout=60s');
    const volume = await k('get persistentvolumeclaim data -o jsonpath={.spec.volumeName}');
    const starts = readFileSync(join(node.dataDirectory, 'storage', `${volume}_default_data`, 'starts'), 'utf8');
    expect(starts.trim().split('\n').length).toBeGreaterThanOrEqual(4);
  }, 90_000);

  it('leaves nothing behind after killall', async () => {
    await node.remove();
    expect(hostLeftovers(mark)).toEqual([]);
  }, 60_000);
});
