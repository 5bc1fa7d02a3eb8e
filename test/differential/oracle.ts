import { execFile } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { cached, keyOf } from '../conformance/build-cache.js';
import { MissingError } from '../conformance/go-programs.js';

const run = promisify(execFile);
const moduleDirectory = fileURLToPath(new URL('../../../scripts/schema', import.meta.url));

/** The program that runs upstream's API server inside itself, built once for its sources. Throws MissingError without Go. */
export async function buildOracle(log: (line: string) => void): Promise<string> {
  const goVersion = await run('go', ['version'], { cwd: moduleDirectory }).then(
    ({ stdout }) => stdout,
    () => {
      throw new MissingError('go is not on the PATH: install Go 1.26 or newer');
    },
  );
  const names = (await readdir(moduleDirectory)).filter(name => /^go\.(mod|sum)$|(?<!_test)\.go$/.test(name)).sort();
  const files = await Promise.all(names.map(name => readFile(join(moduleDirectory, name))));
  const version = /^\s*k8s\.io\/kubernetes (v\S+)/m.exec(files[names.indexOf('go.mod')]!.toString())![1]!;
  const [major, minor] = version.slice(1).split('.') as [string, string];
  const flags = Object.entries({ gitVersion: version, gitMajor: major, gitMinor: minor })
    .map(([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`)
    .join(' ');
  const directory = await cached('oracle', keyOf(goVersion, process.arch, ...names, ...files), async folder => {
    log("Building upstream's API server: the first time this takes some minutes ...");
    await run('go', ['build', '-ldflags', `-s -w ${flags}`, '-o', join(folder, 'oracle'), '.'], { cwd: moduleDirectory });
  });
  return join(directory, 'oracle');
}
