import { execFile } from 'node:child_process';
import { isIPv4, isIPv6 } from 'node:net';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Service } from '../../core/api/generated/types.js';
import { hostLeftovers } from '../support/host-leftovers.js';
import { RealNode, nodeAddress, nodeAddress6 } from '../support/real-node.js';

const run = promisify(execFile);
const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);
const mark = 'k3s-dual';
const image = 'k3s.local/box:1';
const ranges = ['--cluster-cidr', '10.42.0.0/16,fd00:42::/56', '--service-cidr', '10.43.0.0/16,fd00:43::/112'];
const container = (name: string): string => `spec:
  terminationGracePeriodSeconds: 0
  containers:
    - name: c
      image: ${image}
      command: [sh, -c, 'echo ${name} > /srv/index.html; exec httpd -f -p 8080 -h /srv']
      readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
      env:
        - {name: POD_IPS, valueFrom: {fieldRef: {fieldPath: status.podIPs}}}
        - {name: HOST_IPS, valueFrom: {fieldRef: {fieldPath: status.hostIPs}}}
`;

const service = (name: string, more: string): string => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}}
spec: {selector: {app: web}, ports: [{port: 8088, targetPort: 8080}], ${more}}
`;

const application = `apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
${container('hello')}---
apiVersion: v1
kind: Pod
metadata: {name: asker}
${container('asker')}${service('plain', 'type: ClusterIP')}${service('single6', 'ipFamilyPolicy: SingleStack, ipFamilies: [IPv6]')}${service('prefer', 'ipFamilyPolicy: PreferDualStack')}${service('prefer6', 'ipFamilyPolicy: PreferDualStack, ipFamilies: [IPv6]')}${service('require', 'ipFamilyPolicy: RequireDualStack, type: NodePort')}${service('headless', 'ipFamilyPolicy: RequireDualStack, clusterIP: None')}${service('balanced', 'ipFamilyPolicy: RequireDualStack, type: LoadBalancer')}---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web}
spec: {rules: [{host: web.example.com, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: prefer6, port: {number: 8088}}}}]}}]}
`;
const names = ['plain', 'single6', 'prefer', 'prefer6', 'require', 'balanced'];
const inUrl = (address: string): string => (isIPv6(address) ? `[${address}]` : address);

(runsHere ? describe : describe.skip)('a node with both address families (needs root)', () => {
  let node: RealNode;
  let network: unknown;

  beforeAll(async () => {
    expect(hostLeftovers(mark)).toEqual([]);
    node = new RealNode(mark, ranges, [nodeAddress, nodeAddress6]);
    await node.start(async () => void (network = await seenNetwork()));
    expect(await node.kubectl(['apply', '-f', '-'], { input: application })).toMatchObject({ code: 0 });
    await k('wait --for=condition=Ready pod/web pod/asker --timeout=40s');
  }, 120_000);

  afterAll(() => node.remove(), 60_000);

  async function k(text: string): Promise<string> {
    const result = await node.kubectl(text.split(' '), { timeoutMs: 60_000 });
    if (result.code !== 0) throw new Error(`kubectl ${text}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  async function inside(...words: string[]): Promise<string> {
    const [program, ...before] = node.inside;
    return (await run(program!, [...before, ...words])).stdout;
  }

  /** What a start may add to and a removal takes away; addresses that the kernel makes up by itself are left out. */
  async function seenNetwork(): Promise<unknown> {
    const links = JSON.parse(await inside('ip', '-j', 'address')) as {
      ifname: string;
      addr_info: { local: string; scope: string }[];
    }[];
    const lines = async (...words: string[]): Promise<string[]> =>
      (await inside(...words)).split('\n').filter(line => line !== '' && !/fe80:|ff00:|^anycast /.test(line));
    return {
      links: links.map(({ ifname, addr_info }) => [
        ifname,
        addr_info.filter(({ scope }) => scope !== 'link').map(({ local }) => local),
      ]),
      routes: await lines('ip', 'route', 'show', 'table', 'all'),
      routes6: await lines('ip', '-6', 'route', 'show', 'table', 'all'),
      rules: [...(await lines('ip', 'rule')), ...(await lines('ip', '-6', 'rule'))],
      neighbours: await lines('ip', 'neighbour', 'show', 'nud', 'permanent'),
      tables: await inside('nft', 'list', 'tables').catch(() => 'no nft here'),
    };
  }

  async function until<T>(what: string, attempt: () => Promise<T>): Promise<T> {
    for (const deadline = Date.now() + 20_000; ; await new Promise(resolve => setTimeout(resolve, 200))) {
      try {
        return await attempt();
      } catch (error) {
        if (Date.now() > deadline) throw new Error(`not in time: ${what}`, { cause: error });
      }
    }
  }

  async function services(): Promise<Map<string, Service>> {
    const { items } = JSON.parse(await k('get services -o json')) as { items: Service[] };
    return new Map(items.map(item => [item.metadata.name!, item]));
  }

  /** Asked by one shell, one after the other; each must answer with what `web` says. */
  const answerPod = (...hosts: string[]): Promise<void> =>
    until(`${hosts.join(' ')} from a pod`, async () => {
      const script = `for host in ${hosts.join(' ')}; do busybox timeout 3 wget -qO- http://$host/ || echo no $host; done`;
      const { stdout } = await node.kubectl(['exec', 'asker', '--', 'sh', '-c', script]);
      expect(stdout).toBe('hello\n'.repeat(hosts.length));
    });
  const fromNode = (address: string, port: number): Promise<string> =>
    until(`${address} ${port} from the node`, () => node.page(`http://${inUrl(address)}:${port}/`));
  const identities = (): Promise<string> =>
    k(
      'get pods -o jsonpath={range.items[*]}{.metadata.name}={.status.containerStatuses[0].containerID},{.status.podIPs[*].ip};{end}',
    );
  const addresses = async (): Promise<unknown> =>
    Array.from(await services(), ([name, { spec }]) => [name, spec!.clusterIPs, spec!.ports!.map(({ nodePort }) => nodePort)]);

  /** Every address of every Service by every way that leads to it. */
  async function allAnswer(): Promise<void> {
    const found = await services();
    const clusterIps = names.flatMap(name => found.get(name)!.spec!.clusterIPs!);
    const asked: Promise<string>[] = [];
    for (const name of ['require', 'balanced']) {
      const nodePort = found.get(name)!.spec!.ports![0]!.nodePort!;
      asked.push(fromNode(nodeAddress, nodePort), fromNode(nodeAddress6, nodePort));
    }
    asked.push(fromNode(nodeAddress, 8088), fromNode(nodeAddress6, 8088));
    for (const address of [nodeAddress, nodeAddress6])
      asked.push(until(`Ingress at ${address}`, () => node.page(`http://${inUrl(address)}/`, 'web.example.com')));
    await answerPod(...clusterIps.map(address => `${inUrl(address)}:8088`));
    expect(new Set(await Promise.all(asked))).toEqual(new Set(['hello\n']));
  }

  it('has addresses and pod ranges of both, and so have its pods', async () => {
    const { spec, status } = JSON.parse(await k(`get node ${mark} -o json`)) as {
      spec: { podCIDR: string; podCIDRs: string[] };
      status: { addresses: { type: string; address: string }[] };
    };
    expect(spec).toMatchObject({ podCIDR: '10.42.0.0/24', podCIDRs: ['10.42.0.0/24', 'fd00:42::/64'] });
    const internal = status.addresses.filter(({ type }) => type === 'InternalIP');
    expect(internal.map(({ address }) => address)).toEqual([nodeAddress, nodeAddress6]);
    const pod = JSON.parse(await k('get pod web -o json')) as {
      status: { podIP: string; podIPs: { ip: string }[]; hostIP: string; hostIPs: { ip: string }[] };
    };
    const podIps = pod.status.podIPs.map(({ ip }) => ip);
    expect(podIps).toEqual([expect.stringMatching(/^10\.42\.0\./), expect.stringMatching(/^fd00:42:/)]);
    expect(pod.status).toMatchObject({
      podIP: podIps[0],
      hostIP: nodeAddress,
      hostIPs: [{ ip: nodeAddress }, { ip: nodeAddress6 }],
    });
    expect(await k('exec web -- sh -c echo${IFS}$POD_IPS${IFS}$HOST_IPS')).toBe(
      `${podIps.join(',')} ${nodeAddress},${nodeAddress6}\n`,
    );
    await answerPod(...podIps.map(ip => `${inUrl(ip)}:8080`));
  }, 30_000);

  it('allots Services the families that they ask for', async () => {
    const found = await services();
    const families = (name: string): unknown => {
      const { ipFamilyPolicy, ipFamilies, clusterIP, clusterIPs } = found.get(name)!.spec!;
      expect(clusterIP).toBe(clusterIPs![0]);
      const kinds = clusterIPs!.map(ip => (isIPv4(ip) ? 'IPv4' : isIPv6(ip) ? 'IPv6' : ip));
      if (clusterIP !== 'None') expect(kinds).toEqual(ipFamilies);
      return [ipFamilyPolicy, ipFamilies];
    };
    expect(Object.fromEntries([...names, 'headless', 'kubernetes'].map(name => [name, families(name)]))).toEqual({
      plain: ['SingleStack', ['IPv4']],
      kubernetes: ['SingleStack', ['IPv4']],
      single6: ['SingleStack', ['IPv6']],
      prefer: ['PreferDualStack', ['IPv4', 'IPv6']],
      prefer6: ['PreferDualStack', ['IPv6', 'IPv4']],
      require: ['RequireDualStack', ['IPv4', 'IPv6']],
      headless: ['RequireDualStack', ['IPv4', 'IPv6']],
      balanced: ['RequireDualStack', ['IPv4', 'IPv6']],
    });
    const both = [nodeAddress, nodeAddress6].join(' ');
    await until('both addresses of the load balancer', async () =>
      expect(await k('get service balanced -o jsonpath={.status.loadBalancer.ingress[*].ip}')).toBe(both),
    );
    await until('both addresses of the Ingress', async () =>
      expect(await k('get ingress web -o jsonpath={.status.loadBalancer.ingress[*].ip}')).toBe(both),
    );
    const slices = await k('get endpointslices -l kubernetes.io/service-name=require -o jsonpath={.items[*].addressType}');
    expect(slices.split(' ').sort()).toEqual(['IPv4', 'IPv6']);
  }, 60_000);

  it('answers at every address, from pods and at the node', allAnswer, 60_000);

  it('gives a name A and AAAA records', async () => {
    const lookUp = async (name: string, type: string): Promise<string[]> => {
      const answer = await k(`exec asker -- busybox nslookup -type=${type} ${name}.default.svc.cluster.local.`);
      return Array.from(answer.split(/^Name:/m).slice(1), part => /Address: (\S+)/.exec(part)![1]!);
    };
    const podIps = (await k('get pod web -o jsonpath={.status.podIPs[*].ip}')).split(' ');
    const { spec } = (await services()).get('prefer6')!;
    expect(await lookUp('headless', 'a')).toEqual([podIps[0]]);
    expect(await lookUp('headless', 'aaaa')).toEqual([podIps[1]]);
    expect(await lookUp('prefer6', 'aaaa')).toEqual([spec!.clusterIPs![0]]);
    expect(await lookUp('prefer6', 'a')).toEqual([spec!.clusterIPs![1]]);
    expect(await lookUp('plain', 'aaaa')).toEqual([]);
    await answerPod('single6:8088', 'headless:8080');
  }, 30_000);

  it('gives a Service its second family later, and takes it back', async () => {
    const patch = (policy: string): Promise<string> =>
      k(`patch service plain --type=merge -p {"spec":{"ipFamilyPolicy":"${policy}"}}`);
    const [first] = (await services()).get('plain')!.spec!.clusterIPs!;
    await patch('PreferDualStack');
    const [same, second] = (await services()).get('plain')!.spec!.clusterIPs!;
    expect([same, isIPv6(second!)]).toEqual([first, true]);
    await answerPod(`[${second}]:8088`);
    await patch('SingleStack');
    expect((await services()).get('plain')!.spec).toMatchObject({ clusterIPs: [first], ipFamilies: ['IPv4'] });
    await answerPod(`${first}:8088`);
  }, 30_000);

  it('keeps it all at a second start', async () => {
    const before = [await identities(), await addresses()];
    await node.stop('SIGTERM');
    await node.launch();
    expect([await identities(), await addresses()]).toEqual(before);
    await allAnswer();
  }, 90_000);

  it('leaves nothing behind after killall', async () => {
    let left: unknown;
    await node.remove(async () => void (left = await seenNetwork()));
    expect(left).toEqual(network);
    expect(hostLeftovers(mark)).toEqual([]);
  }, 60_000);
});
