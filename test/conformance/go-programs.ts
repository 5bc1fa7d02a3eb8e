import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cached, keyOf } from './build-cache.js';
import { sourceDirectory } from './conformance-list.js';

const run = promisify(execFile);
const moduleDirectory = join(sourceDirectory, 'suite');

/** What the module builds besides the suite, by the file's name. */
const commands: Readonly<Record<string, string>> = {
  ginkgo: 'github.com/onsi/ginkgo/v2/ginkgo',
  agnhost: 'k8s.io/kubernetes/test/images/agnhost',
  nnp: 'k8s.io/kubernetes/test/images/nonewprivs',
  etcd: 'go.etcd.io/etcd/server/v3',
  'sample-apiserver': 'k8s.io/sample-apiserver',
};

/** Something that the machine lacks. Its text is one line that says what to do. */
export class MissingError extends Error {}

export interface GoPrograms {
  /** Folder with `e2e.test`, `ginkgo`, `agnhost` and the others. */
  readonly directory: string;
  /** Changes with the module and the compiler. */
  readonly key: string;
  readonly goVersion: string;
  /** Version of k8s.io/kubernetes, like `v1.36.3`. */
  readonly kubernetesVersion: string;
  /** Folder of a module that the suite depends on, for files that images hold. */
  moduleDirectory(path: string): Promise<string>;
}

/** Builds the suite and the programs of the images, once for a version of the module and of Go. Throws MissingError without Go. */
export async function buildPrograms(log: (line: string) => void): Promise<GoPrograms> {
  const goVersion = await findGo();
  const names = (await readdir(moduleDirectory)).filter(name => /^go\.(mod|sum)$|\.go$/.test(name)).sort();
  const files = await Promise.all(names.map(name => readFile(join(moduleDirectory, name))));
  const kubernetesVersion = /^\s*k8s\.io\/kubernetes (v\S+)/m.exec(files[names.indexOf('go.mod')]!.toString())![1]!;
  const key = keyOf(goVersion, process.arch, JSON.stringify(commands), ...names, ...files);
  const directory = await cached('programs', key, async folder => {
    log('Building the suite with Go: the first time this takes many minutes ...');
    // Some tests compare the version that clients tell with the server's.
    const [major, minor] = kubernetesVersion.slice(1).split('.') as [string, string];
    const version = { gitVersion: kubernetesVersion, gitMajor: major, gitMinor: minor };
    const flags = Object.entries(version).map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`);
    await go(['test', '-c', '-vet=off', '-ldflags', `-s -w ${flags.join(' ')}`, '-o', join(folder, 'e2e.test'), '.']);
    for (const [name, path] of Object.entries(commands)) {
      log(`Building ${name} ...`);
      await go(['build', '-ldflags', '-s -w', '-o', join(folder, name), path]);
    }
  });
  return {
    directory,
    key,
    goVersion,
    kubernetesVersion,
    moduleDirectory: async path => (await go(['list', '-m', '-f', '{{.Dir}}', path])).trim(),
  };
}

async function findGo(): Promise<string> {
  const mod = await readFile(join(moduleDirectory, 'go.mod'), 'utf8');
  const wanted = /^go (\S+)/m.exec(mod)![1]!;
  try {
    // Go takes a newer one of itself from the module proxy when the module asks for it.
    const { stdout } = await run('go', ['version'], { cwd: moduleDirectory });
    return stdout.trim();
  } catch (error) {
    const found = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'go is not on the PATH' : (error as Error).message;
    throw new MissingError(`${found.split('\n')[0]}: install Go ${wanted} or newer`);
  }
}

async function go(words: readonly string[]): Promise<string> {
  try {
    // Without cgo the programs run in any image.
    const env = { ...process.env, CGO_ENABLED: '0' };
    const { stdout } = await run('go', words, { cwd: moduleDirectory, env, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Error(`go ${words.slice(0, 2).join(' ')} failed: ${stderr?.trim() || message}`);
  }
}
