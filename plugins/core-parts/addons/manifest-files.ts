import { readdir, realpath, stat } from 'node:fs/promises';
import { basename, extname, join, relative } from 'node:path';
import { errorCode } from '../../../core/plugin-api/index.js';

export interface ManifestFile {
  /** As it lies below the folder, through links. */
  readonly path: string;
  /** The Addon's name: the file's up to the first dot. */
  readonly name: string;
  /** Changes with the content, as far as the file system tells. */
  readonly stamp: string;
  /** Switched off by `--disable`. */
  readonly disabled: boolean;
  /** A `.skip` file lies beside any file of this name. */
  readonly skipped: boolean;
  /** Below a linked folder: not ours to remove. */
  readonly linked: boolean;
}

export interface ManifestScan {
  /** Sorted by path. */
  readonly files: readonly ManifestFile[];
  /** Folders to watch. */
  readonly directories: readonly string[];
  /** Paths that could not be looked at; what they held is not known to be gone. */
  readonly unreadable: readonly string[];
}

const extensions = ['.yaml', '.yml', '.json'];
const maximumDepth = 32;

/**
 * Looks through the manifests folder and its subfolders, also those that are links from the folder itself or below.
 * Source: K3s pkg/deploy.
 */
export async function scanManifests(base: string, disabled: ReadonlySet<string>): Promise<ManifestScan> {
  const found: Omit<ManifestFile, 'skipped'>[] = [];
  const directories: string[] = [];
  const unreadable: string[] = [];
  const skips = new Set<string>();
  const seen = new Set<string>();

  const walk = async (directory: string, linked: boolean, depth: number): Promise<void> => {
    let names: string[];
    try {
      const real = await realpath(directory);
      // Links may lead in circles.
      if (seen.has(real) || depth > maximumDepth) return;
      seen.add(real);
      names = (await readdir(directory)).sort();
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || depth === 0) unreadable.push(directory);
      return;
    }
    directories.push(directory);
    for (const name of names) {
      const path = join(directory, name);
      if (name.endsWith('.skip')) skips.add(name.slice(0, -'.skip'.length));
      try {
        const facts = await stat(path);
        if (facts.isDirectory())
          await walk(path, linked || (await realpath(path)) !== join(await realpath(directory), name), depth + 1);
        else if (facts.isFile() && isManifest(name)) {
          const stamp = `${facts.ino}:${facts.size}:${facts.mtimeMs}:${facts.ctimeMs}`;
          found.push({ path, name: addonName(name), stamp, linked, disabled: isDisabled(base, path, disabled) });
        }
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') unreadable.push(path);
      }
    }
  };
  await walk(base, false, 0);
  const files = found.map(file => ({ ...file, skipped: skips.has(basename(file.path)) }));
  return { files: files.sort((a, b) => (a.path < b.path ? -1 : 1)), directories, unreadable };
}

function isManifest(name: string): boolean {
  return !name.startsWith('.') && extensions.includes(extname(name).toLowerCase());
}

/** `metrics-server.v2.yaml` is the Addon `metrics-server`. */
function addonName(name: string): string {
  return name.split('.', 1)[0]!;
}

/** By the file's name without its extension, or by any folder that it lies in, as a path below the base. */
function isDisabled(base: string, path: string, disabled: ReadonlySet<string>): boolean {
  const steps = relative(base, path).split('/');
  const file = steps.pop()!;
  if (steps.some((_step, at) => disabled.has(steps.slice(0, at + 1).join('/')))) return true;
  return disabled.has(file.slice(0, -extname(file).length));
}
