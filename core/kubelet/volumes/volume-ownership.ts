import { chmod, lchown, lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface GroupOptions {
  /** Members of the group may read, not write. */
  readonly readOnly?: boolean;
}

const typeMask = 0o170000;
const directoryType = 0o040000;
const linkType = 0o120000;
const setGroupId = 0o2000;

/**
 * Gives a volume and all that is in it to a group. Links are given, never followed; the root comes last, so that a walk that was cut
 * off is seen by `belongsToGroup`. Source: pkg/volume SetVolumeOwnership.
 */
export async function giveToGroup(path: string, groupId: number, options: GroupOptions = {}): Promise<void> {
  const { mode, uid } = await lstat(path);
  const type = mode & typeMask;
  if (type === directoryType) for (const name of await readdir(path)) await giveToGroup(join(path, name), groupId, options);
  await lchown(path, uid, groupId);
  if (type === linkType) return;
  await chmod(path, (mode & 0o7777) | groupMode(type === directoryType, options));
}

/** Whether the volume's root is as `giveToGroup` leaves it: what `fsGroupChangePolicy: OnRootMismatch` asks. */
export async function belongsToGroup(path: string, groupId: number, options: GroupOptions = {}): Promise<boolean> {
  const found = await stat(path);
  const wanted = groupMode(true, options);
  return found.isDirectory() && found.gid === groupId && (found.mode & wanted) === wanted;
}

function groupMode(directory: boolean, { readOnly = false }: GroupOptions): number {
  return (readOnly ? 0o440 : 0o660) | (directory ? 0o110 | setGroupId : 0);
}
