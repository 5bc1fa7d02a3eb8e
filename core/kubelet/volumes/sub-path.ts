import type { Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { chmod, chown, mkdir, open, realpath, rmdir, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { CodedError, errorCode } from '../../base/errors.js';
import type { VolumeMount } from '../../api/generated/types.js';
import type { Commands } from '../../host/commands.js';
import { expand } from '../runtime/expansion.js';

export interface SubPathRequest {
  /** Where the volume lies. */
  readonly root: string;
  readonly subPath: string;
  /** Where the part of it is bound to. */
  readonly target: string;
}

export interface SubPathHost {
  readonly commands: Commands;
  /** Mount points at and below a directory. */
  readonly mountPoints: (directory: string) => Promise<string[]>;
}

/** Linux's O_PATH, which Node does not name: a file is found, not opened, so that pipes and devices notice nothing. */
const findOnly = 0o10000000;
const noFollow = 0o400000;

/** The part of a volume that a container mounts, '' for all of it. Throws VOLUME_SUB_PATH. Texts: pkg/kubelet makeMounts. */
export function subPathOf({ subPath, subPathExpr }: VolumeMount, environment: ReadonlyMap<string, string>): string {
  const path = subPathExpr ? expandSubPath(subPathExpr, environment) : (subPath ?? '');
  checkSubPath(path);
  return path;
}

function expandSubPath(expression: string, environment: ReadonlyMap<string, string>): string {
  const missing = new Set<string>();
  const expanded = expand(expression, name => {
    const value = environment.get(name) ?? '';
    if (value === '') missing.add(name);
    return value;
  });
  if (missing.size === 0) return expanded;
  throw new CodedError('VOLUME_SUB_PATH', `missing value for ${[...missing].sort().join(', ')}`);
}

function checkSubPath(subPath: string): void {
  if (subPath.startsWith('/')) {
    throw new CodedError('VOLUME_SUB_PATH', `error SubPath \`${subPath}\` must not be an absolute path`);
  }
  if (subPath.split('/').includes('..')) {
    throw new CodedError('VOLUME_SUB_PATH', `unable to provision SubPath \`${subPath}\`: must not contain '..'`);
  }
}

/** Makes the directory that a sub path names, where nothing of that name is there yet. It never leaves the volume. */
export async function makeSubPath(root: string, subPath: string): Promise<void> {
  const realRoot = await realpath(root);
  const parts = subPath.split('/').filter(part => part !== '' && part !== '.');
  let made = parts.length;
  let real = await existing(join(realRoot, ...parts));
  while (real === undefined) real = await existing(join(realRoot, ...parts.slice(0, --made)));
  if (made === parts.length) return;
  const { mode, gid } = await stat(realRoot);
  let at = await openWithin(realRoot, real);
  try {
    for (const part of parts.slice(made)) {
      const path = `/proc/self/fd/${at.fd}/${part}`;
      try {
        await mkdir(path, { mode: 0o700 });
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error;
      }
      const next = await openPart(at, part);
      await at.close();
      at = next;
      await makeLike(`/proc/self/fd/${at.fd}`, mode & 0o7777, gid);
    }
  } finally {
    await at.close();
  }
}

/**
 * Binds a part of a volume to a place of its own and resolves that place. A container that changes the volume meanwhile cannot lead
 * it out: the path is opened step by step without following links, and what was opened is what is bound. What was bound before
 * stays where it is still the same, and gives way where the volume has another file by that name now.
 * Source: pkg/volume/util/subpath (CVE-2017-1002101, CVE-2021-25741).
 */
export async function bindSubPath(host: SubPathHost, { root, subPath, target }: SubPathRequest): Promise<string> {
  checkSubPath(subPath);
  const realRoot = await realpath(root);
  const handle = await openWithin(realRoot, await realpath(join(realRoot, subPath)));
  try {
    const wanted = await handle.stat();
    if ((await host.mountPoints(target)).includes(target)) {
      if (sameFile(wanted, await stat(target))) return target;
      await host.commands.run({ command: 'umount', arguments: [target] });
    }
    await makeTarget(target, wanted.isDirectory());
    await host.commands.run({
      command: 'mount',
      arguments: ['--bind', '--no-canonicalize', `/proc/${process.pid}/fd/${handle.fd}`, target],
    });
  } finally {
    await handle.close();
  }
  return target;
}

function sameFile(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}

/** Something of the right type to bind to; never more than an empty thing is removed for it. */
async function makeTarget(target: string, directory: boolean): Promise<void> {
  await mkdir(dirname(target), { recursive: true, mode: 0o750 });
  const found = await stat(target).catch((error: unknown) => {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (found && found.isDirectory() !== directory) await (found.isDirectory() ? rmdir(target) : unlink(target));
  if (directory) await mkdir(target, { recursive: true, mode: 0o750 });
  else await writeFile(target, '', { mode: 0o640, flag: 'a' });
}

/** Undefined when there is nothing at the end of it. */
async function existing(path: string): Promise<string | undefined> {
  try {
    return await realpath(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** The path of a descriptor means what was opened, whatever the name leads to by now. */
async function makeLike(descriptor: string, mode: number, groupId: number): Promise<void> {
  const { gid, uid } = await stat(descriptor);
  if (gid !== groupId) await chown(descriptor, uid, groupId);
  await chmod(descriptor, mode);
}

async function openWithin(root: string, real: string): Promise<FileHandle> {
  if (real !== root && !real.startsWith(root + sep)) {
    throw new CodedError('VOLUME_SUB_PATH', 'the subPath leads out of its volume');
  }
  let at = await open(root, findOnly | noFollow);
  for (const part of relative(root, real).split(sep)) {
    if (part === '') continue;
    try {
      const next = await openPart(at, part);
      await at.close();
      at = next;
    } catch (error) {
      await at.close();
      throw error;
    }
  }
  return at;
}

async function openPart(parent: FileHandle, name: string): Promise<FileHandle> {
  const handle = await open(`/proc/self/fd/${parent.fd}/${name}`, findOnly | noFollow);
  if (!(await handle.stat()).isSymbolicLink()) return handle;
  await handle.close();
  throw new CodedError('VOLUME_SUB_PATH', 'a part of the subPath became a link');
}
