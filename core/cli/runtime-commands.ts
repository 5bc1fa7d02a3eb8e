import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { finished } from 'node:stream/promises';
import { CodedError, errorCode } from '../base/errors.js';
import type { ContainerOfRuntime, RuntimeOfNode, SandboxOfRuntime } from '../cluster/runtime-access.js';

export interface RuntimeRequest {
  readonly words: readonly string[];
  readonly flags: ReadonlyMap<string, string>;
}

export interface RuntimeCommand {
  readonly usage: string;
  readonly summary: string;
  /** Words that must be there. */
  readonly needs: readonly string[];
  /** Names without dashes; `name=` has a value. */
  readonly flags: readonly string[];
  run(runtime: RuntimeOfNode, request: RuntimeRequest, print: (line: string) => void): Promise<number>;
}

/** The part of crictl that people use, over any runtime. Columns and words are crictl's. */
export const runtimeCommands: Readonly<Record<string, RuntimeCommand>> = {
  ps: { usage: '[-a] [-q]', summary: 'containers', needs: [], flags: ['a', 'all', 'q', 'quiet'], run: listContainers },
  pods: { usage: '[-q]', summary: 'sandboxes of pods', needs: [], flags: ['q', 'quiet'], run: listPods },
  images: { usage: '[-q]', summary: 'images', needs: [], flags: ['q', 'quiet'], run: listImages },
  logs: {
    usage: '[-f] [-t] [--tail N] CONTAINER',
    summary: 'what a container has printed',
    needs: ['a container'],
    flags: ['f', 'follow', 't', 'timestamps', 'tail='],
    run: showLogs,
  },
  exec: {
    usage: '[-i] [-t] CONTAINER COMMAND [ARGUMENT ...]',
    summary: 'run a command in a container',
    needs: ['a container', 'a command'],
    flags: ['i', 'interactive', 't', 'tty'],
    run: execute,
  },
  pull: { usage: '[--creds USER:PASSWORD] IMAGE', summary: 'fetch an image', needs: ['an image'], flags: ['creds='], run: pull },
  rmi: { usage: 'IMAGE [IMAGE ...]', summary: 'remove images', needs: ['an image'], flags: [], run: removeImages },
  stats: { usage: '[CONTAINER]', summary: 'what containers use', needs: [], flags: [], run: showStats },
  inspect: { usage: 'CONTAINER', summary: 'all that is known of a container', needs: ['a container'], flags: [], run: inspect },
};

const has = ({ flags }: RuntimeRequest, ...names: string[]): boolean => names.some(name => flags.has(name));
const shortId = (id: string): string => id.replace(/^sha256:/, '').slice(0, 13);

async function listContainers(runtime: RuntimeOfNode, request: RuntimeRequest, print: (line: string) => void): Promise<number> {
  const [containers, sandboxes, images] = await Promise.all([
    runtime.listContainers(),
    runtime.listSandboxes(),
    runtime.listImages(),
  ]);
  const tags = new Map(images.map(image => [image.id, image.tags[0]]));
  const pods = new Map(sandboxes.map(sandbox => [sandbox.id, sandbox]));
  const shown = containers
    .filter(({ state }) => has(request, 'a', 'all') || state === 'running')
    .sort((left, right) => right.createdAtMs - left.createdAtMs);
  if (has(request, 'q', 'quiet')) for (const { id } of shown) print(id);
  else {
    const rows = shown.map(container => {
      const { id, imageId, imageName, createdAtMs, state, name, attempt, sandboxId } = container;
      const pod = pods.get(sandboxId);
      const image = tags.get(imageId) ?? imageName ?? shortId(imageId);
      return [shortId(id), image, age(createdAtMs), capital(state), name, String(attempt), shortId(sandboxId), podOf(pod)];
    });
    table(['CONTAINER', 'IMAGE', 'CREATED', 'STATE', 'NAME', 'ATTEMPT', 'POD ID', 'POD'], rows, print);
  }
  return 0;
}

async function listPods(runtime: RuntimeOfNode, request: RuntimeRequest, print: (line: string) => void): Promise<number> {
  const sandboxes = (await runtime.listSandboxes()).sort((left, right) => right.createdAtMs - left.createdAtMs);
  if (has(request, 'q', 'quiet')) for (const { id } of sandboxes) print(id);
  else {
    const rows = sandboxes.map(({ id, createdAtMs, ready, podName, podNamespace, attempt, runtimeHandler }) => [
      shortId(id),
      age(createdAtMs),
      ready ? 'Ready' : 'NotReady',
      podName,
      podNamespace,
      String(attempt),
      runtimeHandler || '(default)',
    ]);
    table(['POD ID', 'CREATED', 'STATE', 'NAME', 'NAMESPACE', 'ATTEMPT', 'RUNTIME'], rows, print);
  }
  return 0;
}

async function listImages(runtime: RuntimeOfNode, request: RuntimeRequest, print: (line: string) => void): Promise<number> {
  const images = await runtime.listImages();
  if (has(request, 'q', 'quiet')) for (const { id } of images) print(id);
  else {
    const rows = images.flatMap(({ id, tags, sizeBytes }) =>
      (tags.length > 0 ? tags : ['<none>']).map(tag => {
        const colon = tag.lastIndexOf(':') > tag.lastIndexOf('/') ? tag.lastIndexOf(':') : tag.length;
        return [tag.slice(0, colon), tag.slice(colon + 1) || '<none>', shortId(id), size(sizeBytes)];
      }),
    );
    table(
      ['IMAGE', 'TAG', 'IMAGE ID', 'SIZE'],
      rows.sort((left, right) => (left[0]! < right[0]! ? -1 : 1)),
      print,
    );
  }
  return 0;
}

async function showLogs(runtime: RuntimeOfNode, request: RuntimeRequest, print: (line: string) => void): Promise<number> {
  const container = await findContainer(runtime, request.words[0]!);
  const tail = request.flags.get('tail');
  if (tail !== undefined && !/^-?\d+$/.test(tail)) throw new CodedError('USAGE', `--tail must be a whole number, not "${tail}"`);
  const limit = tail === undefined || Number(tail) < 0 ? Infinity : Number(tail);
  let kept: string[] = [];
  const withTime = has(request, 't', 'timestamps');
  const emit = (line: string): void => {
    const shown = logText(line, withTime);
    if (shown !== undefined) print(shown);
  };
  let position = 0;
  try {
    const stream = createReadStream(container.logPath);
    for await (const line of createInterface({ input: stream })) {
      if (limit === Infinity) emit(line);
      else if (limit > 0) kept = [...kept.slice(-(limit - 1) || kept.length), line].slice(-limit);
    }
    position = stream.bytesRead;
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    throw new CodedError('LOG_MISSING', `the log ${container.logPath} is not there (any more)`, { cause: error });
  }
  for (const line of kept) emit(line);
  if (has(request, 'f', 'follow')) await follow(runtime, container, position, emit);
  return 0;
}

const followPollMs = 200;

/** Until the container has ended and its log was read to the end; a log that was rotated is read from its beginning. */
async function follow(
  runtime: RuntimeOfNode,
  { id, logPath }: ContainerOfRuntime,
  from: number,
  emit: (line: string) => void,
): Promise<void> {
  let position = from;
  let rest = '';
  for (;;) {
    const running = (await runtime.container(id)).state === 'running';
    const file = await open(logPath);
    try {
      const { size: bytes } = await file.stat();
      if (bytes < position) position = 0;
      const buffer = Buffer.alloc(bytes - position);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      position += bytesRead;
      const lines = (rest + buffer.toString('utf8', 0, bytesRead)).split('\n');
      rest = lines.pop()!;
      for (const line of lines) emit(line);
    } finally {
      await file.close();
    }
    if (!running) return;
    await new Promise(resolve => setTimeout(resolve, followPollMs));
  }
}

/** A line of CRI's log format: time, stream, tag, text. Source: KEP-0020, the CRI logging format. */
function logText(line: string, withTime: boolean): string | undefined {
  const match = /^(\S+) (stdout|stderr) \S+ ?(.*)$/s.exec(line);
  if (!match) return undefined;
  return withTime ? `${match[1]} ${match[3]}` : match[3];
}

async function execute(runtime: RuntimeOfNode, request: RuntimeRequest): Promise<number> {
  const [name, ...command] = request.words;
  const container = await findContainer(runtime, name!);
  const tty = has(request, 't', 'tty');
  const stdin = has(request, 'i', 'interactive');
  const session = await runtime.exec(container.id, { command, tty, stdin, stdout: true, stderr: !tty });
  const resize = (): void => session.resize(process.stdout.columns ?? 80, process.stdout.rows ?? 24);
  const raw = tty && stdin && process.stdin.isTTY;
  if (tty && process.stdout.isTTY) {
    resize();
    process.stdout.on('resize', resize);
  }
  if (raw) process.stdin.setRawMode(true);
  try {
    if (session.stdin) process.stdin.pipe(session.stdin);
    session.stdin?.on('error', () => undefined);
    session.stdout?.pipe(process.stdout, { end: false });
    session.stderr?.pipe(process.stderr, { end: false });
    const outputs = [session.stdout, session.stderr].filter(stream => stream !== undefined);
    const [code] = await Promise.all([session.exited, ...outputs.map(stream => finished(stream, { writable: false }))]);
    return code;
  } finally {
    process.stdout.off('resize', resize);
    if (raw) process.stdin.setRawMode(false);
    process.stdin.unref?.();
    process.stdin.pause();
    session.close();
  }
}

async function pull(runtime: RuntimeOfNode, { words, flags }: RuntimeRequest, print: (line: string) => void): Promise<number> {
  const credentials = flags.get('creds');
  const colon = credentials?.indexOf(':') ?? -1;
  if (credentials !== undefined && colon < 0) throw new CodedError('USAGE', '--creds must be USER:PASSWORD');
  const auth =
    credentials === undefined ? {} : { auth: { username: credentials.slice(0, colon), password: credentials.slice(colon + 1) } };
  const id = await runtime.pullImage(words[0]!, auth);
  print(`Image is up to date for ${id}`);
  return 0;
}

async function removeImages(runtime: RuntimeOfNode, { words }: RuntimeRequest, print: (line: string) => void): Promise<number> {
  for (const word of words) {
    const images = await runtime.listImages();
    const image =
      (await runtime.image(word)) ??
      onlyOne(
        images.filter(({ id }) => isPrefix(word, id)),
        word,
        'image',
      );
    await runtime.removeImage(image.id);
    for (const tag of image.tags) print(`Deleted: ${tag}`);
  }
  return 0;
}

async function showStats(runtime: RuntimeOfNode, { words }: RuntimeRequest, print: (line: string) => void): Promise<number> {
  const wanted = words[0] === undefined ? undefined : (await findContainer(runtime, words[0])).id;
  const before = new Map((await runtime.stats()).map(stats => [stats.containerId, stats]));
  // A rate needs two readings.
  await new Promise(resolve => setTimeout(resolve, 1000));
  const rows = (await runtime.stats())
    .filter(({ containerId }) => wanted === undefined || containerId === wanted)
    .map(stats => {
      const earlier = before.get(stats.containerId);
      const elapsedNanos = earlier ? (stats.timeMs - earlier.timeMs) * 1e6 : 0;
      const usedNanos = earlier ? stats.cpuUsageCoreNanos - earlier.cpuUsageCoreNanos : 0;
      const percent = elapsedNanos > 0 ? ((usedNanos / elapsedNanos) * 100).toFixed(2) : '0.00';
      const { containerId, name, memoryWorkingSetBytes, writableLayerBytes, writableLayerInodes } = stats;
      const sizes = [size(memoryWorkingSetBytes), size(writableLayerBytes), String(writableLayerInodes)];
      return [shortId(containerId), name, percent, ...sizes];
    });
  table(['CONTAINER', 'NAME', 'CPU %', 'MEM', 'DISK', 'INODES'], rows, print);
  return 0;
}

async function inspect(runtime: RuntimeOfNode, { words }: RuntimeRequest, print: (line: string) => void): Promise<number> {
  const status = await runtime.container((await findContainer(runtime, words[0]!)).id);
  const sandbox = await runtime.sandbox(status.sandboxId);
  print(JSON.stringify({ status, sandbox }, undefined, 2));
  return 0;
}

/** By the beginning of the id, or by a name that only one running container has. */
async function findContainer(runtime: RuntimeOfNode, word: string): Promise<ContainerOfRuntime> {
  const containers = await runtime.listContainers();
  const byId = containers.filter(({ id }) => isPrefix(word, id));
  const found = byId.length > 0 ? byId : containers.filter(({ name, state }) => name === word && state === 'running');
  return onlyOne(found, word, 'container');
}

function isPrefix(word: string, id: string): boolean {
  const hex = word.replace(/^sha256:/, '');
  return hex.length > 0 && id.replace(/^sha256:/, '').startsWith(hex);
}

function onlyOne<T>(found: readonly T[], word: string, what: string): T {
  if (found.length === 1) return found[0]!;
  if (found.length === 0) throw new CodedError('RUNTIME_NOT_FOUND', `there is no ${what} "${word}" on this node`);
  throw new CodedError('RUNTIME_AMBIGUOUS', `${found.length} ${what}s fit "${word}"`, { mend: 'give more of the id' });
}

function podOf(pod: SandboxOfRuntime | undefined): string {
  return pod ? join(pod.podNamespace, pod.podName) : 'unknown';
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}

const minuteMs = 60_000;

function age(createdAtMs: number): string {
  const passedMs = Math.max(0, Date.now() - createdAtMs);
  const steps: readonly (readonly [number, string])[] = [
    [24 * 60 * minuteMs, 'day'],
    [60 * minuteMs, 'hour'],
    [minuteMs, 'minute'],
    [1000, 'second'],
  ];
  const [unitMs, unit] = steps.find(([each]) => passedMs >= each) ?? steps.at(-1)!;
  const count = Math.floor(passedMs / unitMs);
  return `${count} ${unit}${count === 1 ? '' : 's'} ago`;
}

/** Decimal units with three digits, as crictl has them. */
function size(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))}${units[power]}`;
}

function table(header: readonly string[], rows: readonly (readonly string[])[], print: (line: string) => void): void {
  const widths = header.map((title, column) => Math.max(title.length, ...rows.map(row => row[column]!.length)));
  for (const row of [header, ...rows])
    print(
      row
        .map((cell, column) => cell.padEnd(widths[column]! + 3))
        .join('')
        .trimEnd(),
    );
}
