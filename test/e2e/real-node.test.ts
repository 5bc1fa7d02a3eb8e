import type { ChildProcess } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { boxArchive, fetchTestPackages } from '../support/box-image.js';
import { addNamespace, removeNamespace } from '../support/containerd-node.js';
import { hostLeftovers } from '../support/host-leftovers.js';
import type { Tool } from '../support/kubectl.js';
import { realTool } from '../support/kubectl.js';

const run = promisify(execFile);
const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);
const main = fileURLToPath(new URL('../../core/cli/main.js', import.meta.url));
const mark = 'k3s-node';
const nodeAddress = '192.0.2.10';
const image = 'k3s.local/web:1';

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
  const namespace = `${mark}-${process.pid}`;
  const directory = runsHere ? mkdtempSync(`/tmp/${mark}-`) : '';
  const data = join(directory, 'data');
  const kubeconfig = join(directory, 'k3s.yaml');
  const inside = [`--net=/run/netns/${namespace}`, '--'];
  let server: ChildProcess | undefined;
  let kubectl: Tool;

  beforeAll(async () => {
    expect(hostLeftovers(mark)).toEqual([]);
    await fetchTestPackages();
    await addNamespace(namespace);
    const ip = (...words: string[]): Promise<unknown> => run('ip', ['-n', namespace, ...words]);
    await ip('link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'up1');
    await ip('address', 'add', `${nodeAddress}/24`, 'dev', 'up0');
    await ip('link', 'set', 'up1', 'up');
    await ip('link', 'set', 'up0', 'up');
    await ip('route', 'add', 'default', 'dev', 'up0');
    mkdirSync(join(data, 'agent', 'images'), { recursive: true });
    writeFileSync(join(data, 'agent', 'images', 'web.tar'), await boxArchive({ reference: image, layout: 'docker' }));
    kubectl = await realTool('kubectl', kubeconfig, directory, ['nsenter', ...inside]);
    await start();
  }, 120_000);

  afterAll(async () => {
    await stop('SIGTERM');
    // The last test has done this already, unless one before it failed.
    if (existsSync(`/run/netns/${namespace}`)) await killAll();
    await removeNamespace(namespace);
    rmSync(directory, { recursive: true, force: true });
  }, 60_000);

  function k3s(...words: string[]): string[] {
    return [...inside, process.execPath, main, ...words];
  }

  async function start(): Promise<void> {
    const log = join(directory, 'server.log');
    server = spawn(
      'nsenter',
      k3s(
        'server',
        '--data-dir',
        data,
        '--write-kubeconfig',
        kubeconfig,
        '--node-ip',
        nodeAddress,
        '--node-name',
        mark,
        '--log',
        log,
      ),
      { stdio: 'ignore' },
    );
    const deadline = Date.now() + 30_000;
    for (;;) {
      const nodes = await kubectl(['get', 'nodes', '--no-headers']).catch(() => undefined);
      if (nodes && /\bReady\b/.test(nodes.stdout)) return;
      if (Date.now() > deadline) throw new Error(`the node is not ready after 30 s: ${readFileSync(log, 'utf8').slice(-2000)}`);
      await new Promise(resolve => setTimeout(resolve, 100));
    }
  }

  async function stop(signal: NodeJS.Signals): Promise<void> {
    const child = server;
    server = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise(resolve => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async function killAll(): Promise<string> {
    return (await run('nsenter', k3s('killall', '--data-dir', data))).stdout;
  }

  async function k(text: string): Promise<string> {
    const result = await kubectl(text.split(' '), { timeoutMs: 60_000 });
    if (result.code !== 0) throw new Error(`kubectl ${text}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  /** The answer over HTTP as a process of the node gets it. */
  async function get(address: string, port: number): Promise<string> {
    const script = `fetch('http://${address}:${port}/',{signal:AbortSignal.timeout(3000)}).then(r=>r.text()).then(t=>process.stdout.write(t))`;
    return (await run('nsenter', [...inside, process.execPath, '-e', script])).stdout;
  }

  const identities = (): Promise<string> =>
    k(
      'get pods -l app=web -o jsonpath={range.items[*]}{.status.containerStatuses[0].containerID}/{.status.containerStatuses[0].restartCount};{end}',
    );

  it('runs an application that answers by pod, service, node port and load balancer', async () => {
    expect(await kubectl(['apply', '-f', '-'], { input: application })).toMatchObject({ code: 0 });
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

  it('keeps pods running while the server is stopped, and adopts them', async () => {
    const before = await identities();
    await stop('SIGTERM');
    expect(await get(nodeAddress, 8081)).toBe('hello from a config map');
    await start();
    expect(await identities()).toBe(before);
  }, 90_000);

  it('does the same after a kill -9', async () => {
    const before = await identities();
    await stop('SIGKILL');
    expect(await get(nodeAddress, 8081)).toBe('hello from a config map');
    await start();
    expect(await identities()).toBe(before);
  }, 90_000);

  it('keeps what pods wrote when they are replaced', async () => {
    await k('rollout restart deployment web');
    await k('rollout status deployment web --timeout=60s');
    const volume = await k('get persistentvolumeclaim data -o jsonpath={.spec.volumeName}');
    const starts = readFileSync(join(data, 'storage', `${volume}_default_data`, 'starts'), 'utf8');
    expect(starts.trim().split('\n').length).toBeGreaterThanOrEqual(4);
  }, 90_000);

  it('leaves nothing behind after killall', async () => {
    await stop('SIGTERM');
    await killAll();
    await removeNamespace(namespace);
    expect(hostLeftovers(mark)).toEqual([]);
  }, 60_000);
});
