import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { dataplaneDirectory } from '../../core/cluster/parts/dataplane-part.js';
import { readRecord } from '../../core/dataplane/child-record.js';
import { isAlive, processIdentity } from '../../core/host/process-identity.js';
import type { ProcessIdentity } from '../../core/host/process-identity.js';
import { hostLeftovers } from '../support/host-leftovers.js';
import { RealNode, nodeAddress } from '../support/real-node.js';

const run = promisify(execFile);
const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);
const mark = 'k3s-app';
const root = join(import.meta.dirname, '../../..');
const web = 'app.kubernetes.io/name=example-web';
const serviceName = 'example-web.default.svc.cluster.local';

/** The first screen of README and what `examples/README.md` promises, then what may befall it. */
(runsHere ? describe : describe.skip)('the example application on a real node (needs root)', () => {
  let node: RealNode;

  beforeAll(async () => {
    expect(hostLeftovers(mark)).toEqual([]);
    node = new RealNode(mark);
    await node.start();
    await run(process.execPath, [join(root, 'scripts/example-image.mjs'), '--data-dir', node.dataDirectory]);
  }, 120_000);

  afterAll(() => node.remove(), 60_000);

  async function k(text: string): Promise<string> {
    const result = await node.kubectl(text.split(' '), { timeoutMs: 70_000 });
    if (result.code === 0) return result.stdout;
    const { stdout: seen } = await node.kubectl(['get', 'pods,events']);
    throw new Error(`kubectl ${text}: ${result.stderr}${result.stdout}${seen}`);
  }

  async function until<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
    let last: unknown;
    for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
      try {
        const found = await attempt();
        if (found !== undefined) return found;
      } catch (error) {
        last = error;
      }
      await new Promise(resolve => setTimeout(resolve, 100));
    }
    throw new Error(`not in time: ${what}`, { cause: last });
  }

  /** What a page of the example says, by name. */
  function parse(page: string): Record<string, string> {
    return Object.fromEntries(
      page
        .trim()
        .split('\n')
        .map(line => line.split(': ') as [string, string]),
    );
  }

  const throughIngress = async (): Promise<Record<string, string>> =>
    parse(await node.page(`http://${nodeAddress}/`, 'example.localhost'));
  const fromPod = async (...words: string[]): Promise<string> => k(`exec deployment/example-web -- ${words.join(' ')}`);

  /** Everything that would show a container that was ended or started anew. */
  const containers = (): Promise<string> =>
    k(
      `get pods -l ${web} --sort-by=.metadata.name -o jsonpath={range.items[*]}{.status.containerStatuses[0].containerID}/{.status.containerStatuses[0].restartCount};{end}`,
    );

  const dataplane = async (): Promise<ProcessIdentity | undefined> => {
    const record = await readRecord(dataplaneDirectory(node.paths));
    return record && processIdentity(record.pid);
  };

  function containerd(): ProcessIdentity | undefined {
    for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        if (words[0] === join(node.paths.binDir, 'containerd')) return processIdentity(Number(pid));
      } catch {
        // Processes end while they are looked at.
      }
    }
    return undefined;
  }

  /** Through the node's address, and by name from within a pod. */
  async function answers(): Promise<void> {
    await until('Ingress', throughIngress);
    await until('DNS and Service from a pod', () => fromPod('wget', '-qO-', `http://${serviceName}/healthz`));
  }

  it('is applied and rolled out, its Job completes and its CronJob makes one', async () => {
    await k(`apply -f ${join(root, 'examples/app')}`);
    await k('rollout status deployment/example-web --timeout=60s');
    await k('create job visit --from=cronjob/example-web-visit');
    await k('wait --for=condition=Complete job/example-web-check job/visit --timeout=60s');
    expect(await k('get persistentvolumeclaim example-web -o jsonpath={.status.phase}')).toBe('Bound');
  }, 90_000);

  it('answers through its Ingress and its LoadBalancer at the address of the node', async () => {
    for (const object of ['ingress/example-web', 'service/example-web-public'])
      await k(`wait --for=jsonpath={.status.loadBalancer.ingress[0].ip}=${nodeAddress} ${object} --timeout=20s`);
    const wanted = { greeting: 'hello', message: 'from a file of the ConfigMap', secret: 'same' };
    expect(await until('Ingress', throughIngress)).toMatchObject(wanted);
    expect(parse(await node.page(`http://${nodeAddress}:8081/`))).toMatchObject(wanted);
    await expect(node.page(`http://${nodeAddress}/`, 'other.localhost')).rejects.toMatchObject({ code: 22 });
  }, 60_000);

  it('lets a pod reach the other one by the name of the Service', async () => {
    const own = (await fromPod('hostname')).trim();
    const seen = new Set<string>();
    await until('both pods', async () => {
      seen.add(parse(await fromPod('wget', '-qO-', `http://${serviceName}/`))['hostname']!);
      return seen.size === 2 || undefined;
    });
    expect(seen).toContain(own);
    expect(await fromPod('nslookup', serviceName)).toContain(await k('get service example-web -o jsonpath={.spec.clusterIP}'));
  }, 60_000);

  it('keeps what its pods wrote when they are deleted', async () => {
    const before = Number((await throughIngress())['count']);
    expect(before).toBeGreaterThan(0);
    await k(`delete pods -l ${web} --grace-period=1`);
    await k('rollout status deployment/example-web --timeout=60s');
    expect(Number((await until('Ingress', throughIngress))['count'])).toBeGreaterThan(before);
  }, 90_000);

  it('goes on when the dataplane is killed: names and Ingress answer again, no pod is touched', async () => {
    const before = await containers();
    const killed = (await dataplane())!;
    process.kill(killed.pid, 'SIGKILL');
    await until('another dataplane', async () => {
      const found = await dataplane();
      return found && found.pid !== killed.pid ? found : undefined;
    });
    await answers();
    expect(await containers()).toBe(before);
  }, 60_000);

  it('goes on when containerd is killed: it comes back, and no pod is touched', async () => {
    const before = await containers();
    const killed = containerd()!;
    process.kill(killed.pid, 'SIGKILL');
    // Nothing of the way to a pod leads through it.
    expect((await throughIngress())['secret']).toBe('same');
    await until('another containerd', async () => {
      const found = containerd();
      return found && found.pid !== killed.pid ? found : undefined;
    });
    await answers();
    await k('create job after --from=cronjob/example-web-visit');
    await k('wait --for=condition=Complete job/after --timeout=60s');
    expect(await containers()).toBe(before);
  }, 90_000);

  it('goes on when the server is killed, and is taken over by the next one', async () => {
    const before = await containers();
    await node.stop('SIGKILL');
    expect((await throughIngress())['secret']).toBe('same');
    await node.launch();
    await answers();
    expect(await containers()).toBe(before);
    expect(Number((await throughIngress())['count'])).toBeGreaterThan(2);
  }, 60_000);

  it('leaves nothing behind after killall', async () => {
    const left = [(await dataplane())!, containerd()!];
    expect(left.filter(isAlive)).toHaveLength(2);
    const { runDir } = node.paths;
    expect(existsSync(runDir)).toBe(true);
    await node.remove();
    expect(left.filter(isAlive)).toEqual([]);
    expect(existsSync(runDir)).toBe(false);
    expect(hostLeftovers(mark)).toEqual([]);
  }, 60_000);
});
