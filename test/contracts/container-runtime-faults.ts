import { createHash } from 'node:crypto';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { SystemClock } from '../../core/base/clock.js';
import type { Disposable } from '../../core/base/disposable.js';
import { CodedError, errorCode } from '../../core/base/errors.js';
import type {
  AttachOptions,
  ContainerRuntime,
  ContainerSpec,
  ContainerState,
  ContainerStats,
  ExecOptions,
  ExecResult,
  ExecSession,
  ImageState,
  PullOptions,
  RuntimeEvent,
  RuntimeStatus,
  SandboxSpec,
  SandboxState,
} from '../../core/contracts/container-runtime.js';
import { SimulatedRuntime } from '../../plugins/container-runtime/simulated/simulated-runtime.js';

export interface Fault {
  readonly name: string;
  /** All cases of the suite that notice it, in their order. */
  readonly noticedBy: readonly string[];
  readonly make: () => SoundRuntime;
}

type Listener = Parameters<ContainerRuntime['watch']>[0];

/** Its containers outlive a stop, as containerd's do. */
export class SoundRuntime extends SimulatedRuntime {
  constructor() {
    super({ clock: new SystemClock(), nodeName: 'suite', clusterCidrs: ['10.42.0.0/16'] });
  }

  restarted(): Promise<ContainerRuntime> {
    return Promise.resolve(this);
  }
}

class NeverReady extends SoundRuntime {
  override async status(): Promise<RuntimeStatus> {
    return { ...(await super.status()), ready: false };
  }
}

class LosesAnnotations extends SoundRuntime {
  override async sandbox(sandboxId: string): Promise<SandboxState> {
    return { ...(await super.sandbox(sandboxId)), annotations: {} };
  }
}

class MakesSandboxesTwice extends SoundRuntime {
  readonly #seen = new Set<string>();
  override runSandbox(spec: SandboxSpec): Promise<string> {
    const key = `${spec.podUid} ${spec.attempt}`;
    const attempt = this.#seen.has(key) ? spec.attempt + 1000 : spec.attempt;
    this.#seen.add(key);
    return super.runSandbox({ ...spec, attempt });
  }
}

class OneAddressForAll extends SoundRuntime {
  override async sandbox(sandboxId: string): Promise<SandboxState> {
    const state = await super.sandbox(sandboxId);
    return { ...state, ips: state.ips.map(() => '10.42.0.9') };
  }
  override async listSandboxes(): Promise<SandboxState[]> {
    return Promise.all((await super.listSandboxes()).map(({ id }) => this.sandbox(id)));
  }
}

class AddressOnHostNetwork extends SoundRuntime {
  override runSandbox(spec: SandboxSpec): Promise<string> {
    return super.runSandbox({ ...spec, hostNetwork: false });
  }
}

class MissesWhatIsGone extends SoundRuntime {
  override async stopSandbox(sandboxId: string): Promise<void> {
    await this.sandbox(sandboxId);
    return super.stopSandbox(sandboxId);
  }
}

class StartsWhereNothingRuns extends SoundRuntime {
  override async startContainer(containerId: string): Promise<void> {
    const { sandboxId } = await this.container(containerId);
    if ((await this.sandbox(sandboxId)).ready) await super.startContainer(containerId);
  }
}

class ForgetsExitCodes extends SoundRuntime {
  override async container(containerId: string): Promise<ContainerState> {
    const state = await super.container(containerId);
    return state.exitCode === undefined ? state : { ...state, exitCode: 0 };
  }
}

class EveryEndIsAnError extends SoundRuntime {
  override async container(containerId: string): Promise<ContainerState> {
    const state = await super.container(containerId);
    return state.reason === undefined ? state : { ...state, reason: 'Error' };
  }
}

class MakesContainersTwice extends SoundRuntime {
  readonly #seen = new Set<string>();
  override createContainer(sandboxId: string, spec: ContainerSpec): Promise<string> {
    const key = `${sandboxId} ${spec.name} ${spec.attempt}`;
    const attempt = this.#seen.has(key) ? spec.attempt + 1000 : spec.attempt;
    this.#seen.add(key);
    return super.createContainer(sandboxId, { ...spec, attempt });
  }
}

class RefusesSecondStart extends SoundRuntime {
  override async startContainer(containerId: string): Promise<void> {
    if ((await this.container(containerId)).state === 'running') throw new CodedError('RUNTIME_FAILED', 'it runs already');
    return super.startContainer(containerId);
  }
}

class StopsLater extends SoundRuntime {
  override stopContainer(containerId: string, graceSeconds: number): Promise<void> {
    setTimeout(() => void super.stopContainer(containerId, graceSeconds), 50);
    return Promise.resolve();
  }
}

class CannotRemoveTwice extends SoundRuntime {
  override async removeContainer(containerId: string): Promise<void> {
    await this.container(containerId);
    return super.removeContainer(containerId);
  }
}

class MakesUpImages extends SoundRuntime {
  override async createContainer(sandboxId: string, spec: ContainerSpec): Promise<string> {
    await this.pullImage(spec.image, {});
    return super.createContainer(sandboxId, spec);
  }
}

class ChangesNobodysResources extends SoundRuntime {
  override updateContainerResources(): Promise<void> {
    return Promise.resolve();
  }
}

class LogsWithoutTimes extends SoundRuntime {
  override logs(containerId: string, options: { readonly follow: boolean }): Readable {
    const lines = super.logs(containerId, options);
    return Readable.from(
      (async function* () {
        yield (await text(lines)).replace(/^\S+ /gm, 'now ');
      })(),
    );
  }
}

class CommandsAlwaysSucceed extends SoundRuntime {
  override async execSync(containerId: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    return { ...(await super.execSync(containerId, command, timeoutMs)), exitCode: 0 };
  }
}

class NeverTooLate extends SoundRuntime {
  override async execSync(containerId: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    try {
      return await super.execSync(containerId, command, timeoutMs);
    } catch (error) {
      if (errorCode(error) !== 'RUNTIME_TIMEOUT') throw error;
      return { exitCode: 137, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
    }
  }
}

class KeepsAllOutput extends SoundRuntime {
  override async execSync(containerId: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const result = await super.execSync(containerId, command, timeoutMs);
    return command[0] === 'echo' ? { ...result, stdout: Buffer.from(`${command[1]}\n`) } : result;
  }
}

class StreamsOfNothing extends SoundRuntime {
  override async exec(containerId: string, options: ExecOptions): Promise<ExecSession> {
    const session = await super.exec(containerId, options);
    return { ...session, stdout: new PassThrough().end() };
  }
}

class CommandsOfTheDead extends SoundRuntime {
  override async execSync(containerId: string, command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    if ((await this.container(containerId)).state === 'running') return super.execSync(containerId, command, timeoutMs);
    return { exitCode: 0, stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };
  }
}

class AttachesToNothing extends SoundRuntime {
  override async attach(containerId: string, options: AttachOptions): Promise<ExecSession> {
    const session = await super.attach(containerId, options);
    session.close();
    return { ...session, stdout: new PassThrough().end(), exited: Promise.resolve(0) };
  }
}

class NeverSaysNotFound extends SoundRuntime {
  override portForward(_sandboxId: string, port: number): Promise<NodeJS.ReadWriteStream> {
    return Promise.reject(new CodedError('RUNTIME_FAILED', `nothing listens on port ${port}`));
  }
}

class KnowsEveryImage extends SoundRuntime {
  override async image(reference: string): Promise<ImageState | undefined> {
    return (await super.image(reference)) ?? { id: 'x', tags: [reference], digests: [], sizeBytes: 1, pinned: false };
  }
}

class NewIdAtEveryPull extends SoundRuntime {
  #pulls = 0;
  override async pullImage(reference: string, options: PullOptions): Promise<string> {
    const id = await super.pullImage(reference, options);
    return this.#pulls++ === 0 ? id : `${id}-${this.#pulls}`;
  }
}

class CountsTheDead extends SoundRuntime {
  readonly #last = new Map<string, ContainerStats[]>();
  override async stats(sandboxId?: string): Promise<ContainerStats[]> {
    const found = await super.stats(sandboxId);
    if (found.length > 0) this.#last.set(sandboxId ?? '', found);
    return this.#last.get(sandboxId ?? '') ?? [];
  }
}

class TellsNoRemoval extends SoundRuntime {
  override watch(listener: Listener): Disposable {
    const event = (each: RuntimeEvent): void => void (each.type !== 'removed' && listener.event(each));
    return super.watch({ event, lost: () => listener.lost() });
  }
}

class TellsExitsEarly extends SoundRuntime {
  override async listContainers(): Promise<ContainerState[]> {
    return (await super.listContainers()).map(({ exitCode, ...state }) =>
      exitCode === undefined ? state : { ...state, state: 'running' },
    );
  }
}

class NeverStopsTelling extends SoundRuntime {
  override watch(listener: Listener): Disposable {
    super.watch(listener);
    return { dispose: () => undefined };
  }
}

class TellsFromWithin extends SoundRuntime {
  readonly #heard = new Set<Listener>();
  override watch(listener: Listener): Disposable {
    this.#heard.add(listener);
    return super.watch(listener);
  }
  override runSandbox(spec: SandboxSpec): Promise<string> {
    const id = createHash('sha256').update(`suite sandbox ${spec.podUid} ${spec.attempt}`).digest('hex');
    for (const listener of this.#heard) listener.event({ type: 'created', kind: 'sandbox', id });
    return super.runSandbox(spec);
  }
}

class ForgetsAtNewStart extends SoundRuntime {
  override restarted(): Promise<ContainerRuntime> {
    return Promise.resolve(new SoundRuntime());
  }
}

const restarted = 'finds what runs and what ended, under their ids';
const gone = 'stopping ends its containers, twice is no error, and neither is what is gone';
const ordinary = 'a container is created, runs, ends with its code and leaves its log';
const twice = 'the same name and attempt is the same container; a start twice is one start';
const stopped = 'stopping ends it, also when it does not listen, and twice';
const told = 'what happens to a container is told in order, and its state agrees with it at once';
const command = 'a command gives its output and code';
const streams = 'a command with streams';
const pulled = 'an image is pulled once, and removed';

export const faults: readonly Fault[] = [
  {
    name: 'is never ready',
    noticedBy: ['the runtime says who it is and that it is ready'],
    make: () => new NeverReady(),
  },
  {
    name: 'loses annotations',
    noticedBy: ['a sandbox has what it was told, and an address'],
    make: () => new LosesAnnotations(),
  },
  {
    name: 'makes a sandbox again for the same attempt',
    noticedBy: ['the same uid and attempt is the same sandbox, also at the same time', restarted],
    make: () => new MakesSandboxesTwice(),
  },
  {
    name: 'gives one address to all',
    noticedBy: ['many sandboxes at once get addresses of their own'],
    make: () => new OneAddressForAll(),
  },
  {
    name: 'gives an address to who has the one of the node',
    noticedBy: ["a sandbox on the node's network has no address of its own"],
    make: () => new AddressOnHostNetwork(),
  },
  { name: 'cannot stop what is gone', noticedBy: [gone], make: () => new MissesWhatIsGone() },
  {
    name: 'says nothing when it does not start',
    noticedBy: ['nothing is started in a sandbox that was stopped'],
    make: () => new StartsWhereNothingRuns(),
  },
  { name: 'forgets exit codes', noticedBy: [ordinary, stopped, told, restarted], make: () => new ForgetsExitCodes() },
  { name: 'calls every end an error', noticedBy: ['one that ends well says Completed'], make: () => new EveryEndIsAnError() },
  { name: 'makes a container again for the same attempt', noticedBy: [twice], make: () => new MakesContainersTwice() },
  { name: 'refuses a second start', noticedBy: [twice], make: () => new RefusesSecondStart() },
  {
    name: 'answers before the container has stopped',
    noticedBy: [stopped, 'usage of what runs'],
    make: () => new StopsLater(),
  },
  {
    name: 'cannot remove what is gone',
    noticedBy: ['a running container can be removed; what is gone is no error'],
    make: () => new CannotRemoveTwice(),
  },
  {
    name: 'makes up images',
    noticedBy: ['an unknown sandbox, image or container is told'],
    make: () => new MakesUpImages(),
  },
  {
    name: 'changes the resources of nobody',
    noticedBy: ['resources can be changed while it runs'],
    make: () => new ChangesNobodysResources(),
  },
  {
    name: 'keeps logs without times',
    noticedBy: ['a log is in CRI format, line by line, and can be opened anew'],
    make: () => new LogsWithoutTimes(),
  },
  { name: 'says that all commands succeed', noticedBy: [command, streams], make: () => new CommandsAlwaysSucceed() },
  {
    name: 'does not say that a command took too long',
    noticedBy: ['a command that takes too long is told'],
    make: () => new NeverTooLate(),
  },
  { name: 'keeps all output', noticedBy: ['a long output is cut at 16 KB'], make: () => new KeepsAllOutput() },
  { name: 'streams nothing', noticedBy: [streams], make: () => new StreamsOfNothing() },
  {
    name: 'runs commands where nothing runs',
    noticedBy: ['a command where nothing runs is refused'],
    make: () => new CommandsOfTheDead(),
  },
  {
    name: 'attaches to nothing',
    noticedBy: ["attach follows the container's output to its end"],
    make: () => new AttachesToNothing(),
  },
  {
    name: 'does not say that a sandbox is not there',
    noticedBy: ['a port of a sandbox that is not there is refused'],
    make: () => new NeverSaysNotFound(),
  },
  {
    name: 'knows images that it does not have',
    noticedBy: ['an image is found by name and by id, and one that is not here is undefined', pulled],
    make: () => new KnowsEveryImage(),
  },
  { name: 'has another id at every pull', noticedBy: [pulled], make: () => new NewIdAtEveryPull() },
  { name: 'counts what ended', noticedBy: ['usage of what runs'], make: () => new CountsTheDead() },
  { name: 'tells no removal', noticedBy: [told], make: () => new TellsNoRemoval() },
  { name: 'tells an exit that its list does not know of', noticedBy: [told], make: () => new TellsExitsEarly() },
  {
    name: 'goes on telling after dispose',
    noticedBy: ['what happens to a sandbox is told, and nothing more after dispose'],
    make: () => new NeverStopsTelling(),
  },
  {
    name: 'tells from within a call',
    noticedBy: [
      'what happens to a sandbox is told, and nothing more after dispose',
      'events never come from within a call, and every listener hears all',
    ],
    make: () => new TellsFromWithin(),
  },
  { name: 'forgets at a new start', noticedBy: [restarted], make: () => new ForgetsAtNewStart() },
];
