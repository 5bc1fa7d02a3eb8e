import { finished } from 'node:stream/promises';
import { CodedError } from '../../base/errors.js';
import type { RuntimeOfNode } from '../../cluster/runtime-access.js';
import { showLogs } from './container-log.js';
import { formatOf, printObject } from './output.js';
import type { RuntimeOutput } from './output.js';
import type { RuntimeRequest } from './request.js';
import { inspection } from './inspection.js';
import { listContainers, listImages, listPods, showStats } from './listings.js';
import { chosenContainers, containerFlags, findContainer, findImage, sandboxFlags } from './selection.js';

export interface RuntimeCommand {
  readonly usage: string;
  readonly summary: string;
  /** Words that must be there. */
  readonly needs: readonly string[];
  /** For `parseRequest`. */
  readonly flags: readonly string[];
  /** After the first word come flags of another program. */
  readonly stopsAtWord?: boolean;
  run(runtime: RuntimeOfNode, request: RuntimeRequest, output: RuntimeOutput): Promise<number>;
}

const listFlags = ['quiet|q', 'output|o=', 'no-trunc'];

/** The part of crictl that people use, over any runtime. Columns, fields and words are those of cri-tools. */
export const runtimeCommands: Readonly<Record<string, RuntimeCommand>> = {
  ps: {
    usage: '[-a] [-q] [-o json|yaml] [--name PATTERN] [--state STATE] ...',
    summary: 'containers',
    needs: [],
    flags: [...containerFlags, ...listFlags, 'resolve-image-path|r'],
    run: listContainers,
  },
  pods: {
    usage: '[-q] [-o json|yaml] [--name PATTERN] [--namespace PATTERN] ...',
    summary: 'sandboxes of pods',
    needs: [],
    flags: [...sandboxFlags, ...listFlags],
    run: listPods,
  },
  images: {
    usage: '[-q] [-o json|yaml] [--digests] [NAME]',
    summary: 'images',
    needs: [],
    flags: [...listFlags, 'digests', 'pinned'],
    run: listImages,
  },
  logs: {
    usage: '[-f] [-p] [-t] [--tail N] [--since TIME] CONTAINER',
    summary: 'what a container has printed',
    needs: ['a container'],
    flags: ['follow|f', 'previous|p', 'timestamps|t', 'tail=', 'since=', 'limit-bytes=', 'stream|s='],
    run: async (runtime, request, output) => showLogs(runtime, await findContainer(runtime, request.words[0]!), request, output),
  },
  exec: {
    usage: '[-i] [-t] CONTAINER COMMAND [ARGUMENT ...]',
    summary: 'run a command in a container',
    needs: ['a container', 'a command'],
    flags: ['interactive|i', 'tty|t'],
    stopsAtWord: true,
    run: execute,
  },
  pull: {
    usage: '[--creds USER[:PASSWORD]] [--auth BASE64] IMAGE',
    summary: 'fetch an image',
    needs: ['an image'],
    flags: ['creds=', 'auth='],
    run: pull,
  },
  rmi: {
    usage: '[--prune] [-a] [IMAGE ...]',
    summary: 'remove images; --prune: those that no container uses',
    needs: [],
    flags: ['all|a', 'prune|q'],
    run: removeImages,
  },
  stats: {
    usage: '[-a] [-o json|yaml] [--pod POD] [-s SECONDS] [CONTAINER]',
    summary: 'what containers use',
    needs: [],
    flags: ['all|a', 'id=', 'pod|p=', 'label=', 'output|o=', 'seconds|s='],
    run: showStats,
  },
  inspect: {
    usage: '[-q] [-o json|yaml] [--name PATTERN] [CONTAINER ...]',
    summary: 'all that is known of containers',
    needs: [],
    flags: [...containerFlags, 'quiet|q', 'output|o='],
    run: inspect,
  },
};

async function execute(runtime: RuntimeOfNode, request: RuntimeRequest): Promise<number> {
  const [name, ...command] = request.words;
  const container = await findContainer(runtime, name!);
  const tty = request.has('tty');
  const stdin = request.has('interactive');
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

async function pull(runtime: RuntimeOfNode, request: RuntimeRequest, output: RuntimeOutput): Promise<number> {
  const [credentials, auth] = [request.value('creds'), request.value('auth')];
  if (credentials !== undefined && auth !== undefined) throw new CodedError('USAGE', '--creds and --auth exclude each other');
  const text = credentials ?? (auth === undefined ? undefined : Buffer.from(auth, 'base64').toString());
  const colon = text?.indexOf(':') ?? -1;
  if (text === '' || (auth !== undefined && colon < 0)) {
    throw new CodedError('USAGE', '--creds must be USER[:PASSWORD], --auth the same in base64');
  }
  const [username, password] = colon < 0 ? [text, ''] : [text!.slice(0, colon), text!.slice(colon + 1)];
  const id = await runtime.pullImage(request.words[0]!, username === undefined ? {} : { auth: { username, password } });
  output.print(`Image is up to date for ${id}`);
  return 0;
}

async function removeImages(runtime: RuntimeOfNode, request: RuntimeRequest, output: RuntimeOutput): Promise<number> {
  const [all, prune] = [request.has('all'), request.has('prune')];
  if (request.words.length === 0 && !all && !prune) {
    throw new CodedError('USAGE', '"k3s crictl rmi" needs an image, --prune or --all', { mend: 'see "k3s crictl help"' });
  }
  const chosen = new Map<string, { readonly tags: readonly string[]; readonly digests: readonly string[] }>();
  for (const word of request.words) {
    const image = await findImage(runtime, word);
    if (!image) throw new CodedError('RUNTIME_NOT_FOUND', `no such image ${word}`);
    chosen.set(image.id, image);
  }
  if (all || prune) {
    const used = new Set(prune ? (await runtime.listContainers()).map(({ imageId }) => imageId) : []);
    for (const image of await runtime.listImages()) {
      if (!(prune && (image.pinned || used.has(image.id)))) chosen.set(image.id, image);
    }
    if (chosen.size === 0) output.print('No images to remove');
  }
  for (const [id, { tags, digests }] of chosen) {
    await runtime.removeImage(id);
    for (const name of tags.length > 0 ? tags : digests) output.print(`Deleted: ${name}`);
  }
  return 0;
}

async function inspect(runtime: RuntimeOfNode, request: RuntimeRequest, output: RuntimeOutput): Promise<number> {
  const format = formatOf(request, 'json');
  if (format === 'table') throw new CodedError('USAGE', '"k3s crictl inspect" prints json and yaml');
  const named = await Promise.all(request.words.map(word => findContainer(runtime, word)));
  const containers = named.length > 0 ? named : await chosenContainers(runtime, request);
  if (containers.length === 0) throw new CodedError('RUNTIME_NOT_FOUND', 'no container was named, or none fits');
  const found = await Promise.all(containers.map(({ id }) => inspection(runtime, id, request.has('quiet'))));
  printObject(format, found.length === 1 ? found[0] : found, output);
  return 0;
}
