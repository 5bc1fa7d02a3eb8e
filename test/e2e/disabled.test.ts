import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hostLeftovers } from '../support/host-leftovers.js';
import { RealNode } from '../support/real-node.js';

const run = promisify(execFile);
const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);
const mark = 'k3s-disabled';
const image = 'k3s.local/box:1';

const application = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: ${image}, command: [httpd, -f, -p, '8080', -h, /srv], ports: [{containerPort: 8080, hostPort: 8089}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 8081, targetPort: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 8081}}}}]}}]}
`;

const kinds =
  'clusterrole,clusterrolebinding,configmap,deployment,endpointslice,ingressclass,role,rolebinding,service,serviceaccount,storageclass';
const batteries = ['coredns', 'local-storage', 'metrics-server', 'servicelb', 'traefik'];

/** Disabled means absent, also when the part ran before. */
(runsHere ? describe : describe.skip)('parts that are disabled at a later start (needs root)', () => {
  let node: RealNode;

  beforeAll(async () => {
    expect(hostLeftovers(mark)).toEqual([]);
    node = new RealNode(mark);
    await node.start();
    const applied = await node.kubectl(['apply', '-f', '-'], { input: application });
    expect(applied.code).toBe(0);
    await k('wait', '--for=condition=Available', 'deployment/web', '--timeout=30s');
    await k('wait', '--for=jsonpath={.status.loadBalancer.ingress[0].ip}', 'service/web', '--timeout=20s');
    await k('wait', '--for=jsonpath={.status.loadBalancer.ingress[0].ip}', 'ingress/web', '--timeout=20s');
  }, 150_000);

  afterAll(async () => {
    await node.remove();
    expect(hostLeftovers(mark)).toEqual([]);
  }, 60_000);

  async function k(...words: string[]): Promise<string> {
    const result = await node.kubectl(words, { timeoutMs: 60_000 });
    if (result.code !== 0) throw new Error(`kubectl ${words.join(' ')}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  async function inside(...words: string[]): Promise<string> {
    const [program, ...before] = node.inside;
    return (await run(program!, [...before, ...words])).stdout;
  }

  async function owned(): Promise<string[]> {
    const lines = await k(
      'get',
      kinds,
      '-A',
      '-l',
      'k3s-ts.io/owner',
      '--no-headers',
      '-o',
      'custom-columns=O:.metadata.labels.k3s-ts\\.io/owner',
    );
    return [...new Set(lines.split('\n').filter(line => line !== ''))].sort();
  }

  const tables = async (): Promise<string> => inside('nft', 'list', 'tables').catch(() => 'no nft here');
  const links = async (): Promise<string[]> =>
    (JSON.parse(await inside('ip', '-j', 'link')) as { ifname: string }[]).map(link => link.ifname);

  /** Ports of the node's network on which something listens, TCP or UDP. */
  async function listening(): Promise<number[]> {
    const ports = new Set<number>();
    for (const [file, state] of [
      ['tcp', '0A'],
      ['tcp6', '0A'],
      ['udp', '07'],
      ['udp6', '07'],
    ] as const) {
      for (const line of (await inside('cat', `/proc/net/${file}`)).split('\n').slice(1)) {
        const [, address = '', , own] = line.trim().split(/\s+/);
        if (own === state) ports.add(parseInt(address.split(':')[1]!, 16));
      }
    }
    return [...ports].sort((left, right) => left - right);
  }

  const answers = (): Promise<boolean> =>
    k('get', '--raw', '/readyz').then(
      text => text === 'ok',
      () => false,
    );
  const dataplanePid = (): number =>
    (JSON.parse(readFileSync(join(node.paths.runDir, 'dataplane', 'child.json'), 'utf8')) as { pid: number }).pid;

  it('batteries: no object, address, listener or process is left', async () => {
    expect(await owned()).toEqual(batteries.filter(name => name !== 'servicelb'));
    expect(await listening()).toEqual(expect.arrayContaining([10_053, 10_080, 10_443]));
    const pid = dataplanePid();
    await node.stop('SIGTERM');
    await node.launch(['--disable', batteries.join(',')]);
    // Slices go with their Service, by the garbage collector.
    await until(async () => (await owned()).length === 0);
    for (const kind of ['service/web', 'ingress/web'])
      expect(await k('get', kind, '-o', 'jsonpath={.status.loadBalancer.ingress}')).toBe('');
    expect(await k('get', 'endpointslices', '-n', 'kube-system', '-o', 'name')).toBe('');
    const ports = await listening();
    for (const port of [53, 80, 443, 8081, 9153, 10_053, 10_080, 10_443]) expect(ports).not.toContain(port);
    expect(await tables()).not.toContain('k3s-traefik');
    // Without its command line it has ended, though nobody may have taken note yet.
    await until(async () => !existsSync(`/proc/${pid}`) || readFileSync(`/proc/${pid}/cmdline`, 'utf8') === '');
    expect((await node.kubectl(['top', 'nodes'])).code).toBe(1);
    // The rest goes on.
    expect(await k('get', 'deployment', 'web', '-o', 'jsonpath={.status.readyReplicas}')).toBe('1');
  }, 90_000);

  it('the service proxy and the pod network: no table, route, link or listener is left', async () => {
    expect(await tables()).toContain('k3s-services');
    expect(await links()).toEqual(expect.arrayContaining(['cni0', 'flannel.1']));
    await node.stop('SIGTERM');
    await node.launch(
      ['--disable-kube-proxy', '--disable-network-policy', '--disable-helm-controller', '--flannel-backend=none'],
      answers,
    );
    // What was made last goes first; this was the first.
    await until(async () => !(await tables()).includes('k3s-flannel'));
    expect(await tables()).not.toMatch(/k3s-(services|host-ports)/);
    expect(await links()).not.toContain('cni0');
    expect(await links()).not.toContain('flannel.1');
    expect(await inside('ip', 'route', 'show', 'table', 'all')).not.toContain('10.43.0.0/16');
    const ports = await listening();
    for (const port of [10_249, 10_256]) expect(ports).not.toContain(port);
  }, 90_000);

  it('the scheduler: pods stay pending', async () => {
    await node.stop('SIGTERM');
    await node.launch(['--disable-scheduler']);
    await k('scale', 'deployment/web', '--replicas=2');
    await k('wait', '--for=jsonpath={.status.unavailableReplicas}=1', 'deployment/web', '--timeout=20s');
    const pods = await k('get', 'pods', '-o', 'jsonpath={range .items[*]}{.spec.nodeName}{" "}{end}');
    expect(pods.trim().split(' ')).toHaveLength(1);
  }, 60_000);

  it('the whole node: no pod, runtime, mount or listener of a kubelet is left', async () => {
    await node.stop('SIGTERM');
    expect(hostLeftovers(mark)).not.toEqual([]);
    await node.launch(['--disable-agent'], answers);
    expect(hostLeftovers(mark).filter(line => !line.includes('/run/netns/') && !line.startsWith('network namespace'))).toEqual(
      [],
    );
    expect(await listening()).not.toContain(10_250);
    expect(await links()).not.toEqual(expect.arrayContaining([expect.stringMatching(/cni0|flannel|veth[0-9a-f]{4}/)]));
    expect(await tables()).not.toMatch(/k3s-(services|masquerade)/);
  }, 90_000);

  async function until(met: () => Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + 20_000; !(await met()); await new Promise(resolve => setTimeout(resolve, 100))) {
      if (Date.now() > deadline) throw new Error('it did not come about in time');
    }
  }
});
