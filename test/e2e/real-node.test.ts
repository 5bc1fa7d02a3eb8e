import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
  }, 90_000);

  it('answers where load balancers and monitors ask for kube-proxy', async () => {
    expect(JSON.parse(await get('127.0.0.1', 10_256, '/healthz'))).toMatchObject({ healthy: true, nodeEligible: true });
    expect(await get('127.0.0.1', 10_249, '/metrics')).toContain('kubeproxy_sync_proxy_rules_duration_seconds_count');
  }, 30_000);

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
