import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { EventLog, RuntimeWorkbench, containerSpec, sandboxSpec } from '../../core/testing/container-runtime-suite.js';
import { rejection } from '../../core/testing/rejection.js';
import { promisify } from 'node:util';
import { errorText } from '../../core/base/errors.js';
import type { TestRunner } from '../../core/testing/test-runner.js';
import { ContainerdPart } from '../../plugins/container-runtime/containerd/containerd-part.js';
import type { Container, Pod } from '../../core/api/generated/types.js';
import type { ContainerSecurity } from '../../core/contracts/container-runtime.js';
import { containerSecurity } from '../../core/kubelet/runtime/container-security.js';
import { createAuthority } from '../../core/pki/certificate-authority.js';
import { generatePrivateKeyPem } from '../../core/pki/private-key.js';
import { boxArchive } from '../support/box-image.js';
import { hostLeftovers } from '../support/host-leftovers.js';
import { ImageRegistry } from '../support/image-registry.js';
import { boxReference, startPart, testMark } from '../support/containerd-node.js';
import type { ContainerdNode } from '../support/containerd-node.js';
import { deviceCases } from './containerd-device-cases.js';

const run = promisify(execFile);

export type Case = (name: string, body: (bench: RuntimeWorkbench, node: ContainerdNode) => Promise<void>) => void;

/** What containerd does beyond what all runtimes do. */
export function containerdCases({ describe, it }: TestRunner, node: () => ContainerdNode): void {
  const test: Case = (name, body) =>
    it(name, async () => {
      const bench = new RuntimeWorkbench(node().subject);
      try {
        await body(bench, node());
      } finally {
        await bench.dispose();
      }
    });
  describe('streams', () => streamCases(test));
  describe('containers', () => containerCases(test));
  describe('devices', () => deviceCases(test));
  describe('images', () => imageCases(test));
  describe('registries', () => registryCases(test));
  describe('its process', () => processCases(test));
}

const allStreams = { tty: false, stdin: true, stdout: true, stderr: true };

function streamCases(test: Case): void {
  test('separate outputs, a half-closed input and the exit code', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    const session = await bench.runtime.exec(id, { command: ['sh', '-c', 'cat; echo problem >&2; exit 7'], ...allStreams });
    session.stdin!.end('some text');
    const [out, err, code] = await Promise.all([text(session.stdout!), text(session.stderr!), session.exited]);
    assert.deepEqual([out, err, code], ['some text', 'problem\n', 7]);
  });

  test('megabytes in both directions arrive whole, and a slow reader loses nothing', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    const bytes = randomBytes(8 * 1024 * 1024);
    const session = await bench.runtime.exec(id, { command: ['cat'], ...allStreams });
    session.stdin!.end(bytes);
    await new Promise(resolve => setTimeout(resolve, 2500));
    const back = await buffer(session.stdout!);
    assert.equal(digest(back), digest(bytes));
    assert.equal(await session.exited, 0);
  });

  test('a terminal has its size and mixes its outputs', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    const command = ['sh', '-c', 'read line; stty size; echo $TERM; echo err >&2; exit 2'];
    const session = await bench.runtime.exec(id, { command, ...allStreams, tty: true });
    session.resize(123, 45);
    await new Promise(resolve => setTimeout(resolve, 100));
    session.stdin!.write('go\n');
    const out = await text(session.stdout!);
    assert.equal(session.stderr, undefined);
    assert.match(out, /45 123\r\nxterm\r\nerr\r\n/);
    assert.equal(await session.exited, 2);
  });

  test('closing kills the command; a missing one is named', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    const session = await bench.runtime.exec(id, { command: ['sleep', '1000'], ...allStreams });
    session.close();
    assert.equal(await session.exited, 137);
    const missing = bench.runtime.exec(id, { command: ['nosuch'], ...allStreams });
    assert.match((await rejection(missing, 'RUNTIME_FAILED')).message, /failed to exec "nosuch".*executable file not found/);
    assert.equal((await bench.runtime.container(id)).state, 'running');
  });

  test('a command whose child keeps the output open still ends', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    const session = await bench.runtime.exec(id, { command: ['sh', '-c', 'sleep 300 & echo done'], ...allStreams });
    assert.equal(await text(session.stdout!), 'done\n');
    assert.equal(await session.exited, 0);
  });

  test('attach carries input, its end, and output', async bench => {
    const script = 'while read line; do echo got $line; done; echo eof; sleep 0.2; exit 4';
    const id = await bench.run(await bench.sandbox(), script, { stdin: true, stdinOnce: true });
    const session = await bench.runtime.attach(id, allStreams);
    session.stdin!.write('one\n');
    session.stdin!.end('two\n');
    assert.equal(await text(session.stdout!), 'got one\ngot two\neof\n');
    assert.equal(await session.exited, 0);
    assert.equal((await bench.ended(id)).exitCode, 4);
    assert.equal(await bench.log(id), 'got one\ngot two\neof\n');
  });

  test('attach to a terminal resizes it; without input it only follows, and letting go leaves the container', async bench => {
    const sandbox = await bench.sandbox();
    const id = await bench.run(sandbox, 'read line; stty size; sleep 1000', { stdin: true, tty: true, name: 'terminal' });
    const session = await bench.runtime.attach(id, { ...allStreams, tty: true });
    session.resize(90, 30);
    await new Promise(resolve => setTimeout(resolve, 100));
    session.stdin!.write('x\n');
    let seen = '';
    for await (const chunk of session.stdout!) {
      seen += String(chunk);
      if (seen.includes('30 90')) break;
    }
    session.close();
    const follower = await bench.run(sandbox, 'sleep 0.3; echo later; sleep 1000', { name: 'follower' });
    const follow = await bench.runtime.attach(follower, { ...allStreams, stdin: false });
    for await (const chunk of follow.stdout!) {
      assert.equal(String(chunk), 'later\n');
      break;
    }
    follow.close();
    assert.equal((await bench.runtime.container(id)).state, 'running');
    assert.equal((await bench.runtime.container(follower)).state, 'running');
  });

  test('port-forward reaches the pod, many at once, and says when nothing listens', async bench => {
    const sandbox = await bench.sandbox();
    await bench.run(sandbox, 'echo page > /srv/page; exec httpd -f -p 8080 -h /srv');
    const fetchPage = async (): Promise<string> => {
      const stream = await bench.runtime.portForward(sandbox, 8080);
      stream.write('GET /page HTTP/1.0\r\n\r\n');
      return text(stream as unknown as AsyncIterable<Buffer> & NodeJS.ReadableStream);
    };
    for (const deadline = Date.now() + 5000; ;) {
      try {
        await fetchPage();
        break;
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
    }
    for (const page of await Promise.all(Array.from({ length: 6 }, fetchPage))) assert.match(page, /\r\n\r\npage\n$/);
    const nobody = await bench.runtime.portForward(sandbox, 8081);
    await assert.rejects(text(nobody as unknown as NodeJS.ReadableStream), /connection refused/);
  });
}

function containerCases(test: Case): void {
  test('security, mounts and limits reach the process', async (bench, node) => {
    const host = join(node.directory, 'volume');
    await mkdir(host, { recursive: true });
    await writeFile(join(host, 'file'), 'from the node\n');
    const sandbox = await bench.sandbox({ sysctls: { 'net.ipv4.ip_unprivileged_port_start': '0' } });
    const script =
      'id; cat /data/file; touch /data/no; touch /no; grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/self/status || cat /proc/self/status';
    const id = await bench.run(sandbox, script, {
      mounts: [{ containerPath: '/data', hostPath: host, readOnly: true, propagation: 'private' }],
      security: {
        ...containerSpec(bench.subject, '').security,
        runAsUser: 1000,
        runAsGroup: 1000,
        supplementalGroups: [2000],
        readOnlyRootFilesystem: true,
        noNewPrivileges: true,
        dropCapabilities: ['ALL'],
      },
    });
    await bench.ended(id);
    const log = await bench.log(id);
    assert.match(log, /uid=1000\(box\) gid=1000\(box\) groups=.*2000/);
    assert.match(log, /from the node/);
    assert.equal(log.match(/Read-only file system/g)?.length, 2, log);
    assert.match(log, /CapEff:\s+0000000000000000/);
    assert.match(log, /NoNewPrivs:\s+1/);
    assert.match(log, /Seccomp:\s+2/);
  });

  test("what tells or changes the machine is out of reach, even for the container's root", async bench => {
    // Of the kernel's files those that this kernel has.
    const secret = ['/proc/kcore', '/proc/keys', '/proc/interrupts', '/proc/timer_list'].filter(file => existsSync(file));
    const levers = ['/proc/sys/kernel/core_pattern', '/proc/sysrq-trigger', '/proc/irq/default_smp_affinity'].filter(file =>
      existsSync(file),
    );
    const script = [
      ...levers.map(file => `cat /dev/null > ${file} && echo WROTE`),
      ...secret.map(file => `test -c ${file} && test -z "$(cat ${file})" && echo is null`),
      'test -z "$(ls /sys/firmware)" && echo empty',
      'id -u',
    ].join('; ');
    const id = await bench.run(await bench.sandbox(), script, { security: kubeletSecurity({}) });
    assert.equal((await bench.ended(id)).exitCode, 0);
    const log = await bench.log(id);
    assert.ok(secret.length > 1 && levers.length > 1);
    assert.equal(log.match(/Read-only file system/g)?.length, levers.length, log);
    const said = log.split('\n').filter(line => line !== '' && !line.startsWith('sh: '));
    assert.deepEqual(said, [...secret.map(() => 'is null'), 'empty', '0']);
  });

  test('an unmasked container sees the kernel files as they are, and a privileged one may write them', async bench => {
    const look = 'test -n "$(cat /proc/interrupts)" && echo seen; grep -c " /proc/[a-z]" /proc/self/mountinfo; id -u';
    const unmasked = await bench.run(await bench.sandbox(), look, { security: kubeletSecurity({ procMount: 'Unmasked' }) });
    await bench.ended(unmasked);
    assert.equal(await bench.log(unmasked), 'seen\n0\n0\n');
    const { security } = sandboxSpec(bench.subject);
    const sandbox = await bench.sandbox({ security: { ...security, privileged: true } });
    // Writing what stands there already changes nothing.
    const write = 'cat /proc/sys/kernel/core_pattern > /pattern; cat /pattern > /proc/sys/kernel/core_pattern && echo wrote';
    const privileged = await bench.run(sandbox, `${look}; ${write}`, { security: kubeletSecurity({ privileged: true }) });
    await bench.ended(privileged);
    assert.equal(await bench.log(privileged), 'seen\n0\n0\nwrote\n');
  });

  test('a seccomp profile of this host is kept to', async (bench, node) => {
    const path = join(node.directory, 'seccomp', 'no-chmod.json');
    await mkdir(join(node.directory, 'seccomp'), { recursive: true });
    const rule = { names: ['chmod', 'fchmodat', 'fchmodat2'], action: 'SCMP_ACT_ERRNO' };
    await writeFile(path, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] }));
    const profile = { type: 'Localhost', localhostProfile: 'no-chmod.json' };
    const security = kubeletSecurity({ seccompProfile: profile }, node.directory);
    const id = await bench.run(await bench.sandbox(), 'touch /file; chmod 600 /file; echo $?', { security });
    await bench.ended(id);
    // Two streams: either may come first.
    assert.deepEqual((await bench.log(id)).trim().split('\n').sort(), ['1', 'chmod: /file: Operation not permitted']);
  });

  test('too much memory is told as such, before and in the state', async bench => {
    const sandbox = await bench.sandbox();
    const log = new EventLog(bench.runtime);
    const id = await bench.run(sandbox, 'tail /dev/zero', {
      resources: { memoryLimitBytes: 16 * 1024 * 1024, oomScoreAdjust: 900 },
    });
    await log.until('its exit', () => log.of(id).some(event => event.type === 'exited'));
    const { reason, exitCode } = await bench.runtime.container(id);
    assert.deepEqual([reason, exitCode], ['OOMKilled', 137]);
    assert.deepEqual(
      log.of(id).map(({ type }) => type),
      ['created', 'started', 'oom', 'exited'],
    );
    log.dispose();
  });

  test("a stop signal of the pod's own is sent instead of the image's", async bench => {
    const script = 'trap "echo usr; exit 9" USR1; trap "echo term; exit 8" TERM; while true; do sleep 0.05; done';
    const id = await bench.run(await bench.sandbox(), script, { stopSignal: 'SIGUSR1' });
    await new Promise(resolve => setTimeout(resolve, 200));
    await bench.runtime.stopContainer(id, 5);
    const { exitCode, annotations } = await bench.runtime.container(id);
    assert.deepEqual([exitCode, Object.keys(annotations)], [9, ['note']]);
  });

  test('containers of one pod share its network, and its processes when told so', async bench => {
    const sandbox = await bench.sandbox({ sharePid: true });
    await bench.run(sandbox, 'exec sleep 4321', { name: 'one', pidMode: 'pod' });
    const two = await bench.run(sandbox, 'sleep 1000', { name: 'two', pidMode: 'pod' });
    const { stdout } = await bench.runtime.execSync(two, ['ps'], 5000);
    assert.match(stdout.toString(), /sleep 4321/);
    assert.match(stdout.toString(), /\b1\b.*\/pause/);
  });

  test('a sandbox whose process has died is not ready from the event on', async bench => {
    const id = await bench.sandbox();
    const seen: Promise<{ ready: boolean }[]>[] = [];
    const watching = bench.runtime.watch({
      event: event => {
        if (event.id !== id || event.type !== 'exited') return;
        const listed = bench.runtime.listSandboxes().then(all => all.filter(own => own.id === id));
        seen.push(Promise.all([bench.runtime.sandbox(id), listed]).then(([own, found]) => [own, ...found]));
      },
      lost: () => undefined,
    });
    const log = new EventLog(bench.runtime);
    process.kill(Number(pidOf(id)), 'SIGKILL');
    await log.until('its end', () => log.of(id).some(({ type }) => type === 'exited'));
    log.dispose();
    void watching.dispose();
    assert.deepEqual(
      (await seen[0])?.map(({ ready }) => ready),
      [false, false],
    );
  });

  test('a command that does not exist fails at the start with its reason in the state', async bench => {
    const sandbox = await bench.sandbox();
    const spec = containerSpec(bench.subject, '', { command: ['/nosuch'] });
    const id = await bench.runtime.createContainer(sandbox, spec);
    assert.match((await rejection(bench.runtime.startContainer(id), 'RUNTIME_FAILED')).message, /no such file or directory/);
    const { state, reason, exitCode } = await bench.runtime.container(id);
    assert.deepEqual([state, reason, exitCode], ['exited', 'StartError', 128]);
  });

  test('a log goes on in a new file after it was moved away', async bench => {
    const id = await bench.run(await bench.sandbox(), 'while true; do echo tick; sleep 0.05; done');
    const { logPath } = await bench.runtime.container(id);
    await new Promise(resolve => setTimeout(resolve, 200));
    await rename(logPath, `${logPath}.1`);
    await bench.runtime.reopenLog(id);
    for (const deadline = Date.now() + 5000; !existsSync(logPath) || readFileSync(logPath).length === 0;) {
      assert.ok(Date.now() < deadline, 'nothing in the new file');
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    assert.match(await bench.log(id), /^tick$/m);
    assert.match(await readFile(`${logPath}.1`, 'utf8'), /tick/);
  });

  test("the pod's cgroup is where it was told to be", async bench => {
    const spec = sandboxSpec(bench.subject);
    const id = await bench.run(await bench.sandbox(spec), 'cat /proc/self/cgroup; sleep 1000');
    await new Promise(resolve => setTimeout(resolve, 100));
    const inside = readFileSync(`/proc/${pidOf(id)}/cgroup`, 'utf8');
    assert.match(inside, new RegExp(`/${testMark}/burstable/pod${spec.podUid}/${id}`));
  });
}

/** As the kubelet makes it for a container of an ordinary pod. */
function kubeletSecurity(securityContext: Container['securityContext'], rootDir = '/nowhere'): ContainerSecurity {
  const container = { name: 'main', image: boxReference, securityContext } as Container;
  const pod = { metadata: { name: 'p', namespace: 'n', uid: 'u' }, spec: { containers: [container] } } as Pod;
  return containerSecurity({ pod, container, image: undefined, rootDir });
}

/** The host's id of a container's first process, by its cgroup. */
function pidOf(id: string): string {
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id)) return pid;
    } catch {
      // It has ended meanwhile.
    }
  }
  throw new Error(`no process of container ${id}`);
}

function imageCases(test: Case): void {
  for (const [layout, compression, suffix] of [
    ['docker', undefined, 'tar'],
    ['docker', 'gzip', 'tar.gz'],
    ['docker', 'zstd', 'tar.zst'],
    ['oci', undefined, 'tar'],
    ['oci', 'gzip', 'tar.gz'],
    ['oci', 'zstd', 'tar.zst'],
  ] as const) {
    test(`an archive in ${layout} layout as .${suffix} is imported and runs`, async (bench, node) => {
      const reference = `k3s.local/${layout}-${compression ?? 'plain'}:1`;
      const archive = join(node.directory, `${layout}.${suffix}`);
      await writeFile(archive, await boxArchive({ reference, layout, salt: reference, ...(compression && { compression }) }));
      assert.deepEqual(await bench.runtime.importImages(archive), [reference]);
      const id = await bench.run(await bench.sandbox(), 'cat /etc/salt', { image: reference });
      assert.equal((await bench.ended(id)).exitCode, 0);
      assert.equal((await bench.log(id)).trim(), reference);
      await bench.runtime.removeSandbox((await bench.runtime.container(id)).sandboxId);
      await bench.runtime.removeImage(reference);
      assert.equal(await bench.runtime.image(reference), undefined);
    });
  }

  test('an archive cut short is refused and leaves nothing', async (bench, node) => {
    const whole = await boxArchive({ reference: 'k3s.local/cut:1', layout: 'oci', salt: 'cut', compression: 'gzip' });
    const plain = await boxArchive({ reference: 'k3s.local/cut:1', layout: 'oci', salt: 'cut' });
    const archive = join(node.directory, 'cut.tar');
    for (const bytes of [
      whole.subarray(0, -100),
      plain.subarray(0, plain.length / 2),
      plain.subarray(0, -1024),
      Buffer.from('no tar'),
    ]) {
      await writeFile(archive, bytes);
      await rejection(bench.runtime.importImages(archive), 'RUNTIME_IMAGE_INVALID');
    }
    assert.equal(await bench.runtime.image('k3s.local/cut:1'), undefined);
    await rm(archive);
  });

  test('a full disk is told by that name, brings no half image, and the same archive goes in afterwards', async (bench, node) => {
    const reference = 'k3s.local/full:1';
    const archive = join(node.directory, 'full.tar');
    await writeFile(archive, await boxArchive({ reference, layout: 'docker', salt: 'full' }));
    // Where containerd writes what comes in, before it is whole.
    const incoming = join(node.paths.agent.containerdDir, 'io.containerd.content.v1.content/ingest');
    await run('mount', ['-t', 'tmpfs', '-o', 'size=4k', 'none', incoming]);
    try {
      await writeFile(join(incoming, 'all-there-is'), Buffer.alloc(4096));
      await assert.rejects(bench.runtime.importImages(archive), error => {
        // By these words the import of the folder knows that it is to try again.
        assert.match(errorText(error), /no space left on device/);
        return true;
      });
    } finally {
      await run('umount', ['--lazy', incoming]);
    }
    assert.equal(await bench.runtime.image(reference), undefined);
    await bench.runtime.importImages(archive);
    await bench.runtime.removeImage(reference);
    await rm(archive);
  });

  test('archives in the folder are imported when they appear, and kept from collection', async (bench, node) => {
    const folder = node.paths.agent.imagesDir;
    const reference = 'k3s.local/airgap:1';
    await writeFile(join(folder, 'bad.tar'), 'no tar at all');
    await writeFile(join(folder, 'part'), await boxArchive({ reference, layout: 'docker', salt: reference }));
    await rename(join(folder, 'part'), join(folder, 'good.tar'));
    for (const deadline = Date.now() + 10_000; !(await bench.runtime.image(reference));) {
      assert.ok(Date.now() < deadline, 'not imported');
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    for (const deadline = Date.now() + 10_000; !(await bench.runtime.image(reference))!.pinned;) {
      assert.ok(Date.now() < deadline, 'not kept');
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    const complaint = node.records.find(record => record.level === 'error' && JSON.stringify(record.fields).includes('bad.tar'));
    assert.ok(complaint, 'the bad one is reported');
    await rm(join(folder, 'bad.tar'));
    await rm(join(folder, 'good.tar'));
    await bench.runtime.removeImage(reference);
  });

  test('the sandbox image is there without a registry, and is kept', async bench => {
    const pause = (await bench.runtime.listImages()).find(image => image.tags.includes('k3s.local/pause:1'));
    assert.equal(pause?.pinned, true);
  });

  test('a registry that does not answer and a bad name are told apart', async bench => {
    await rejection(bench.runtime.pullImage('127.0.0.1:1/nobody/home:1', {}), 'RUNTIME_REGISTRY_UNAVAILABLE');
    await rejection(bench.runtime.pullImage('Not A Name', {}), 'RUNTIME_IMAGE_INVALID');
  });
}

function registryCases(test: Case): void {
  const credentials = { username: 'someone', password: 'secret' };

  test('pull with credentials, without, with wrong ones, and of what is not there', async bench => {
    const registry = await new ImageRegistry({ images: ['team/box:1'], credentials }).start();
    const { host } = registry;
    try {
      const reference = `${host}/team/box:1`;
      await rejection(bench.runtime.pullImage(reference, {}), 'RUNTIME_IMAGE_UNAUTHORIZED');
      const wrong = { auth: { ...credentials, password: 'wrong' } };
      await rejection(bench.runtime.pullImage(reference, wrong), 'RUNTIME_IMAGE_UNAUTHORIZED');
      const missing = bench.runtime.pullImage(`${host}/team/other:1`, { auth: credentials });
      await rejection(missing, 'RUNTIME_IMAGE_NOT_FOUND');
      const id = await bench.runtime.pullImage(reference, { auth: credentials });
      const image = await bench.runtime.image(reference);
      assert.equal(image?.id, id);
      assert.deepEqual(image.tags, [reference]);
      assert.match(image.digests[0] ?? '', /^127\.0\.0\.1:\d+\/team\/box@sha256:/);
      const container = await bench.run(await bench.sandbox(), 'cat /etc/salt', { image: id });
      assert.equal((await bench.ended(container)).imageReference, image.digests[0]);
      assert.equal((await bench.log(container)).trim(), 'team/box:1');
      await bench.runtime.removeImage(reference);
    } finally {
      await registry.stop();
    }
    await rejection(bench.runtime.pullImage(`${host}/team/box:2`, {}), 'RUNTIME_REGISTRY_UNAVAILABLE');
  });

  test('registries.yaml: a mirror with TLS, credentials and a rewrite; pods go on when it changes', async (bench, node) => {
    const authority = await createAuthority('registry test');
    const key = generatePrivateKeyPem();
    const cert = await authority.issue(key, { commonName: 'registry', subjectAltNames: ['127.0.0.1'], usages: ['server'] });
    const mirror = await new ImageRegistry({
      images: ['copies/team/box:1'],
      credentials,
      tls: { cert, key },
    }).start();
    const running = await bench.run(await bench.sandbox(), 'sleep 1000');
    const pid = pidOf(running);
    const caFile = join(node.directory, 'ca.pem');
    await writeFile(caFile, authority.certificatePem);
    try {
      const registries = {
        mirrors: { 'registry.invalid': { endpoint: [`https://${mirror.host}`], rewrite: { '^(.*)$': 'copies/$1' } } },
        configs: { [mirror.host]: { auth: credentials, tls: { ca_file: caFile } } },
      };
      await writeFile(node.paths.registriesFile, JSON.stringify(registries));
      await node.restart();
      const { runtime } = node.part;
      const id = await runtime.pullImage('registry.invalid/team/box:1', {});
      assert.equal((await runtime.image('registry.invalid/team/box:1'))?.id, id);
      assert.ok(
        mirror.requests.some(request => request.endsWith('copies/team/box/manifests/1 allowed')),
        mirror.requests.join('\n'),
      );
      assert.equal(pidOf(running), pid);
      await runtime.removeImage('registry.invalid/team/box:1');
    } finally {
      await mirror.stop();
      await rm(node.paths.registriesFile, { force: true });
      await node.restart();
    }
    await rejection(node.part.runtime.pullImage('registry.invalid/team/box:1', {}), 'RUNTIME_REGISTRY_UNAVAILABLE');
  });
}

function processCases(test: Case): void {
  test('all is removed, with containerd and also when it does not come up; images stay', async (bench, node) => {
    await bench.run(await bench.sandbox(), 'sleep 1000');
    await node.part.removeAll(AbortSignal.timeout(30_000));
    assert.equal(existsSync(node.part.socket), false);
    assert.deepEqual(hostLeftovers(node.directory), []);
    node.part = node.newPart();
    await startPart(node.part);
    assert.ok(await node.part.runtime.image(boxReference));
    const again = new RuntimeWorkbench(node.subject);
    const id = await again.run(await again.sandbox(), 'sleep 1000');
    const pid = pidOf(id);
    await node.part.stop();
    const owner = JSON.parse(await readFile(join(node.paths.runDir, 'containerd/owner.json'), 'utf8')) as { pid: number };
    process.kill(owner.pid, 'SIGKILL');
    const broken = new ContainerdPart({ ...node.part.settings, paths: { ...node.paths, binDir: '/dev/null/bin' } });
    await broken.removeAll(AbortSignal.timeout(30_000));
    for (const deadline = Date.now() + 5000; existsSync(`/proc/${pid}`);) {
      assert.ok(Date.now() < deadline, 'the container runs on');
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    assert.deepEqual(hostLeftovers(node.directory), []);
    node.part = node.newPart();
    await startPart(node.part);
    const { runtime } = node.part;
    for (const sandbox of await runtime.listSandboxes()) {
      await runtime.stopSandbox(sandbox.id);
      await runtime.removeSandbox(sandbox.id);
    }
  });

  test('containerd killed comes back; pods go on, watchers are told, commands work', async (bench, node) => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    const pid = pidOf(id);
    const log = new EventLog(bench.runtime);
    const owner = JSON.parse(await readFile(join(node.paths.runDir, 'containerd/owner.json'), 'utf8')) as { pid: number };
    process.kill(owner.pid, 'SIGKILL');
    await log.until('the news of a gap', () => log.lost > 0);
    assert.equal((await bench.runtime.container(id)).state, 'running');
    assert.equal((await bench.runtime.execSync(id, ['true'], 10_000)).exitCode, 0);
    assert.equal(pidOf(id), pid);
    await bench.runtime.stopContainer(id, 0);
    await log.until('its exit', () => log.of(id).some(event => event.type === 'exited'));
    log.dispose();
  });

  test('the next start adopts it with its pods, and can make containers in them', async (bench, node) => {
    const sandbox = await bench.sandbox();
    const id = await bench.run(sandbox, 'sleep 1000');
    const pid = pidOf(id);
    await node.restart();
    assert.ok(node.records.some(({ message }) => message === 'containerd adopted'));
    const { runtime } = node.part;
    assert.equal((await runtime.container(id)).state, 'running');
    assert.equal(pidOf(id), pid);
    const second = await runtime.createContainer(sandbox, containerSpec(node.subject, 'echo second', { name: 'second' }));
    await runtime.startContainer(second);
    const other = new RuntimeWorkbench(node.subject);
    assert.equal((await other.ended(second)).exitCode, 0);
    assert.equal(await other.log(second), 'second\n');
    assert.ok(await runtime.image(boxReference));
  });

  test('another one on the same socket is refused', async (_bench, node) => {
    const ownerFile = join(node.paths.runDir, 'containerd/owner.json');
    const saved = await readFile(ownerFile, 'utf8');
    // Neither the owner's record nor the mark on its command line: nobody can say whose it is.
    await rm(ownerFile);
    const elsewhere = { ...node.paths, agent: { ...node.paths.agent, etcDir: join(node.directory, 'elsewhere') } };
    const foreign = new ContainerdPart({ ...node.part.settings, paths: elsewhere });
    const error = await rejection(foreign.start(AbortSignal.timeout(20_000)), 'PROCESS_FOREIGN');
    assert.match(error.message, /another containerd answers/);
    await foreign.stop();
    await writeFile(ownerFile, saved);
  });
}

function digest(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}
