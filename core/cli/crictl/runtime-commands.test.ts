import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ContainerOfRuntime, ImageOfRuntime, RuntimeOfNode, SandboxOfRuntime } from '../../cluster/runtime-access.js';
import { sinceMs } from './container-log.js';
import { age, size } from './output.js';
import { parseRequest } from './request.js';
import { runtimeCommands } from './runtime-commands.js';

const createdAtMs = Date.parse('2026-01-02T03:04:05.678Z');
let directory: string;
let containers: ContainerOfRuntime[];
let images: ImageOfRuntime[];
let removed: string[];
let pulled: unknown[];

const container = (over: Partial<ContainerOfRuntime>): ContainerOfRuntime => ({
  id: 'aaaabbbbccccdddd'.repeat(4),
  sandboxId: '1111222233334444'.repeat(4),
  name: 'web',
  attempt: 1,
  state: 'running',
  createdAtMs,
  imageId: `sha256:${'ab'.repeat(32)}`,
  imageReference: `docker.io/library/nginx@sha256:${'cd'.repeat(32)}`,
  labels: { 'io.kubernetes.pod.name': 'web-0', 'io.kubernetes.pod.namespace': 'shop', tier: 'front' },
  annotations: {},
  logPath: join(directory, '1.log'),
  ...over,
});

const sandbox: SandboxOfRuntime = {
  id: '1111222233334444'.repeat(4),
  podUid: 'uid-1',
  podName: 'web-0',
  podNamespace: 'shop',
  attempt: 0,
  ready: true,
  createdAtMs,
  ips: [],
  labels: { app: 'web' },
  annotations: {},
  runtimeHandler: '',
};

const runtime = (): RuntimeOfNode =>
  ({
    listContainers: async () => containers,
    container: async (id: string) => containers.find(each => each.id === id),
    listSandboxes: async () => [sandbox, { ...sandbox, id: 'f'.repeat(64), podName: 'gone', ready: false, createdAtMs: 0 }],
    listImages: async () => images,
    image: async (name: string) => images.find(({ id, tags }) => id === name || tags.includes(name)),
    removeImage: async (id: string) => void removed.push(id),
    pullImage: async (...given: unknown[]) => {
      pulled.push(given);
      return 'sha256:ff';
    },
    inspect: async () => ({
      status: { mounts: [{ containerPath: '/data' }], createdAt: 1.7e18 },
      info: { pid: '42', info: '{"runtimeType":"runc","pid":42}', word: '"x"' },
    }),
  }) as Partial<RuntimeOfNode> as RuntimeOfNode;

async function crictl(text: string): Promise<string[]> {
  const [verb, ...words] = text.split(' ');
  const command = runtimeCommands[verb!]!;
  const out: string[] = [];
  const request = parseRequest(verb!, command.flags, words, command.stopsAtWord ?? false);
  const code = await command.run(runtime(), request, {
    print: line => void out.push(line),
    write: (stream, part) => void out.push(`${stream}:${part}`),
  });
  expect(code).toBe(0);
  return out;
}

const ids = (...words: string[]): Promise<string[]> => crictl(['ps', '-q', ...words].join(' '));

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'crictl-'));
  containers = [
    container({}),
    container({ id: 'b'.repeat(64), name: 'sidecar', sandboxId: 'f'.repeat(64), createdAtMs: createdAtMs + 1, state: 'exited' }),
    container({ id: 'c'.repeat(64), name: 'worker', imageId: 'sha256:ee', createdAtMs: createdAtMs - 1, labels: {} }),
  ];
  images = [
    {
      id: `sha256:${'ab'.repeat(32)}`,
      tags: ['localhost:5000/nginx:1', 'localhost:5000/nginx:2'],
      digests: [`localhost:5000/nginx@sha256:${'cd'.repeat(32)}`],
      sizeBytes: 1_234_567,
      userId: 0,
      pinned: false,
    },
    { id: 'sha256:dd', tags: [], digests: ['docker.io/x@sha256:11'], sizeBytes: 5, pinned: false },
    { id: 'sha256:99', tags: ['pause:1'], digests: [], sizeBytes: 5, pinned: true },
  ];
  removed = [];
  pulled = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('ps', () => {
  it('has the columns of cri-tools', async () => {
    const [header, first] = await crictl('ps --name ^web$');
    expect(header!.split(/ {2,}/)).toEqual('CONTAINER,IMAGE,CREATED,STATE,NAME,ATTEMPT,POD ID,POD,NAMESPACE'.split(','));
    const [id, image, , ...rest] = first!.split(/ {2,}/);
    expect([id, image, ...rest]).toEqual([
      'aaaabbbbccccd',
      'ababababababa',
      ...['Running', 'web', '1', '1111222233334', 'web-0', 'shop'],
    ]);
  });

  it('shows names of images and whole ids when asked', async () => {
    const [, row] = await crictl('ps -r --no-trunc --name web');
    expect(row).toContain('localhost:5000/nginx:1');
    expect(row).toContain(containers[0]!.id);
  });

  it.each([
    ['', ['a', 'c']],
    ['-a', ['b', 'a', 'c']],
    ['--state exited', ['b']],
    ['-a --state Running', ['a', 'c']],
    ['--name work', ['c']],
    ['--pod 1111', ['a', 'c']],
    ['-a -p ffff', ['b']],
    ['--namespace ^shop$', ['a']],
    ['--label tier=front', ['a']],
    ['--label=tier=front --label tier=back', []],
    ['--image localhost:5000/nginx:2', ['a']],
    ['--image abab', ['a']],
    ['--image nothere', []],
    ['--latest', ['b']],
    ['-n 2', ['b', 'a']],
    ['--id cc', ['c']],
  ])('chooses with %s', async (flags, expected) => {
    expect((await ids(...flags.split(' ').filter(Boolean))).map(id => id[0])).toEqual(expected);
  });

  it('prints what CRI answers as JSON and YAML', async () => {
    const printed = JSON.parse((await crictl('ps -o json --name web')).join('\n')) as { containers: unknown[] };
    expect(printed.containers).toEqual([
      {
        id: containers[0]!.id,
        podSandboxId: sandbox.id,
        metadata: { name: 'web', attempt: 1 },
        image: { image: containers[0]!.imageId, annotations: {}, userSpecifiedImage: '', runtimeHandler: '' },
        imageRef: containers[0]!.imageReference,
        state: 'CONTAINER_RUNNING',
        createdAt: '1767323045678000000',
        labels: containers[0]!.labels,
        annotations: {},
        imageId: containers[0]!.imageId,
      },
    ]);
    expect(await crictl('ps -o yaml --name web')).toEqual([expect.stringMatching(/^containers:\n {2}- id: a/)]);
  });

  it.each([
    ['ps --state dead', '--state should be one of created, running, exited, unknown, not "dead"'],
    ['ps -o wide', '--output should be one of table, json, yaml, not "wide"'],
    ['ps --name [', '--name is not a regular expression'],
    ['ps -n many', '--last must be a whole number, not "many"'],
    ['ps --label novalue', '--label must be KEY=VALUE, not "novalue"'],
    ['ps --sort', 'does not know the flag --sort'],
    ['ps --name', 'the flag --name needs a value'],
    ['inspect -o table web', 'prints json and yaml'],
    ['inspect nobody', 'there is no container "nobody" on this node'],
    ['inspect --name nobody', 'no container was named, or none fits'],
    ['rmi', 'needs an image'],
    ['rmi nothere', 'no such image nothere'],
    ['pull --auth eA== x', '--auth the same in base64'],
    ['pull --auth eA== --creds a x', 'exclude each other'],
    ['logs --stream both web', 'invalid stream "both", must be "stdout" or "stderr"'],
    ['logs --tail 1 --stream stdout web', 'mutually exclusive'],
    ['logs --since yesterday web', '--since must be a duration'],
    ['logs web', 'is not there (any more)'],
  ])('refuses %s', async (text, message) => {
    await expect(crictl(text)).rejects.toThrow(message);
  });
});

describe('pods, images, pull, rmi', () => {
  it('lists pods as table, JSON and ids', async () => {
    const [header, ...rows] = await crictl('pods --state ready');
    expect(header!.split(/ {2,}/)).toEqual(['POD ID', 'CREATED', 'STATE', 'NAME', 'NAMESPACE', 'ATTEMPT', 'RUNTIME']);
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatch(/^1111222233334 .* Ready +web-0 +shop +0 +\(default\)$/);
    expect(await crictl('pods -q --name gone')).toEqual(['f'.repeat(64)]);
    expect(await crictl('pods -q --label app=other')).toEqual([]);
    const { items } = JSON.parse((await crictl('pods -o json --latest')).join('\n')) as { items: unknown[] };
    expect(items).toEqual([
      expect.objectContaining({
        metadata: { name: 'web-0', uid: 'uid-1', namespace: 'shop', attempt: 0 },
        state: 'SANDBOX_READY',
        createdAt: '1767323045678000000',
      }),
    ]);
  });

  it('lists images with tags, digests and pins', async () => {
    expect((await crictl('images --digests --pinned')).map(line => line.split(/ {2,}/))).toEqual([
      ['IMAGE', 'TAG', 'DIGEST', 'IMAGE ID', 'SIZE', 'PINNED'],
      ['docker.io/x', '<none>', '11', 'dd', '5B', 'false'],
      ['localhost:5000/nginx', '1', 'cdcdcdcdcdcdc', 'ababababababa', '1.23MB', 'false'],
      ['localhost:5000/nginx', '2', 'cdcdcdcdcdcdc', 'ababababababa', '1.23MB', 'false'],
      ['pause', '1', '<none>', '99', '5B', 'true'],
    ]);
    expect(await crictl('images -q pause:1')).toEqual(['sha256:99']);
    expect(await crictl('images -q nothere')).toEqual([]);
    const printed = JSON.parse((await crictl('images -o json localhost:5000/nginx:1')).join('\n')) as { images: unknown[] };
    expect(printed.images[0]).toMatchObject({ size: '1234567', uid: { value: '0' }, repoTags: images[0]!.tags });
  });

  it('pulls with and without credentials', async () => {
    expect(await crictl('pull --creds me:se:cret nginx')).toEqual(['Image is up to date for sha256:ff']);
    await crictl('pull --creds me nginx');
    await crictl('pull --auth bWU6c2VjcmV0 nginx');
    await crictl('pull nginx');
    expect(pulled).toEqual([
      ['nginx', { auth: { username: 'me', password: 'se:cret' } }],
      ['nginx', { auth: { username: 'me', password: '' } }],
      ['nginx', { auth: { username: 'me', password: 'secret' } }],
      ['nginx', {}],
    ]);
  });

  it('removes by name, by id, and what nobody uses', async () => {
    expect(await crictl('rmi localhost:5000/nginx:1 dd')).toEqual([
      'Deleted: localhost:5000/nginx:1',
      'Deleted: localhost:5000/nginx:2',
      'Deleted: docker.io/x@sha256:11',
    ]);
    removed = [];
    expect(await crictl('rmi --prune')).toEqual(['Deleted: docker.io/x@sha256:11']);
    expect(removed).toEqual(['sha256:dd']);
    images = [images[2]!];
    expect(await crictl('rmi --prune')).toEqual(['No images to remove']);
    expect(await crictl('rmi --all')).toEqual(['Deleted: pause:1']);
  });
});

describe('inspect', () => {
  it("prints CRI's status with the runtime's own words beside it", async () => {
    const printed = JSON.parse((await crictl('inspect aaaa')).join('\n')) as Record<string, Record<string, unknown>>;
    expect(Object.keys(printed)).toEqual(['status', 'info', 'pid', 'word']);
    expect(printed['info']).toEqual({ runtimeType: 'runc', pid: 42 });
    expect([printed['pid'], printed['word']]).toEqual(['42', 'x']);
    expect(printed['status']).toMatchObject({
      id: containers[0]!.id,
      metadata: { name: 'web', attempt: 1 },
      state: 'CONTAINER_RUNNING',
      createdAt: '2026-01-02T03:04:05.678Z',
      startedAt: '0001-01-01T00:00:00Z',
      mounts: [{ containerPath: '/data' }],
      logPath: containers[0]!.logPath,
    });
  });

  it('prints a list of several, without the rest when quiet', async () => {
    const printed = JSON.parse((await crictl('inspect -q -a')).join('\n')) as Record<string, unknown>[];
    expect(printed.map(each => Object.keys(each))).toEqual([['status'], ['status'], ['status']]);
  });
});

describe('logs', () => {
  const at = (second: number): string => `2026-01-02T03:04:0${second}Z`;
  const log = (): string =>
    [
      `${at(1)} stdout F one`,
      `${at(2)} stdout P tw`,
      `${at(3)} stderr F problem`,
      `${at(4)} stdout F o`,
      `${at(5)} stdout F:x three  spaces `,
      'not a record',
      '',
    ].join('\n');

  it('puts parts of a line together and keeps the streams apart', async () => {
    writeFileSync(join(directory, '1.log'), log());
    const parts = await crictl('logs web');
    const text = (stream: string): string =>
      parts
        .filter(part => part.startsWith(stream))
        .map(part => part.slice(stream.length + 1))
        .join('');
    expect(text('stdout')).toBe('one\ntwo\nthree  spaces \n');
    expect(text('stderr')).toBe('problem\n');
    expect((await crictl('logs -t -s stdout web')).join('')).toBe(
      `stdout:${at(1)} one\nstdout:${at(2)} twstdout:o\nstdout:${at(5)} three  spaces \n`,
    );
  });

  it('shows the last lines, whatever parts they came in', async () => {
    writeFileSync(join(directory, '1.log'), log());
    expect((await crictl('logs --tail 3 web')).map(part => part.slice(7))).toEqual([
      'tw',
      'o\n',
      'problem\n',
      'three  spaces \n',
    ]);
    expect(await crictl('logs --tail 0 web')).toEqual([]);
    writeFileSync(join(directory, '1.log'), Array.from({ length: 1000 }, (_, n) => `${at(1)} stdout F ${n}\n`).join(''));
    expect(await crictl('logs --tail 2 web')).toEqual(['stdout:998\n', 'stdout:999\n']);
  });

  it('begins at a time and ends at a size', async () => {
    writeFileSync(join(directory, '1.log'), log());
    expect(await crictl(`logs --since ${at(5)} web`)).toEqual(['stdout:three  spaces \n']);
    expect((await crictl('logs --limit-bytes 5 web')).join('')).toBe('stdout:one\nstdout:t');
  });

  it('shows the log of the attempt before, and says when there was none', async () => {
    writeFileSync(join(directory, '0.log'), `${at(1)} stdout F earlier\n`);
    expect(await crictl('logs --previous web')).toEqual(['stdout:earlier\n']);
    containers = [container({ attempt: 0 })];
    await expect(crictl('logs -p web')).rejects.toThrow('previous terminated container web not found');
  });

  it('follows over a rotation until the container has ended, and loses nothing', async () => {
    const path = join(directory, '1.log');
    writeFileSync(path, `${at(1)} stdout F one\n`);
    const following = crictl('logs -f web');
    appendFileSync(path, `${at(2)} stdout F two\n${at(2)} stdout F thr`);
    await new Promise(resolve => setTimeout(resolve, 300));
    appendFileSync(path, 'ee\n');
    renameSync(path, `${path}.rotated`);
    writeFileSync(path, `${at(3)} stdout F four\n`);
    containers = [container({ state: 'exited' })];
    expect((await following).join('')).toBe('stdout:one\nstdout:two\nstdout:three\nstdout:four\n');
  });

  it('reads durations, times and seconds', () => {
    expect(sinceMs('1h30m', 10_000_000)).toBe(10_000_000 - 5_400_000);
    expect(sinceMs('1.5s', 10_000)).toBe(8500);
    expect(sinceMs('1700000000.5', 0)).toBe(1_700_000_000_500);
    expect(sinceMs('2026-01-02T03:04:05Z', 0)).toBe(createdAtMs - 678);
    expect(sinceMs(undefined, 0)).toBe(-Infinity);
  });
});

it.each([
  [0.5, 'Less than a second'],
  [1, '1 second'],
  [59, '59 seconds'],
  [60, 'About a minute'],
  [600, '10 minutes'],
  [3600, 'About an hour'],
  [47 * 3600, '47 hours'],
  [3 * 86_400, '3 days'],
  [30 * 86_400, '4 weeks'],
  [90 * 86_400, '3 months'],
  [800 * 86_400, '2 years'],
])('says of %d seconds: %s ago', (seconds, text) => {
  expect(age(0, seconds * 1000)).toBe(`${text} ago`);
});

it('has decimal sizes', () => {
  expect([size(0, 3), size(999, 3), size(1_234_567, 3), size(1_234_567, 4)]).toEqual(['0B', '999B', '1.23MB', '1.235MB']);
});

it('leaves flags of the program of exec alone', () => {
  const request = parseRequest('exec', runtimeCommands['exec']!.flags, ['-it', 'web', 'ls', '-l', '--tty=no'], true);
  expect(request.words).toEqual(['web', 'ls', '-l', '--tty=no']);
  expect([request.has('interactive'), request.has('tty')]).toEqual([true, true]);
});
