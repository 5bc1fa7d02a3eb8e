import assert from 'node:assert/strict';
import { text } from 'node:stream/consumers';
import type { RuntimeEvent } from '../contracts/container-runtime.js';
import { containerSpec, RuntimeWorkbench, sandboxSpec } from './container-runtime-suite-support.js';
import type { RuntimeUnderTest } from './container-runtime-suite-support.js';
import { rejection } from './rejection.js';
import type { TestRunner } from './test-runner.js';

export * from './container-runtime-suite-support.js';

type Case = (name: string, body: (bench: RuntimeWorkbench) => Promise<void>) => void;

/** Every promise of the ContainerRuntime contract that all runtimes keep. `subject` is called by each case. */
export function containerRuntimeSuite({ describe, it }: TestRunner, subject: () => RuntimeUnderTest): void {
  const test: Case = (name, body) =>
    it(name, async () => {
      const bench = new RuntimeWorkbench(subject());
      try {
        await body(bench);
      } finally {
        await bench.dispose();
      }
    });
  describe('sandboxes', () => sandboxCases(test));
  describe('containers', () => containerCases(test));
  describe('commands', () => commandCases(test));
  describe('images and usage', () => imageCases(test));
  describe('events', () => eventCases(test));
  describe('a new start', () => restartCases(test));
}

function sandboxCases(test: Case): void {
  test('the runtime says who it is and that it is ready', async ({ runtime }) => {
    const status = await runtime.status();
    assert.ok(status.name && status.version, 'name and version');
    assert.equal(status.ready, true, status.message);
    assert.equal(status.networkReady, true, status.networkMessage);
    assert.ok(
      status.handlers.some(({ name }) => name === ''),
      'the default handler',
    );
  });

  test('a sandbox has what it was told, and an address', async bench => {
    const spec = sandboxSpec(bench.subject);
    const id = await bench.sandbox(spec);
    const state = await bench.runtime.sandbox(id);
    const { podUid, podName, podNamespace, attempt, ready, runtimeHandler } = state;
    assert.deepEqual(
      { podUid, podName, podNamespace, attempt, ready, runtimeHandler },
      { podUid: spec.podUid, podName: spec.podName, podNamespace: 'default', attempt: 0, ready: true, runtimeHandler: '' },
    );
    assert.match(state.ips[0] ?? '', /^[0-9a-f.:]+$/);
    assert.equal(state.labels['app'], 'suite');
    assert.equal(state.annotations['note'], 'of the suite');
    assert.ok(Math.abs(state.createdAtMs - Date.now()) < 60_000, 'time of creation');
    const listed = (await bench.runtime.listSandboxes()).find(sandbox => sandbox.id === id);
    assert.deepEqual({ ...listed, ips: [...(listed?.ips ?? [])] }, { ...state, ips: [...state.ips] });
  });

  test('the same uid and attempt is the same sandbox, also at the same time', async bench => {
    const spec = sandboxSpec(bench.subject);
    const ids = await Promise.all([bench.sandbox(spec), bench.sandbox(spec)]);
    assert.equal(ids[0], ids[1]);
    assert.equal(await bench.sandbox(spec), ids[0]);
    await bench.runtime.stopSandbox(ids[0]!);
    assert.notEqual(await bench.sandbox({ ...spec, attempt: 1 }), ids[0]);
  });

  test('many sandboxes at once get addresses of their own', async bench => {
    const ids = await Promise.all(Array.from({ length: 6 }, () => bench.sandbox()));
    const states = await Promise.all(ids.map(id => bench.runtime.sandbox(id)));
    assert.equal(new Set(states.flatMap(state => state.ips)).size, 6);
  });

  test("a sandbox on the node's network has no address of its own", async bench => {
    const id = await bench.sandbox({ hostNetwork: true });
    assert.deepEqual([...(await bench.runtime.sandbox(id)).ips], []);
  });

  test('stopping ends its containers, twice is no error, and neither is what is gone', async bench => {
    const id = await bench.sandbox();
    const container = await bench.run(id, 'sleep 1000');
    await bench.runtime.stopSandbox(id);
    assert.equal((await bench.runtime.sandbox(id)).ready, false);
    assert.equal((await bench.ended(container)).state, 'exited');
    await bench.runtime.stopSandbox(id);
    await bench.runtime.removeSandbox(id);
    await rejection(bench.runtime.sandbox(id), 'RUNTIME_NOT_FOUND');
    assert.ok(!(await bench.runtime.listContainers()).some(state => state.id === container), 'its containers are gone');
    await bench.runtime.stopSandbox(id);
    await bench.runtime.removeSandbox(id);
  });

  test('nothing is started in a sandbox that was stopped', async bench => {
    const id = await bench.sandbox();
    const container = await bench.runtime.createContainer(id, containerSpec(bench.subject, 'sleep 1000'));
    await bench.runtime.stopSandbox(id);
    await assert.rejects(bench.runtime.startContainer(container));
    assert.notEqual((await bench.runtime.container(container)).state, 'running');
  });
}

function containerCases(test: Case): void {
  test('a container is created, runs, ends with its code and leaves its log', async bench => {
    const sandbox = await bench.sandbox();
    const spec = containerSpec(bench.subject, 'echo $GREETING; sleep 0.1; exit 3');
    const id = await bench.runtime.createContainer(sandbox, spec);
    const created = await bench.runtime.container(id);
    assert.equal(created.state, 'created');
    assert.equal(created.startedAtMs, undefined);
    await bench.runtime.startContainer(id);
    const running = await bench.runtime.container(id);
    assert.ok(running.startedAtMs, 'time of start');
    const ended = await bench.ended(id);
    assert.equal(ended.exitCode, 3);
    assert.equal(ended.reason, 'Error');
    assert.ok(ended.finishedAtMs! >= ended.startedAtMs!, 'it ended after its start');
    assert.equal(ended.sandboxId, sandbox);
    assert.equal(ended.name, 'main');
    assert.equal(ended.labels['part'], 'main');
    assert.equal(ended.annotations['note'], 'of a container');
    assert.equal(ended.imageId, (await bench.runtime.image(bench.subject.image))!.id);
    assert.match(await bench.log(id), /^hello there$/m);
  });

  test('one that ends well says Completed', async bench => {
    const id = await bench.run(await bench.sandbox(), 'exit 0');
    const { exitCode, reason } = await bench.ended(id);
    assert.deepEqual({ exitCode, reason }, { exitCode: 0, reason: 'Completed' });
  });

  test('the same name and attempt is the same container; a start twice is one start', async bench => {
    const sandbox = await bench.sandbox();
    const spec = containerSpec(bench.subject, 'sleep 1000');
    const id = await bench.runtime.createContainer(sandbox, spec);
    assert.equal(await bench.runtime.createContainer(sandbox, spec), id);
    await bench.runtime.startContainer(id);
    await bench.runtime.startContainer(id);
    const next = await bench.runtime.createContainer(sandbox, { ...spec, attempt: 1 });
    assert.notEqual(next, id);
    const listed = (await bench.runtime.listContainers()).filter(state => state.sandboxId === sandbox);
    assert.deepEqual(listed.map(state => [state.attempt, state.state]).sort(), [
      [0, 'running'],
      [1, 'created'],
    ]);
  });

  test('stopping ends it, also when it does not listen, and twice', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    await Promise.all([bench.runtime.stopContainer(id, 1), bench.runtime.stopContainer(id, 0)]);
    const { state, exitCode } = await bench.runtime.container(id);
    assert.equal(state, 'exited');
    assert.notEqual(exitCode, 0);
    await bench.runtime.stopContainer(id, 1);
  });

  test('a running container can be removed; what is gone is no error', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    await bench.runtime.removeContainer(id);
    await rejection(bench.runtime.container(id), 'RUNTIME_NOT_FOUND');
    await bench.runtime.removeContainer(id);
    await bench.runtime.stopContainer(id, 1);
  });

  test('an unknown sandbox, image or container is told', async bench => {
    const { runtime, subject } = bench;
    const nobody = 'f'.repeat(64);
    await rejection(runtime.createContainer(nobody, containerSpec(subject, 'true')), 'RUNTIME_NOT_FOUND');
    const sandbox = await bench.sandbox();
    const other = containerSpec(subject, 'true', { image: 'k3s.invalid/nothing:1' });
    await rejection(runtime.createContainer(sandbox, other), 'RUNTIME_NOT_FOUND');
    await rejection(runtime.startContainer(nobody), 'RUNTIME_NOT_FOUND');
    await rejection(runtime.container(nobody), 'RUNTIME_NOT_FOUND');
  });

  test('resources can be changed while it runs', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    await bench.runtime.updateContainerResources(id, { cpuShares: 256, memoryLimitBytes: 128 * 1024 * 1024 });
    assert.equal((await bench.runtime.container(id)).state, 'running');
    await rejection(bench.runtime.updateContainerResources('f'.repeat(64), { cpuShares: 2 }), 'RUNTIME_NOT_FOUND');
  });

  test('a log is in CRI format, line by line, and can be opened anew', async bench => {
    const id = await bench.run(await bench.sandbox(), 'echo one; echo two; sleep 1000');
    await bench.until('its second line', async () => (await bench.log(id)).includes('two'));
    const lines = (await bench.rawLog(id)).trimEnd().split('\n');
    assert.equal(lines.length, 2, lines.join('|'));
    for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) stdout F (one|two)$/);
    await bench.runtime.reopenLog(id);
    await rejection(bench.runtime.reopenLog('f'.repeat(64)), 'RUNTIME_NOT_FOUND');
  });
}

function commandCases(test: Case): void {
  test('a command gives its output and code', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    const result = await bench.runtime.execSync(id, ['sh', '-c', 'echo $GREETING; exit 4'], 10_000);
    assert.equal(result.exitCode, 4);
    assert.equal(result.stdout.toString(), 'hello there\n');
    assert.equal(result.stderr.toString(), '');
  });

  test('a command that takes too long is told', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    await rejection(bench.runtime.execSync(id, ['sleep', '30'], 300), 'RUNTIME_TIMEOUT');
    assert.equal((await bench.runtime.container(id)).state, 'running');
  });

  test('a long output is cut at 16 KB', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    const { exitCode, stdout } = await bench.runtime.execSync(id, ['echo', 'x'.repeat(20_000)], 10_000);
    assert.deepEqual([exitCode, stdout.length, stdout.toString().replaceAll('x', '')], [0, 16 * 1024, '']);
  });

  test('a command with streams', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    const session = await bench.runtime.exec(id, {
      command: ['sh', '-c', 'echo $GREETING; exit 5'],
      tty: false,
      stdin: false,
      stdout: true,
      stderr: true,
    });
    assert.equal(session.stdin, undefined);
    assert.equal(await text(session.stdout!), 'hello there\n');
    assert.equal(await session.exited, 5);
  });

  test('a command where nothing runs is refused', async bench => {
    const sandbox = await bench.sandbox();
    await rejection(bench.runtime.execSync('f'.repeat(64), ['true'], 1000), 'RUNTIME_NOT_FOUND');
    const ended = await bench.run(sandbox, 'exit 0');
    await bench.ended(ended);
    await assert.rejects(bench.runtime.execSync(ended, ['true'], 1000));
    const streams = { tty: false, stdin: false, stdout: true, stderr: true };
    await assert.rejects(bench.runtime.exec(ended, { command: ['true'], ...streams }));
    await rejection(bench.runtime.attach('f'.repeat(64), streams), 'RUNTIME_NOT_FOUND');
  });

  test("attach follows the container's output to its end", async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 0.3; echo late; sleep 0.1; exit 0');
    const session = await bench.runtime.attach(id, { tty: false, stdin: false, stdout: true, stderr: true });
    assert.equal(await text(session.stdout!), 'late\n');
    await session.exited;
  });

  test('a port of a sandbox that is not there is refused', async ({ runtime }) => {
    await rejection(runtime.portForward('f'.repeat(64), 80), 'RUNTIME_NOT_FOUND');
  });
}

function imageCases(test: Case): void {
  test('an image is found by name and by id, and one that is not here is undefined', async ({ runtime, subject }) => {
    const image = await runtime.image(subject.image);
    assert.ok(image, 'by name');
    assert.ok(image.tags.some(tag => tag.endsWith(subject.image)) && image.sizeBytes > 0, JSON.stringify(image));
    assert.equal((await runtime.image(image.id))?.id, image.id);
    assert.ok(
      (await runtime.listImages()).some(entry => entry.id === image.id),
      'in the list',
    );
    assert.equal(await runtime.image('k3s.invalid/nothing:1'), undefined);
    await runtime.removeImage('k3s.invalid/nothing:1');
    assert.ok((await runtime.imageFilesystem()).path, 'its file system');
  });

  test('an image is pulled once, and removed', async ({ runtime, subject: { otherImage } }) => {
    if (otherImage === undefined) return;
    const id = await runtime.pullImage(otherImage, {});
    assert.equal(await runtime.pullImage(otherImage, {}), id);
    assert.equal((await runtime.image(otherImage))?.id, id);
    assert.equal((await runtime.listImages()).filter(image => image.id === id).length, 1);
    await runtime.removeImage(otherImage);
    assert.equal(await runtime.image(otherImage), undefined);
    await runtime.removeImage(otherImage);
  });

  test('usage of what runs', async bench => {
    const sandbox = await bench.sandbox();
    const id = await bench.run(sandbox, 'sleep 1000');
    const [mine, ...others] = await bench.runtime.stats(sandbox);
    assert.equal(others.length, 0);
    assert.equal(mine?.containerId, id);
    assert.equal(mine.sandboxId, sandbox);
    assert.equal(mine.name, 'main');
    assert.ok(mine.memoryWorkingSetBytes > 0, 'memory');
    assert.ok(Math.abs(mine.timeMs - Date.now()) < 60_000, 'time');
    assert.ok(
      (await bench.runtime.stats()).some(entry => entry.containerId === id),
      'among all',
    );
    await bench.runtime.stopContainer(id, 0);
    assert.deepEqual(await bench.runtime.stats(sandbox), [], 'of what ended');
  });
}

function eventCases(test: Case): void {
  test('what happens to a container is told in order, and its state agrees with it at once', async bench => {
    const sandbox = await bench.sandbox();
    const log = bench.events();
    try {
      const id = await bench.runtime.createContainer(sandbox, containerSpec(bench.subject, 'sleep 0.2; exit 6'));
      await bench.runtime.startContainer(id);
      await log.until('its exit', () => log.of(id).some(event => event.type === 'exited'));
      const state = await bench.runtime.container(id);
      assert.deepEqual([state.state, state.exitCode], ['exited', 6]);
      const listed = (await bench.runtime.listContainers()).find(entry => entry.id === id);
      assert.deepEqual([listed?.state, listed?.exitCode], ['exited', 6]);
      await bench.runtime.removeContainer(id);
      await log.until('its removal', () => log.of(id).some(event => event.type === 'removed'));
      assert.deepEqual(
        log.of(id).map(event => [event.type, event.kind, event.exitCode]),
        [
          ['created', 'container', undefined],
          ['started', 'container', undefined],
          ['exited', 'container', 6],
          ['removed', 'container', undefined],
        ],
      );
      const exit = log.of(id).find(event => event.type === 'exited');
      assert.ok(Math.abs(exit!.exitedAtMs! - state.finishedAtMs!) < 1000, 'time of the exit');
    } finally {
      log.dispose();
    }
  });

  test('what happens to a sandbox is told, and nothing more after dispose', async bench => {
    const log = bench.events();
    const id = await bench.sandbox();
    await log.until('its start', () => log.of(id).some(event => event.type === 'started'));
    await bench.runtime.stopSandbox(id);
    await log.until('its end', () => log.of(id).some(event => event.type === 'exited'));
    assert.deepEqual(
      log.of(id).map(event => [event.type, event.kind]),
      [
        ['created', 'sandbox'],
        ['started', 'sandbox'],
        ['exited', 'sandbox'],
      ],
    );
    log.dispose();
    const count = log.events.length;
    const other = bench.events();
    const next = await bench.sandbox();
    await other.until('the start of the next', () => other.of(next).some(event => event.type === 'started'));
    other.dispose();
    assert.equal(log.events.length, count);
  });

  test('events never come from within a call, and every listener hears all', async bench => {
    const calls: string[] = [];
    let inside = false;
    const hear = (who: string) => (event: RuntimeEvent) => void calls.push(`${who} ${event.id} ${event.type} ${inside}`);
    const watching = ['one', 'two'].map(who => bench.runtime.watch({ event: hear(who), lost: () => undefined }));
    const log = bench.events();
    try {
      inside = true;
      const running = bench.sandbox();
      inside = false;
      const id = await running;
      await log.until('its start', () => log.of(id).some(event => event.type === 'started'));
      for (const who of ['one', 'two']) {
        const heard = calls.filter(call => call.startsWith(`${who} ${id} `));
        assert.deepEqual(heard, [`${who} ${id} created false`, `${who} ${id} started false`]);
      }
    } finally {
      log.dispose();
      for (const each of watching) await each.dispose();
    }
  });
}

function restartCases(test: Case): void {
  test('finds what runs and what ended, under their ids', async bench => {
    if (!bench.subject.restart) return;
    const spec = sandboxSpec(bench.subject);
    const sandbox = await bench.sandbox(spec);
    const running = await bench.run(sandbox, 'sleep 1000');
    const ended = await bench.run(sandbox, 'echo $GREETING; exit 9', { name: 'ended' });
    await bench.ended(ended);
    const before = await bench.runtime.sandbox(sandbox);
    await bench.restart();
    assert.deepEqual(await bench.runtime.sandbox(sandbox), before);
    assert.equal((await bench.runtime.container(running)).state, 'running');
    // An end that was told just before may be in the engine's books a moment later.
    assert.equal((await bench.ended(ended)).exitCode, 9);
    assert.equal(await bench.log(ended), 'hello there\n');
    assert.equal(await bench.sandbox(spec), sandbox);
    assert.equal((await bench.runtime.execSync(running, ['echo', 'there'], 10_000)).stdout.toString(), 'there\n');
    const log = bench.events();
    try {
      await bench.runtime.stopContainer(running, 0);
      await log.until('its exit', () => log.of(running).some(event => event.type === 'exited'));
    } finally {
      log.dispose();
    }
  });
}
