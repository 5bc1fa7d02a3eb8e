import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type {
  ContainerRuntime,
  ContainerSpec,
  ContainerState,
  RuntimeEvent,
  SandboxSpec,
} from '../contracts/container-runtime.js';

/** A runtime under test, started. Several cases share it; each makes sandboxes of its own and removes them. */
export interface RuntimeUnderTest {
  readonly runtime: ContainerRuntime;
  /** An image that is there, with `sh`, `echo` and `sleep` on its PATH. */
  readonly image: string;
  /** An existing folder for logs. */
  readonly logDirectory: string;
  /** Root of the cgroups of its pods; '' for the runtime's default. */
  readonly cgroupRoot: string;
  /** Another image that `pullImage` brings; absent: pulls are not looked at. */
  readonly otherImage?: string;
  /** Ends the runtime as an orderly stop of k3s does, and starts it as the next start does; absent where its containers end with it. */
  restart?(): Promise<ContainerRuntime>;
  /** How long a case waits for what must come; 15 s when absent. */
  readonly patienceMs?: number;
}

const defaultPatienceMs = 15_000;

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
  runtime: ContainerRuntime;
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
    let state = await this.runtime.container(containerId);
    await this.until('the end of the container', async () => {
      state = await this.runtime.container(containerId);
      return state.state === 'exited';
    });
    return state;
  }

  /** Resolves when `condition` holds, looked at again and again. */
  async until(what: string, condition: () => Promise<boolean>): Promise<void> {
    const { patienceMs = defaultPatienceMs } = this.subject;
    for (const deadline = Date.now() + patienceMs; !(await condition());) {
      assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
      await new Promise(resolve => setTimeout(resolve, 10));
    }
  }

  /** The log as it is kept. */
  async rawLog(containerId: string): Promise<string> {
    return this.runtime.logs
      ? text(this.runtime.logs(containerId, { follow: false }))
      : readFile((await this.runtime.container(containerId)).logPath, 'utf8');
  }

  /** The log's text without times and tags. */
  async log(containerId: string): Promise<string> {
    return (await this.rawLog(containerId)).replace(/^\S+ (?:stdout|stderr) [FP] /gm, '');
  }

  /** The runtime after an end and a new start. False where it keeps nothing. */
  async restart(): Promise<boolean> {
    if (!this.subject.restart) return false;
    this.runtime = await this.subject.restart();
    return true;
  }

  /** Hears what the runtime tells from now on. */
  events(): EventLog {
    return new EventLog(this.runtime, this.subject.patienceMs);
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
  readonly #patienceMs: number;
  #wakes: (() => void)[] = [];

  constructor(runtime: ContainerRuntime, patienceMs = defaultPatienceMs) {
    this.#patienceMs = patienceMs;
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
    const giveUp = AbortSignal.timeout(this.#patienceMs);
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
