import { execFile } from 'node:child_process';
import { readFile, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cached, keyOf } from './build-cache.js';
import { buildBusybox } from './busybox.js';
import { appletsOf, debianRoot } from './debian-root.js';
import type { GoPrograms } from './go-programs.js';
import { writeFolderLayer, writeImages, writeLayer } from './image-archive.js';
import type { Image, ImageConfig, LayerEntry } from './image-archive.js';

const pauseFolder = fileURLToPath(new URL('../../../plugins/container-runtime/containerd/pause', import.meta.url));

/** How an image is made that upstream's suite names. */
interface Recipe {
  /** In what it differs from upstream's; a report names it. */
  readonly standIn: string;
  /** What lies below its own files: nothing, Debian's tools, or these and agnhost. */
  readonly base: 'nothing' | 'debian' | 'agnhost';
  readonly config: ImageConfig;
  entries(parts: Parts): Promise<readonly LayerEntry[]>;
}

interface Parts {
  readonly programs: GoPrograms;
  /** Folder of k8s.io/kubernetes. */
  readonly source: string;
  /** Root of the unpacked Debian. */
  readonly debian: string;
  /** The program. */
  readonly busybox: string;
}

/** The archive with all images, and what they are. */
export interface TestImages {
  readonly archive: string;
  /** Full names with tags. */
  readonly references: readonly string[];
  readonly standIns: readonly string[];
}

const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** By the repository's name, as `e2e.test --list-images` prints it before the colon. */
const recipes: Readonly<Record<string, Recipe>> = {
  'registry.k8s.io/e2e-test-images/agnhost': {
    standIn: "agnhost's own program and tools of Debian, not Alpine; no /coredns, no registry content",
    base: 'agnhost',
    config: agnhostConfig('pause'),
    entries: async () => [],
  },
  'registry.k8s.io/e2e-test-images/nautilus': {
    standIn: 'as agnhost',
    base: 'agnhost',
    config: agnhostConfig('test-webserver'),
    entries: async parts => webEntries(parts, 'nautilus'),
  },
  'registry.k8s.io/e2e-test-images/nginx': {
    standIn: "agnhost's web server on port 80, no nginx",
    base: 'agnhost',
    config: { ...agnhostConfig('test-webserver'), Cmd: ['test-webserver', '--port=80'] },
    entries: async () => [],
  },
  'registry.k8s.io/e2e-test-images/kitten': {
    standIn: 'as agnhost; its /etc/os-release says Alpine Linux although it is Debian',
    base: 'agnhost',
    config: agnhostConfig('test-webserver'),
    entries: async parts => [
      ...(await webEntries(parts, 'kitten')),
      {
        name: 'etc/os-release',
        mode: 0o644,
        content: Buffer.from('NAME="Alpine Linux"\nID=alpine\nPRETTY_NAME="Alpine Linux (a stand-in)"\n'),
      },
    ],
  },
  'registry.k8s.io/e2e-test-images/glibc-dns-testing': {
    standIn: 'tools of Debian; no /coredns',
    base: 'debian',
    config: { Cmd: ['/bin/bash'], Env: [path] },
    entries: async () => [],
  },
  'registry.k8s.io/e2e-test-images/nonewprivs': {
    standIn: "upstream's program on Debian, not Alpine",
    base: 'debian',
    config: { Cmd: ['nnp'], Env: [path] },
    entries: async ({ programs }) => [{ name: 'usr/local/bin/nnp', mode: 0o6755, content: await program(programs, 'nnp') }],
  },
  'registry.k8s.io/e2e-test-images/busybox': {
    standIn: 'busybox 1.35 built from its sources, not 1.37',
    base: 'nothing',
    config: { Cmd: ['sh'], Env: [path] },
    entries: busyboxEntries,
  },
  'registry.k8s.io/pause': {
    standIn: 'the pause program of this tree',
    base: 'nothing',
    config: { Entrypoint: ['/pause'], User: '65535:65535', WorkingDir: '/', Env: [path] },
    entries: async () => {
      const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
      return [{ name: 'pause', mode: 0o755, content: await readFile(join(pauseFolder, `pause-${architecture}`)) }];
    },
  },
  'registry.k8s.io/etcd': {
    standIn: 'the same version, built by us, without a shell',
    base: 'nothing',
    config: { Entrypoint: ['/usr/local/bin/etcd'], Env: [path] },
    entries: async ({ programs }) => [
      { name: 'tmp/', mode: 0o1777 },
      { name: 'usr/local/bin/etcd', content: await program(programs, 'etcd') },
    ],
  },
  'registry.k8s.io/e2e-test-images/sample-apiserver': {
    standIn: "the suite's own version of it instead of 1.29.2",
    base: 'debian',
    config: { Entrypoint: ['/sample-apiserver'], Env: [path] },
    entries: async ({ programs }) => [{ name: 'sample-apiserver', content: await program(programs, 'sample-apiserver') }],
  },
};

/** Builds the images for a real node, under the exact names that the suite uses. */
export async function buildImages(programs: GoPrograms, log: (line: string) => void): Promise<TestImages> {
  const debianFolder = await debianRoot(log);
  const busybox = await buildBusybox(log);
  const { stdout } = await promisify(execFile)(join(programs.directory, 'e2e.test'), ['--list-images']);
  const references = stdout.split('\n').filter(line => recipes[repositoryOf(line)]);
  references.sort();
  // The recipes are code: another one makes other images.
  const code = await Promise.all(['test-images.js', 'image-archive.js'].map(name => readFile(new URL(name, import.meta.url))));
  const folder = await cached(
    'images',
    keyOf(programs.key, basename(debianFolder), basename(dirname(busybox)), ...code, ...references),
    async work => {
      log('Packing the images ...');
      const parts: Parts = {
        programs,
        source: await programs.moduleDirectory('k8s.io/kubernetes'),
        debian: join(debianFolder, 'root'),
        busybox,
      };
      const debian = await writeFolderLayer(join(work, 'debian.layer'), parts.debian);
      const agnhost = await writeLayer(join(work, 'agnhost.layer'), await agnhostEntries(parts));
      const bases = { nothing: [], debian: [debian], agnhost: [debian, agnhost] };
      const images: Image[] = [];
      for (const reference of references) {
        const recipe = recipes[repositoryOf(reference)]!;
        const entries = await recipe.entries(parts);
        const own = entries.length ? [await writeLayer(join(work, `${images.length}.layer`), entries)] : [];
        images.push({ reference, layers: [...bases[recipe.base], ...own], config: recipe.config });
      }
      await writeImages(join(work, 'images.tar'), images);
      await removeLayers(work);
    },
  );
  return {
    archive: join(folder, 'images.tar'),
    references,
    standIns: references.map(reference => `${reference} (${recipes[repositoryOf(reference)]!.standIn})`),
  };
}

function repositoryOf(reference: string): string {
  return reference.slice(0, reference.lastIndexOf(':'));
}

function agnhostConfig(command: string): ImageConfig {
  return { Entrypoint: ['/agnhost'], Cmd: [command], Env: [path] };
}

async function agnhostEntries({ programs, source }: Parts): Promise<LayerEntry[]> {
  const porter = join(source, 'test/images/agnhost/porter');
  return [
    { name: 'agnhost', content: await program(programs, 'agnhost') },
    { name: 'agnhost-2', link: 'agnhost' },
    { name: 'localhost.crt', mode: 0o644, content: await readFile(join(porter, 'localhost.crt')) },
    { name: 'localhost.key', mode: 0o644, content: await readFile(join(porter, 'localhost.key')) },
    { name: 'uploads/', mode: 0o755 },
    { name: 'home/user-defined-in-image/', mode: 0o755, owner: 1000 },
    {
      name: 'etc/passwd',
      mode: 0o644,
      content: Buffer.from(
        'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' +
          'user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh\n',
      ),
    },
    {
      name: 'etc/group',
      mode: 0o644,
      content: Buffer.from(
        'root:x:0:\nnogroup:x:65534:\nuser-defined-in-image:x:1000:\ngroup-defined-in-image:x:50000:user-defined-in-image\n',
      ),
    },
  ];
}

async function webEntries({ source }: Parts, image: string): Promise<LayerEntry[]> {
  const names = [`${image}.jpg`, 'data.json'];
  const folder = join(source, 'test/images', image, 'html');
  return Promise.all(names.map(async name => ({ name, mode: 0o644, content: await readFile(join(folder, name)) })));
}

async function busyboxEntries({ busybox }: Parts): Promise<LayerEntry[]> {
  const applets = await appletsOf(busybox);
  return [
    { name: 'bin/busybox', content: await readFile(busybox) },
    ...applets.filter(name => name !== 'busybox').map(name => ({ name: `bin/${name}`, link: 'busybox' })),
    {
      name: 'etc/passwd',
      mode: 0o644,
      content: Buffer.from('root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n'),
    },
    { name: 'etc/group', mode: 0o644, content: Buffer.from('root:x:0:\nnobody:x:65534:\n') },
    { name: 'home/' },
    { name: 'root/', mode: 0o700 },
    { name: 'tmp/', mode: 0o1777 },
    { name: 'usr/sbin/' },
    { name: 'var/' },
  ];
}

/** The archive has them too. */
async function removeLayers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) if (name.endsWith('.layer')) await rm(join(folder, name));
}

async function program(programs: GoPrograms, name: string): Promise<Buffer> {
  return readFile(join(programs.directory, name));
}
