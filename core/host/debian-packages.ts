import { readFileSync } from 'node:fs';
import { copyFile, constants, link, mkdir, readdir, readlink, rename, rm, stat, symlink } from 'node:fs/promises';
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { errorCode } from '../base/errors.js';

/** Packages that `scripts/runtime/fetch.mjs` brought and unpacked. */
export interface DebianPackages {
  /** Unpacked root of a package, undefined when it was not needed or not asked for. */
  root(name: string): string | undefined;
  readonly versions: Readonly<Record<string, string>>;
}

export function debianCacheDirectory(environment: NodeJS.ProcessEnv = process.env): string {
  const base = environment['XDG_CACHE_HOME'];
  return join(base && isAbsolute(base) ? base : join(homedir(), '.cache'), 'k3s-ts', 'debian');
}

/** Undefined when nothing was fetched, or for another architecture. */
export function readDebianPackages(directory = debianCacheDirectory()): DebianPackages | undefined {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(join(directory, 'packages.json'), 'utf8'));
  } catch {
    // Not there, or cut short: fetching again is the mend for both.
    return undefined;
  }
  const manifest = value as {
    readonly format?: number;
    readonly architecture?: string;
    readonly packages?: readonly { readonly name: string; readonly version: string; readonly directory: string }[];
  };
  if (manifest.format !== 1 || manifest.architecture !== debianArchitecture() || !manifest.packages) return undefined;
  const roots = new Map(manifest.packages.map(entry => [entry.name, join(directory, entry.directory)]));
  return {
    root: name => roots.get(name),
    versions: Object.fromEntries(manifest.packages.map(entry => [entry.name, entry.version])),
  };
}

export function debianArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/**
 * Puts files under a folder, each replaced as a whole and only when it differs: processes that run from the old one go on.
 * They are linked where the file system allows, so that the cache may go.
 */
export async function installFiles(sources: readonly string[], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o755 });
  for (const source of sources) {
    const target = join(folder, source.slice(source.lastIndexOf('/') + 1));
    const [from, to] = [await stat(source), await statOrUndefined(target)];
    if (to && (to.ino === from.ino || (to.size === from.size && to.mtimeMs >= from.mtimeMs))) continue;
    const work = `${target}.${process.pid}.new`;
    await rm(work, { force: true });
    try {
      await link(source, work);
    } catch (error) {
      if (!['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP'].includes(errorCode(error) ?? '')) throw error;
      await copyFile(source, work, constants.COPYFILE_FICLONE);
    }
    await rename(work, target);
  }
}

/** Makes `name` in `folder` point to `target`. */
export async function installLink(folder: string, name: string, target: string): Promise<void> {
  const file = join(folder, name);
  try {
    if ((await readlink(file)) === target) return;
  } catch (error) {
    if (!['ENOENT', 'EINVAL'].includes(errorCode(error) ?? '')) throw error;
  }
  const work = `${file}.${process.pid}.new`;
  await rm(work, { force: true });
  await symlink(target, work);
  await rename(work, file);
}

/** Absolute paths of what lies in a folder, sorted; none when there is no such folder. */
export async function filesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort().map(name => join(folder, name));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw error;
  }
}

async function statOrUndefined(file: string): Promise<{ ino: number; size: number; mtimeMs: number } | undefined> {
  try {
    return await stat(file);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
