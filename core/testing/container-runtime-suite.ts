import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { errorCode } from '../plugin-api/index.js';
import type {
  ContainerRuntime,
  ContainerSpec,
  ContainerState,
  RuntimeEvent,
  SandboxSpec,
} from '../contracts/container-runtime.js';
import type { TestRunner } from './test-runner.js';

/** A runtime under test, started. Several cases share it; each makes sandboxes of its own and removes them. */
export interface RuntimeUnderTest {
  readonly runtime: ContainerRuntime;
  /** An image that is there, with `sh`, `echo` and `sleep` on its PATH. */
  readonly image: string;
  /** An existing folder for logs. */
  readonly logDirectory: string;
  /** Root of the cgroups of its pods; '' for the runtime's default. */
  readonly cgroupRoot: string;
}

const patienceMs = 15_000;

/** A sandbox of an ordinary pod with a uid of its own. */
export function sandboxSpec(subject: RuntimeUnderTest, changes: Partial<SandboxSpec> = {}): SandboxSpec {
  const podUid = changes.podUid ?? randomUUID();
  return {
    podUid,
    podName: `pod-${podUid.slice(0, 8)}`,
    podNamespace: 'default',
    attempt: 0,
    hostname: 'suite',
    logDirectory: join(subject.logDirectory, podUid),
    labels: { app: 'suite' },
    annotations: { note: 'of the suite' },
    dns: { servers: ['10.43.0.10'], searches: ['default.svc.cluster.local'], options: ['ndots:5'] },
    portMappings: [],
    hostNetwork: false,
    hostPid: false,
    hostIpc: false,
    sharePid: false,
    cgroupParent: subject.cgroupRoot && `${subject.cgroupRoot}/pod${podUid}`,
    sysctls: {},
    runtimeHandler: '',
    security: {
      privileged: false,
      supplementalGroups: [],
      readOnlyRootFilesystem: false,
      seccomp: { type: 'RuntimeDefault' },
    },
    ...changes,
  };
}

/** A container that runs a shell script. */
export function containerSpec(subject: RuntimeUnderTest, script: string, changes: Partial<ContainerSpec> = {}): ContainerSpec {
  const name = changes.name ?? 'main';
  return {
    name,
    attempt: 0,
    image: subject.image,
    userImage: subject.image,
    command: ['sh', '-c', script],
    args: [],
    workingDirectory: '',
    environment: [{ name: 'GREETING', value: 'hello there' }],
    mounts: [],
    devices: [],
    labels: { part: name },
    annotations: { note: 'of a container' },
    logPath: `${name}.log`,
    stdin: false,
    stdinOnce: false,
    tty: false,
    resources: { cpuShares: 128, memoryLimitBytes: 64 * 1024 * 1024, oomScoreAdjust: 900 },
    security: {
      privileged: false,
      supplementalGroups: [],
      readOnlyRootFilesystem: false,
      noNewPrivileges: false,
      addCapabilities: [],
      dropCapabilities: [],
      seccomp: { type: 'RuntimeDefault' },
      maskedPaths: ['/proc/kcore'],
      readonlyPaths: ['/proc/sys', '/proc/sysrq-trigger'],
    },
    pidMode: 'container',
    ...changes,
  };
}

/** What a case works with: makes sandboxes and containers, and removes them at its end. */
export class RuntimeWorkbench {
  readonly subject: RuntimeUnderTest;
  readonly runtime: ContainerRuntime;
  readonly #sandboxes = new Set<string>();

  constructor(subject: RuntimeUnderTest) {
    this.subject = subject;
    this.runtime = subject.runtime;
  }

  async sandbox(changes: Partial<SandboxSpec> = {}): Promise<string> {
    const id = await this.runtime.runSandbox(sandboxSpec(this.subject, changes));
    this.#sandboxes.add(id);
    return id;
  }

  /** A started container. */
  async run(sandboxId: string, script: string, changes: Partial<ContainerSpec> = {}): Promise<string> {
    const id = await this.runtime.createContainer(sandboxId, containerSpec(this.subject, script, changes));
    await this.runtime.startContainer(id);
    return id;
  }

  /** Its state when it has ended. */
  async ended(containerId: string): Promise<ContainerState> {
    for (const deadline = Date.now() + patienceMs; ;) {
      const state = await this.runtime.container(containerId);
      if (state.state === 'exited') return state;
      assert.ok(Date.now() < deadline, `container is still ${state.state}`);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }

  /** The log's text without times and tags. */
  async log(containerId: string): Promise<string> {
    const raw = this.runtime.logs
      ? await text(this.runtime.logs(containerId, { follow: false }))
      : await readFile((await this.runtime.container(containerId)).logPath, 'utf8');
    return raw.replace(/^\S+ (?:stdout|stderr) [FP] /gm, '');
  }

  async dispose(): Promise<void> {
    for (const id of this.#sandboxes) {
      await this.runtime.stopSandbox(id);
      await this.runtime.removeSandbox(id);
    }
  }
}

/** Notes events, and waits for one. */
export class EventLog {
  readonly events: RuntimeEvent[] = [];
  lost = 0;
  readonly #watching: { dispose(): void | Promise<void> };
  #wakes: (() => void)[] = [];

  constructor(runtime: ContainerRuntime) {
    const wake = (): void => this.#wakes.splice(0).forEach(call => call());
    this.#watching = runtime.watch({
      event: event => {
        this.events.push(event);
        wake();
      },
      lost: () => {
        this.lost++;
        wake();
      },
    });
  }

  of(id: string): RuntimeEvent[] {
    return this.events.filter(event => event.id === id);
  }

  /** Resolves when `condition` holds, looked at after each event. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const giveUp = AbortSignal.timeout(patienceMs);
    while (!condition()) {
      await new Promise<void>((resolve, reject) => {
        const onAbort = (): void => reject(new Error(`waited in vain for ${what}`));
        giveUp.addEventListener('abort', onAbort, { once: true });
        this.#wakes.push(() => {
          giveUp.removeEventListener('abort', onAbort);
          resolve();
        });
      });
    }
  }

  dispose(): void {
    void this.#watching.dispose();
  }
}

/** Asserts that the promise rejects with the code. */
export async function rejectsWith(promise: Promise<unknown>, code: string): Promise<Error> {
  const outcome = await promise.then(
    value => ({ value }),
    (error: unknown) => ({ error }),
  );
  assert.ok('error' in outcome, `expected ${code}, but it was resolved`);
  assert.equal(errorCode(outcome.error), code, String(outcome.error));
  return outcome.error as Error;
}

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
    await rejectsWith(bench.runtime.sandbox(id), 'RUNTIME_NOT_FOUND');
    assert.ok(!(await bench.runtime.listContainers()).some(state => state.id === container), 'its containers are gone');
    await bench.runtime.stopSandbox(id);
    await bench.runtime.removeSandbox(id);
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
    await rejectsWith(bench.runtime.container(id), 'RUNTIME_NOT_FOUND');
    await bench.runtime.removeContainer(id);
    await bench.runtime.stopContainer(id, 1);
  });

  test('an unknown sandbox, image or container is told', async bench => {
    const { runtime, subject } = bench;
    const nobody = 'f'.repeat(64);
    await rejectsWith(runtime.createContainer(nobody, containerSpec(subject, 'true')), 'RUNTIME_NOT_FOUND');
    const sandbox = await bench.sandbox();
    const other = containerSpec(subject, 'true', { image: 'k3s.invalid/nothing:1' });
    await rejectsWith(runtime.createContainer(sandbox, other), 'RUNTIME_NOT_FOUND');
    await rejectsWith(runtime.startContainer(nobody), 'RUNTIME_NOT_FOUND');
    await rejectsWith(runtime.container(nobody), 'RUNTIME_NOT_FOUND');
  });

  test('resources can be changed while it runs', async bench => {
    const id = await bench.run(await bench.sandbox(), 'sleep 1000');
    await bench.runtime.updateContainerResources(id, { cpuShares: 256, memoryLimitBytes: 128 * 1024 * 1024 });
    assert.equal((await bench.runtime.container(id)).state, 'running');
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
    await rejectsWith(bench.runtime.execSync(id, ['sleep', '30'], 300), 'RUNTIME_TIMEOUT');
    assert.equal((await bench.runtime.container(id)).state, 'running');
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
    await rejectsWith(bench.runtime.execSync('f'.repeat(64), ['true'], 1000), 'RUNTIME_NOT_FOUND');
    const ended = await bench.run(sandbox, 'exit 0');
    await bench.ended(ended);
    await assert.rejects(bench.runtime.execSync(ended, ['true'], 1000));
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
  });
}

function eventCases(test: Case): void {
  test('what happens to a container is told in order, and its state agrees with it at once', async bench => {
    const sandbox = await bench.sandbox();
    const log = new EventLog(bench.runtime);
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
    const log = new EventLog(bench.runtime);
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
    const other = new EventLog(bench.runtime);
    const next = await bench.sandbox();
    await other.until('the start of the next', () => other.of(next).some(event => event.type === 'started'));
    other.dispose();
    assert.equal(log.events.length, count);
  });
}
