import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { execFile, spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from '../../core/testing/until.js';
import type { CommandLineProcess } from '../support/command-line.js';
import { realTool } from '../support/kubectl.js';
import type { Tool } from '../support/kubectl.js';
import { PluginHome } from '../support/plugin-package.js';

const poolFlags = ['--plugin', 'k3s-plugin-address-pool', '--address-pool', '203.0.113.0/30'];
const isRoot = process.getuid?.() === 0;
const patienceMs = 20_000;
const execute = promisify(execFile);

let packages: PluginHome;
let installed: string;
beforeAll(async () => {
  packages = await PluginHome.make();
  installed = await packages.installExample('k3s-plugin-address-pool');
  // What a preset chooses gives way to a plugin; what a flag chooses would not.
  const slots = { datastore: 'sqlite', 'load-balancer': 'servicelb', ...(isRoot && { 'service-proxy': 'nftables' }) };
  await writeFile(join(packages.home, 'balanced.yaml'), JSON.stringify({ from: 'sandbox', slots }));
}, 120_000);
afterAll(() => packages.dispose());

const data = (): string => join(packages.home, 'data');
const modulesFile = (): string => join(packages.home, 'modules');

/** What a network namespace needs so that Services can be tried in it: an address, and a way for what is not there. */
const network = [
  'ip link set lo up',
  'ip address add 198.51.100.1/32 dev lo',
  'ip link add out type veth peer name far',
  'ip link set out up',
  'ip link set far up',
  'ip route add default dev out',
].join(' && ');

interface Running {
  readonly server: CommandLineProcess;
  readonly kubectl: Tool;
  /** Words that go before a program to run it in the server's network. */
  readonly inside: readonly string[];
}

/** A server, in a network namespace of its own where there may be one, and the real kubectl in there. */
async function serve(...flags: string[]): Promise<Running> {
  // Tells every module that the process loads.
  const spy = `import { registerHooks } from 'node:module'; import { appendFileSync } from 'node:fs';
    registerHooks({ load: (url, context, next) => (appendFileSync(${JSON.stringify(modulesFile())}, url + '\\n'), next(url, context)) });`;
  await writeFile(modulesFile(), '');
  const server = packages.serve(
    ['--preset', './balanced.yaml', '--data-dir', data(), ...flags],
    { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(spy)}` },
    isRoot ? ['unshare', '--net', 'sh', '-c', `${network} && exec "$@"`, 'sh'] : [],
  );
  await server.printed('metrics-server is ready');
  const inside = isRoot ? ['nsenter', '--target', String(server.child.pid), '--net'] : [];
  return { server, kubectl: await realTool('kubectl', join(data(), 'k3s.yaml'), packages.home, inside), inside };
}

async function stop({ server }: Running, signal: NodeJS.Signals): Promise<void> {
  server.child.kill(signal);
  await server.outcome;
}

/** What kubectl says under EXTERNAL-IP. */
async function externalIp(kubectl: Tool, name: string, wanted: RegExp): Promise<string> {
  return until(`EXTERNAL-IP of ${name} like ${wanted}`, patienceMs, async () => {
    const { stdout } = await kubectl(['get', 'service', name, '--no-headers']);
    return stdout.split(/\s+/)[3]?.match(wanted)?.[0];
  });
}

const endpoint = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 'web-1', labels: { 'kubernetes.io/service-name': 'web' } },
  addressType: 'IPv4',
  endpoints: [{ addresses: ['198.51.100.1'], conditions: { ready: true } }],
  ports: [{ name: 'web', port: 22080, protocol: 'TCP' }],
};
const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web' },
  spec: { type: 'LoadBalancer', ports: [{ name: 'web', port: 8080, targetPort: 22080 }] },
};

describe('the example load balancer, packed and installed', () => {
  it('takes the place of servicelb in a running cluster by a flag, and leaves nothing of it', async () => {
    const before = await serve();
    const input = [service, endpoint].map(item => JSON.stringify(item)).join('\n---\n');
    expect(await before.kubectl(['create', '-f', '-'], { input })).toMatchObject({ code: 0 });
    const nodeAddress = await externalIp(before.kubectl, 'web', /^[\d.]+$/);
    expect(await readFile(modulesFile(), 'utf8')).toMatch(partOfServiceLb);
    if (isRoot)
      await until('the rule for the node', patienceMs, async () => (await rules(before)).includes(`${nodeAddress} . tcp . 8080`));
    await stop(before, 'SIGTERM');

    const first = await serve(...poolFlags);
    expect(await externalIp(first.kubectl, 'web', /^203\..*/)).toBe('203.0.113.0');
    await assertNothingLeft(first, nodeAddress);
    const late = await first.kubectl(['create', 'service', 'loadbalancer', 'late', '--tcp=443:8443']);
    expect(late.code).toBe(0);
    expect(await externalIp(first.kubectl, 'late', /^203\..*/)).toBe('203.0.113.1');
    await stop(first, 'SIGKILL');

    const second = await serve(...poolFlags);
    const table = await second.kubectl(['get', 'services', '--no-headers', '--sort-by=.metadata.name']);
    const addresses = table.stdout
      .trim()
      .split('\n')
      .map(line => [line.split(/\s+/)[0], line.split(/\s+/)[3]]);
    expect(addresses).toEqual([
      ['kubernetes', '<none>'],
      ['late', '203.0.113.1'],
      ['web', '203.0.113.0'],
    ]);
    await assertNothingLeft(second, nodeAddress);
    expect((await second.kubectl(['describe', 'service', 'late'])).stdout).toMatch(/Normal +AddressAssigned .*203\.0\.113\.1/);
    expect((await second.kubectl(['delete', 'service', 'web'])).code).toBe(0);
    expect((await second.kubectl(['create', 'service', 'loadbalancer', 'next', '--tcp=80:80'])).code).toBe(0);
    expect(await externalIp(second.kubectl, 'next', /^203\..*/)).toBe('203.0.113.0');
    await stop(second, 'SIGTERM');
  }, 240_000);

  (isRoot ? it : it.skip)(
    'gets packets for its addresses from the service proxy (needs root)',
    async () => {
      const running = await serve(...poolFlags);
      const listener = spawn(running.inside[0]!, [
        ...running.inside.slice(1),
        process.execPath,
        '-e',
        `require('node:http').createServer((_, response) => response.end('reached')).listen(22080, '198.51.100.1')`,
      ]);
      try {
        await running.kubectl(['delete', 'service', 'web', '--ignore-not-found']);
        const input = [service, { ...endpoint, metadata: { ...endpoint.metadata, name: 'web-2' } }].map(item =>
          JSON.stringify(item),
        );
        expect(await running.kubectl(['create', '-f', '-'], { input: input.join('\n---\n') })).toMatchObject({ code: 0 });
        const address = await externalIp(running.kubectl, 'web', /^203\..*/);
        const ask = `fetch('http://${address}:8080').then(answer => answer.text()).then(console.log)`;
        const answer = await until('an answer on the address', patienceMs, async () => {
          const { stdout } = await execute(running.inside[0]!, [...running.inside.slice(1), process.execPath, '-e', ask], {
            timeout: 5000,
          });
          return stdout;
        });
        expect(answer).toBe('reached\n');
      } finally {
        listener.kill();
        await stop(running, 'SIGTERM');
      }
    },
    120_000,
  );

  it('refuses pools that are none, in one line', async () => {
    for (const [pool, why] of [
      ['203.0.113.9/28', '"203.0.113.9/28" begins in the middle of 203.0.113.0/28'],
      ['10.42.3.0/24', `the pool "default" has 10.42.3.0/24, which overlaps the pods' range 10.42.0.0/16`],
    ] as const) {
      const { code, errors } = await packages.k3s(
        'server',
        '--preset',
        'sandbox',
        '--plugin',
        'k3s-plugin-address-pool',
        '--address-pool',
        pool,
      );
      expect([code, errors.trimEnd().split('\n').at(-1)]).toEqual([1, expect.stringContaining(why)]);
    }
  }, 60_000);

  it('keeps its contract, and is caught when it does not', async () => {
    const check = () => packages.k3s('plugin', 'check', installed, '--address-pool', '203.0.113.0/30');
    expect(await check()).toMatchObject({ code: 0, output: expect.stringMatching(/^\d+ promises kept$/m) });
    await packages.replaceIn(installed, 'address-pool.js', 'spec.loadBalancerClass === ownClass', 'true');
    expect(await check()).toMatchObject({
      code: 1,
      output: expect.stringContaining('broken  address-pool: addresses: one of another loadBalancerClass is left alone'),
    });
  }, 180_000);
});

/** The descriptor is data that every start reads. */
const partOfServiceLb = /\/servicelb\/(?!index\.js)/;

async function rules({ inside }: Running): Promise<string> {
  return (await execute(inside[0]!, [...inside.slice(1), 'nft', 'list', 'ruleset'])).stdout;
}

/** No module, no listener, no rule and no object of the part that was replaced. */
async function assertNothingLeft(running: Running, nodeAddress: string): Promise<void> {
  const { server, kubectl } = running;
  const modules = await readFile(modulesFile(), 'utf8');
  expect(modules).toContain('k3s-plugin-address-pool/dist/address-plan.js');
  expect(modules).not.toMatch(partOfServiceLb);
  const list = await packages.k3s('plugin', 'list', '--data-dir', data());
  expect(list.output).toMatch(/^load-balancer +address-pool +0\.1\.0 +k3s-plugin-address-pool +ready/m);
  expect(list.output).not.toContain('servicelb');
  // Ports of Services: in hexadecimal, 0A is a listener.
  const listeners = (await readFile(`/proc/${server.child.pid}/net/tcp`, 'utf8')).match(/^ *\d+: \S+:1F90 \S+ 0A/gm);
  if (isRoot) expect(listeners).toBeNull();
  const everything = await kubectl([
    'get',
    'all,endpointslices,configmaps',
    '-A',
    '-o',
    'yaml',
    '-l',
    'k3s-ts.io/owner=servicelb',
  ]);
  expect(everything.stdout).toContain('items: []');
  const { stdout } = await kubectl(['get', 'service', 'web', '-o', 'jsonpath={.status.loadBalancer.ingress[*].ip}']);
  expect(stdout).toBe('203.0.113.0');
  if (!isRoot) return;
  await until('the rule for the address', patienceMs, async () => (await rules(running)).includes('203.0.113.0 . tcp . 8080'));
  expect(await rules(running)).not.toContain(`${nodeAddress} . tcp . 8080`);
}
