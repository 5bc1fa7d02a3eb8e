import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Nodes, ServiceAccounts } from '../../core/api/generated/resources.js';
import type { TestCluster } from '../../core/testing/index.js';
import { startCluster } from '../../core/testing/index.js';
import type { Tool } from '../support/kubectl.js';
import { realTool, toolsRunHere } from '../support/kubectl.js';

const pod = (name: string, more: string): string =>
  `{apiVersion: v1, kind: Pod, metadata: {name: ${name}}, spec: {containers: [{name: c, image: example.com/a:1, ${more}}]}}`;

(toolsRunHere ? describe : describe.skip)('the real kubectl and the pods of a simulated node', () => {
  let cluster: TestCluster;
  let home: string;
  let kubectl: Tool;

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'k3s-streams-'));
    cluster = await startCluster({ arguments: ['--node-ip', '127.0.0.1'] });
    kubectl = await realTool('kubectl', cluster.kubeconfigFile, home);
    await k('wait --for=create serviceaccount/default --timeout=20s');
    const talker = pod('talker', 'command: [sh, -c, "echo one; echo two; echo three; sleep 3600"]');
    expect(await kubectl(['apply', '-f', '-'], { input: talker })).toMatchObject({ code: 0 });
    await k('wait --for=condition=Ready pod/talker --timeout=20s');
  });

  afterAll(async () => {
    await cluster.stop();
    await rm(home, { recursive: true, force: true });
  });

  async function k(words: string): Promise<string> {
    const result = await kubectl(words.split(' '));
    if (result.code !== 0) throw new Error(`kubectl ${words}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  it('shows logs, whole and in part', async () => {
    expect(await k('logs talker')).toBe('one\ntwo\nthree\n');
    expect(await k('logs talker --tail=1')).toBe('three\n');
    expect(await k('logs talker --limit-bytes=5')).toBe('one\nt');
    expect(await k('logs talker --tail=1 --timestamps')).toMatch(/^\d{4}-\d\d-\d\dT\S+Z three\n$/);
    expect(await k('logs talker --since=1h')).toBe('one\ntwo\nthree\n');
  });

  it('says why there is no log', async () => {
    const previous = await kubectl(['logs', 'talker', '--previous']);
    expect(previous.code).toBe(1);
    expect(previous.stderr).toBe('Error from server (BadRequest): previous terminated container "c" in pod "talker" not found\n');
    const waiting = pod('waiting', 'imagePullPolicy: Never').replace('example.com/a:1', 'example.com/absent:1');
    await kubectl(['apply', '-f', '-'], { input: waiting });
    await k(
      'wait --for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ErrImageNeverPull pod/waiting --timeout=20s',
    );
    expect((await kubectl(['logs', 'waiting'])).stderr).toBe(
      'Error from server (BadRequest): container "c" in pod "waiting" is waiting to start: ErrImageNeverPull\n',
    );
  });

  it('runs commands, with their output and exit code', async () => {
    expect(await kubectl(['exec', 'talker', '--', 'echo', 'hello'])).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
    expect(await kubectl(['exec', 'talker', '--', 'sh', '-c', 'exit 5'])).toEqual({
      code: 5,
      stdout: '',
      stderr: 'command terminated with exit code 5\n',
    });
    expect((await kubectl(['exec', '-i', 'talker', '--', 'echo', 'x'], { input: 'ignored' })).stdout).toBe('x\n');
    const missing = await kubectl(['exec', 'waiting', '--', 'ls']);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('container not found ("c")');
  });

  it('passes requests to the kubelet through its node', async () => {
    const node = (await k('get nodes -o jsonpath={.items[0].metadata.name}')).trim();
    const raw = (path: string): Promise<string> => k(`get --raw /api/v1/nodes/${node}/proxy${path}`);
    expect(await raw('/healthz')).toBe('ok');
    expect(await raw('/pods')).toContain('"name":"talker"');
    const wanted = 'container_memory_working_set_bytes{container="c",namespace="default",pod="talker"}';
    // Another reader may have looked just before the pod began.
    const deadline = Date.now() + 10_000;
    let metrics = '';
    while (!metrics.includes(wanted) && Date.now() < deadline) metrics = await raw('/metrics/resource');
    expect(metrics).toContain(wanted);
    const summary = JSON.parse(await raw('/stats/summary')) as { pods: { podRef: { name: string } }[] };
    expect(summary.pods.map(({ podRef }) => podRef.name)).toContain('talker');
    const cadvisor = await raw('/metrics/cadvisor');
    expect(cadvisor).toMatch(
      /^container_cpu_usage_seconds_total\{container="c",id="[^"]+",image="[^"]*",name="[^"]+",namespace="default",pod="talker",cpu="total"\} \S+ \d+$/m,
    );
    expect(cadvisor).toMatch(/^machine_cpu_cores [1-9]/m);
    expect(await raw('/metrics/probes')).toContain('# TYPE prober_probe_total counter');
    expect(JSON.parse(await raw('/runningpods/'))).toMatchObject({
      kind: 'PodList',
      items: expect.arrayContaining([expect.objectContaining({ metadata: expect.objectContaining({ name: 'talker' }) })]),
    });
    const { kubeletconfig } = JSON.parse(await raw('/configz')) as { kubeletconfig: Record<string, unknown> };
    expect(kubeletconfig).toMatchObject({ port: expect.any(Number), evictionHard: { 'nodefs.available': '5%' } });
    expect(kubeletconfig['port']).toBeGreaterThan(0);
    // A simulated node has no files of its own to show.
    await expect(raw('/logs/')).rejects.toThrow('the server could not find the requested resource');
    await expect(raw('/metrics/other')).rejects.toThrow('the server could not find the requested resource');
  });

  it('answers only those who may ask', async () => {
    const [node] = await cluster.client.resource(Nodes).objects();
    const port = node!.status!.daemonEndpoints!.kubeletEndpoint!.Port;
    const config = await readFile(cluster.kubeconfigFile, 'utf8');
    const ca = Buffer.from(/certificate-authority-data: (\S+)/.exec(config)![1]!, 'base64');
    const ask = async (path: string, headers: Record<string, string> = {}): Promise<{ code: number; body: string }> => {
      const answer = await new Promise<import('node:http').IncomingMessage>((resolve, reject) => {
        request({ host: '127.0.0.1', port, path, ca, headers, agent: false }, resolve).on('error', reject).end();
      });
      return { code: answer.statusCode ?? 0, body: await text(answer) };
    };
    expect(await ask('/pods')).toEqual({ code: 401, body: 'Unauthorized\n' });
    expect(await ask('/pods', { authorization: 'Bearer nonsense' })).toMatchObject({ code: 401 });
    await cluster.client.resource(ServiceAccounts, 'default').get('default');
    const token = (await k('create token default')).trim();
    const refused = await ask('/metrics', { authorization: `Bearer ${token}` });
    expect(refused.code).toBe(403);
    expect(refused.body).toContain('user=system:serviceaccount:default:default, verb=get, resource=nodes');
    await k('create clusterrole metrics-reader --verb=get --resource=nodes/metrics');
    await k('create clusterrolebinding metrics-reader --clusterrole=metrics-reader --serviceaccount=kube-system:default');
    const reader = (await k('create token default -n kube-system')).trim();
    expect(await ask('/metrics', { authorization: `Bearer ${reader}` })).toMatchObject({ code: 200 });
    expect(await ask('/pods', { authorization: `Bearer ${reader}` })).toMatchObject({ code: 403 });
  });
});
