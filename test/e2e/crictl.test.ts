import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { nodeFlags } from '../../core/cli/node-flags.js';
import { hostLeftovers } from '../support/host-leftovers.js';
import { RealNode } from '../support/real-node.js';

const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);
const mark = 'k3s-crictl';
const main = fileURLToPath(new URL('../../core/cli/main.js', import.meta.url));
const registryMain = fileURLToPath(new URL('../support/image-registry-main.js', import.meta.url));

// One line longer than containerd's buffer of 16 KB, which it writes in parts.
const script = 'head -c 20000 /dev/zero | tr "\\0" x; echo; echo problem >&2; sleep 0.3; echo last; sleep 1000';
const pod = `apiVersion: v1
kind: Pod
metadata: {name: box, labels: {app: box}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
    - {name: main, image: k3s.local/box:1, command: [sh, -c, '${script}']}
    - {name: again, image: k3s.local/box:1, command: [sh, -c, 'echo attempt; [ -e /state/second ] && exec sleep 1000; touch /state/second; exit 3'], volumeMounts: [{name: state, mountPath: /state}]}
  volumes: [{name: state, emptyDir: {}}]
`;

interface Answer {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

(runsHere ? describe : describe.skip)('crictl against a real containerd (needs root)', () => {
  let node: RealNode;

  const inside = async (words: readonly string[], input?: string): Promise<Answer> => {
    const [program, ...before] = node.inside;
    const child = spawn(program!, [...before, process.execPath, ...nodeFlags, ...words]);
    child.stdin.end(input);
    const ended = new Promise<number | null>(resolve => child.once('close', resolve));
    const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
    return { code, stdout, stderr };
  };
  const crictl = (line: string, input?: string): Promise<Answer> =>
    inside([main, 'crictl', '--data-dir', node.dataDirectory, ...line.split(' ')], input);
  const printed = async (line: string): Promise<string> => {
    const answer = await crictl(line);
    if (answer.code !== 0) throw new Error(`crictl ${line}: ${answer.stderr}`);
    return answer.stdout;
  };

  beforeAll(async () => {
    expect(hostLeftovers(mark)).toEqual([]);
    node = new RealNode(mark);
    await node.start();
    expect(await node.kubectl(['apply', '-f', '-'], { input: pod })).toMatchObject({ code: 0 });
    const wait = 'wait pod/box --for=jsonpath={.status.containerStatuses[?(@.name=="again")].restartCount}=1 --timeout=60s';
    expect(await node.kubectl(wait.split(' '), { timeoutMs: 60_000 })).toMatchObject({ code: 0 });
    await node.kubectl(['wait', 'pod/box', '--for=condition=Ready', '--timeout=60s'], { timeoutMs: 60_000 });
  }, 120_000);

  afterAll(() => node.remove(), 60_000);

  it('ps and pods: columns, choices and JSON', async () => {
    const [header, row] = (await printed('ps --name ^main$')).split('\n');
    expect(header).toMatch(/^CONTAINER +IMAGE +CREATED +STATE +NAME +ATTEMPT +POD ID +POD +NAMESPACE$/);
    expect(row).toMatch(/^[0-9a-f]{13} +[0-9a-f]{13} .* ago +Running +main +0 +[0-9a-f]{13} +box +default$/);
    const [podId] = (await printed('pods --name box -q')).trim().split('\n');
    expect(await printed('pods --name box')).toMatch(/ Ready +box +default +0 +\(default\)\n$/);
    const chosen = JSON.parse(await printed(`ps -a --pod ${podId!.slice(0, 10)} --name again -o json`)) as {
      containers: { state: string; metadata: { attempt: number } }[];
    };
    expect(chosen.containers.map(({ state, metadata }) => [state, metadata.attempt])).toEqual([
      ['CONTAINER_RUNNING', 1],
      ['CONTAINER_EXITED', 0],
    ]);
    expect(await printed('ps -q --image k3s.local/box:1 --state exited')).toMatch(/^[0-9a-f]{64}\n$/);
  }, 60_000);

  it('logs: parts, streams, tail, previous', async () => {
    const answer = await crictl('logs main');
    expect(answer).toEqual({ code: 0, stdout: `${'x'.repeat(20_000)}\nlast\n`, stderr: 'problem\n' });
    expect(await printed('logs --tail 1 main')).toBe('last\n');
    expect(await printed('logs -t --tail 1 main')).toMatch(/^\d{4}-\d\d-\d\dT\S+ last\n$/);
    expect(await printed('logs --since 1h --stream stdout --limit-bytes 3 main')).toBe('xxx');
    expect(await printed('logs --previous again')).toBe('attempt\n');
    expect(await crictl('logs --previous main')).toMatchObject({ code: 1, stderr: expect.stringContaining('not found') });
  }, 60_000);

  it('exec: streams, input and exit code', async () => {
    expect(await crictl('exec -i main cat', 'some text')).toMatchObject({ code: 0, stdout: 'some text' });
    expect(await crictl('exec main ls -d /nosuch')).toMatchObject({ code: 1, stderr: expect.stringContaining('/nosuch') });
  }, 60_000);

  it("inspect: CRI's status, and containerd's info", async () => {
    const { status, info } = JSON.parse(await printed('inspect --name ^again$')) as Record<string, Record<string, unknown>>;
    expect(status).toMatchObject({
      state: 'CONTAINER_RUNNING',
      metadata: { name: 'again', attempt: 1 },
      image: { image: 'k3s.local/box:1' },
      finishedAt: '0001-01-01T00:00:00Z',
      mounts: expect.arrayContaining([expect.objectContaining({ containerPath: '/state' })]),
    });
    expect(info).toMatchObject({
      pid: expect.any(Number),
      runtimeSpec: expect.objectContaining({ ociVersion: expect.any(String) }),
    });
    expect(process.kill(info!['pid'] as number, 0)).toBe(true);
  }, 60_000);

  it('stats: a table and JSON', async () => {
    const [header, row] = (await printed('stats main')).split('\n');
    expect(header).toMatch(/^CONTAINER +NAME +CPU % +MEM +DISK +INODES$/);
    expect(row).toMatch(/^[0-9a-f]{13} +main +\d+\.\d\d +[\d.]+[kM]?B +[\d.]+[kM]?B +\d+$/);
    const { stats } = JSON.parse(await printed('stats -o json main')) as {
      stats: { memory: { workingSetBytes: { value: string } } }[];
    };
    expect(Number(stats[0]!.memory.workingSetBytes.value)).toBeGreaterThan(0);
  }, 60_000);

  it('pull, images and rmi', async () => {
    const [program, ...before] = node.inside;
    const registry = spawn(program!, [...before, process.execPath, registryMain, 'team/box:7'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      const host = await new Promise<string>(resolve => registry.stdout.once('data', line => resolve(String(line).trim())));
      const name = `${host}/team/box`;
      const [, id] = /^Image is up to date for (sha256:[0-9a-f]{64})\n$/.exec(await printed(`pull ${name}:7`))!;
      expect(await printed(`images -q ${name}:7`)).toBe(`${id}\n`);
      expect(await printed('images')).toMatch(new RegExp(`^${name} +7 +${id!.slice(7, 20)} +[\\d.]+[kM]?B$`, 'm'));
      expect(await printed(`rmi ${name}:7`)).toBe(`Deleted: ${name}:7\n`);
      expect(await crictl(`rmi ${name}:7`)).toMatchObject({ code: 1, stderr: expect.stringContaining('no such image') });
    } finally {
      registry.stdin.end();
    }
    expect(await crictl('pull 127.0.0.1:1/x:1')).toMatchObject({ code: 1, stderr: expect.stringContaining('127.0.0.1:1/x:1') });
  }, 60_000);

  it('answers while no server runs', async () => {
    await node.stop('SIGTERM');
    expect(await printed('ps --name main -q')).toMatch(/^[0-9a-f]{64}\n$/);
  }, 60_000);
});
